"""Folders of scans with ``--lab`` on the command line: check, plan, search and localise."""

from __future__ import annotations

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

from autospec.cli import main
from autospec.cli.localise_data import Case
from autospec.data.spectra import Spectra
from tests.data.instruments.made_scans import reflectance, write_asd
from tests.data.soil_tables import soil_table

N = 24
# by name: in the package, the command stands before the module
SEARCH, LOCALISE = sys.modules["autospec.cli.search"], sys.modules["autospec.cli.localise"]


@dataclass
class Done:
    """What a command left behind."""

    code: object
    stdout: str
    stderr: str


def autospec(*words: object) -> Done:
    """Run a command as its process would, in this one."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["autospec", *map(str, words)])
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Done(code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def farm(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a folder of two scans a sample, and its lab values."""
    folder = tmp_path_factory.mktemp("farm")
    for i, soil in enumerate(reflectance(N)):
        for r in (1, 2):
            write_asd(folder / "scans", f"S{i + 1:03d}_{r}.asd", soil * (1 + r / 1000))
    lab = folder / "lab.csv"
    lab.write_text("id,soc\n" + "".join(f"S{i + 1:03d},{10 + i}\n" for i in range(N)))
    return folder / "scans", lab


def test_check_shows_what_was_found(farm: tuple[Path, Path]) -> None:
    done = autospec("check", farm[0], "--lab", farm[1])
    assert done.code == 0, done.stderr
    for said in (
        "48 scans read: ASD",
        "lab values of 24 samples joined from lab.csv",
        "48 scans of 24 samples averaged",
        "Good: 24 spectra of 216 bands, 350 to 2500 nm, 24 with soc.",
        f"--lab {farm[1]}",
    ):
        assert said in done.stdout


def test_check_keeps_replicates_when_told(farm: tuple[Path, Path]) -> None:
    done = autospec("check", farm[0], "--lab", farm[1], "--replicates", "keep", "--json")
    said = json.loads(done.stdout)
    assert said["wrong"] == []
    assert not any("averaged" in line for line in said["mended"])


def test_scans_without_lab_values_name_the_option(farm: tuple[Path, Path]) -> None:
    done = autospec("check", farm[0])
    assert (done.code, "Pass it with --lab." in done.stderr) == (65, True)


def test_plan_needs_no_lab_values_but_counts_them(farm: tuple[Path, Path]) -> None:
    alone = json.loads(autospec("plan", farm[0], "--n", 5, "--json").stdout)
    with_lab = json.loads(autospec("plan", farm[0], "--lab", farm[1], "--n", 5, "--json").stdout)
    assert (alone["n_samples"], alone["n_labelled"]) == (N, 0)
    assert (with_lab["n_samples"], with_lab["n_labelled"]) == (N, N)


def test_search_reads_them(farm: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Spectra, str]] = []

    def run(spectra: Spectra, name: str, *rest: object) -> None:
        seen.append((spectra, name))

    monkeypatch.setattr(SEARCH, "run_search", run)
    monkeypatch.setattr(SEARCH, "show_search", lambda *rest: sys.exit(0))
    assert autospec("search", farm[0], "--lab", farm[1]).code == 0
    assert (seen[0][0].labelled().n, seen[0][1]) == (N, "scans")


def test_localise_reads_the_farm_so_and_the_library_as_it_is(
    farm: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = soil_table(n=40).write(tmp_path / "library.csv")
    cases: list[Case] = []

    def run(case: Case, *rest: object) -> None:
        cases.append(case)
        sys.exit(0)

    monkeypatch.setattr(LOCALISE, "run_case", run)
    done = autospec(
        "localise", "--global", library, "--local", farm[0], "--lab", farm[1], "--target", "soc"
    )
    assert done.code == 0, done.stderr
    assert (cases[0].farm.n, cases[0].library[0].n) == (N, 40)
    assert cases[0].farm.labelled().n == N


@pytest.mark.parametrize(
    "words",
    [
        ("search", "--site", "sweden", "--lab", "lab.csv"),
        ("plan", "--site", "sweden", "--replicates", "keep"),
        ("localise", "--site", "sweden-skane", "--lab", "lab.csv"),
    ],
)
def test_a_site_takes_no_lab_values(words: tuple[str, ...]) -> None:
    done = autospec(*words)
    assert done.code == 2
    assert "--lab and --replicates are for files" in done.stderr
