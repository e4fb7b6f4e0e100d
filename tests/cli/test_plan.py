"""``autospec plan`` as a user meets it: exit codes, messages, files; one real process."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pytest

import autospec
from autospec.cli import main
from tests.data.soil_tables import Table, soil_table

DOCS = (Path(__file__).parents[2] / "docs" / "plan.md").read_text(encoding="utf-8")


@dataclass
class Done:
    """What a command left behind."""

    returncode: object
    stdout: str
    stderr: str


def plan(*words: object, cwd: Path | None = None) -> Done:
    """Run the command as its process would, in this one: a start costs seconds."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["autospec", "plan", *map(str, words)])
        patch.chdir(cwd or Path.cwd())
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Done(code, out.getvalue(), err.getvalue())


def unlabelled(path: Path, n: int = 40, scans: int = 1) -> Path:
    """A table of spectra without lab values; every sample is there `scans` times."""
    made = soil_table(n=n * scans)
    rows = [[f"S-{i % n}", *row[2:]] for i, row in enumerate(made.rows)]
    return Table(header=["id", *made.header[2:]], rows=rows).write(path)


def listed(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.mark.parametrize("method", ["kennard-stone", "clhs", "kmeans", "random"])
def test_a_file_without_lab_values_gives_the_list_for_the_lab(tmp_path: Path, method: str) -> None:
    file = unlabelled(tmp_path / "scans.csv")
    done = plan(file, "--n", 12, "--method", method, "-o", tmp_path / "lab.csv")
    assert done.returncode == 0, done.stderr
    rows = listed((tmp_path / "lab.csv").read_text(encoding="utf-8"))
    assert [row["order"] for row in rows] == [str(i) for i in range(1, 13)]
    assert len({row["id"] for row in rows}) == 12
    assert {row["has_lab_value"] for row in rows} == {"no"}
    assert f"12 of 40 samples by {method}" in done.stdout
    assert "random choice:" in done.stdout
    assert "lab value already" not in done.stdout


def test_json_holds_the_same_list_and_the_same_again(tmp_path: Path) -> None:
    file = unlabelled(tmp_path / "scans.csv")
    first, again = (plan(file, "--n", 9, "--json", "-o", tmp_path / "lab.csv") for _ in "12")
    assert first.stdout == again.stdout
    data = json.loads(first.stdout)
    rows = listed((tmp_path / "lab.csv").read_text(encoding="utf-8"))
    assert [s["id"] for s in data["samples"]] == [row["id"] for row in rows]
    assert data["n_samples"] == 40
    assert data["coverage"]["explained"] <= 1


def test_replicate_scans_are_one_sample(tmp_path: Path) -> None:
    file = unlabelled(tmp_path / "scans.csv", n=25, scans=2)
    data = json.loads(plan(file, "--n", 25, "--json").stdout)
    assert data["n_samples"] == 25
    assert {s["scans"] for s in data["samples"]} == {2}


def test_a_site_says_how_many_of_the_chosen_have_a_lab_value() -> None:
    done = plan("--site", "germany-rp", "--n", 10)
    assert done.returncode == 0, done.stderr
    assert "10 of the chosen have a lab value already (62 of all samples do)" in done.stdout


def test_labelled_samples_may_be_kept(tmp_path: Path) -> None:
    made = soil_table(n=40)
    for row in made.rows[15:]:
        row[1] = ""
    done = plan(made.write(tmp_path / "part.csv"), "--n", 5, "--keep-labelled")
    assert done.returncode == 0, done.stderr
    assert "15 samples with a lab value counted as chosen already" in done.stdout


def test_ids_are_no_formulas_and_no_markup(tmp_path: Path) -> None:
    made = soil_table(n=30)
    for i, row in enumerate(made.rows):
        row[0] = f"=cmd|'{i}'!A1" if i % 2 else f"[red]{i}"
    file = made.write(tmp_path / "odd.csv")
    done = plan(file, "--n", 30, "-o", tmp_path / "lab.csv")
    assert done.returncode == 0, done.stderr
    ids = {row["id"] for row in listed((tmp_path / "lab.csv").read_text(encoding="utf-8"))}
    assert [i for i in ids if i.startswith("=")] == []
    assert "'=cmd|'1'!A1" in ids
    assert "[red]0" in done.stdout


def test_a_long_list_is_cut_on_the_screen_only(tmp_path: Path) -> None:
    file = unlabelled(tmp_path / "scans.csv", n=60)
    done = plan(file, "--n", 55, "-o", tmp_path / "lab.csv")
    assert "... and 5 more" in done.stdout
    assert len(listed((tmp_path / "lab.csv").read_text(encoding="utf-8"))) == 55


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["scans.csv", "--n", "41"], 2, "41 samples are wanted of 40"),
        (["scans.csv", "--n", "0"], 2, "--n"),
        (["scans.csv", "--method", "kenard"], 2, "kennard-stone"),
        (["scans.csv", "--id", "sample"], 65, "--id"),
        (["scans.csv", "-o", "scans.csv"], 2, "is the table itself"),
        (["scans.csv", "-o", "scans.csv/lab.csv"], 74, "lab.csv"),
        (["scans.csv", "--site", "japan"], 2, "want either --site NAME or a FILE"),
        ([], 2, "want either --site NAME or a FILE"),
        (["no-such.csv"], 65, "no-such.csv"),
        (["--site", "jpan"], 2, "Did you mean 'japan'?"),
    ],
)
def test_a_mistake_is_one_message_with_its_exit_code(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    before = unlabelled(tmp_path / "scans.csv").read_bytes()
    done = plan(*words, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("scans.csv", before)]


def test_the_commands_of_the_docs_run(tmp_path: Path) -> None:
    (block,) = re.findall(r"```bash\n(.*?)```", DOCS, flags=re.DOTALL)
    unlabelled(tmp_path / "scans.csv")
    root = str(Path(autospec.__file__).parents[1])
    done = subprocess.run(
        ["bash", "-ec", f'autospec() {{ "{sys.executable}" -m autospec "$@"; }}\n{block}'],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count(" samples by ") == 2
    assert len(listed((tmp_path / "to-the-lab.csv").read_text(encoding="utf-8"))) == 30


def test_the_command_has_help() -> None:
    done = plan("--help")
    assert done.returncode == 0
    assert "to the laboratory" in done.stdout
