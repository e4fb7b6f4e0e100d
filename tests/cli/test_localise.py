"""``autospec localise`` as a user meets it: options, folders, exit codes, what is printed.

The job itself is replaced by a made result: its own tests are in tests/transfer.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.cli import localise_all, main
from autospec.cli.interrupt import CtrlC
from autospec.cli.live import clock
from autospec.cli.localise_data import farm_sites
from autospec.cli.localise_live import LocaliseDisplay, progress_line
from autospec.cli.localise_show import show_result
from autospec.data.spectra import Spectra
from autospec.errors import DataError, OutputError, StudyFailed
from autospec.localisation.inputs import inputs_digest
from autospec.localisation.progress import LocaliseProgress
from autospec.localisation.result import LocalisationResult
from autospec.report.localise_folder import load_localisation
from autospec.report.localise_trust import trust_sentence
from tests.report.made_localisation import make_localisation


@dataclass(slots=True)
class FakeJob:
    """Stands in for the job: keeps what it was asked, and returns a made result for it."""

    made: LocalisationResult
    asked: list[dict[str, Any]] = field(default_factory=list)
    stopped: str = "complete"
    failing: dict[str, BaseException] = field(default_factory=dict)
    calibration_rows: int = 0  # with any, a run is finished only with its model, which this is not

    def __call__(
        self, library: tuple[Spectra, ...], farm: Spectra, **words: Any
    ) -> LocalisationResult:
        self.asked.append({"library": library, "farm": farm, **words})
        if words["name"] in self.failing:
            raise self.failing[words["name"]]
        settings = words["settings"]
        words["execution"].progress(LocaliseProgress(stage="plan", message="about 1 min"))
        words["execution"].progress(LocaliseProgress(stage="draws", done=1, total=10, eta_s=61))
        if not words["execution"].shared:
            words["execution"].pieces.write("draw-0", "kept")
        digest = inputs_digest(
            library, farm, country=words["country"], architecture=settings.architecture
        )
        return replace(
            self.made,
            name=words["name"],
            settings=settings,
            inputs_digest=digest,
            farm=replace(self.made.farm, target_name=farm.target_name),
            stopped=self.stopped,  # type: ignore[arg-type]
            final=replace(self.made.final, calibration_rows=self.calibration_rows),
        )


@pytest.fixture(scope="module")
def made() -> LocalisationResult:
    return make_localisation()


@pytest.fixture
def job(made: LocalisationResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeJob:
    fake = FakeJob(made)
    monkeypatch.setattr("autospec.localisation.job.localise", fake)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return fake


@pytest.fixture
def command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in this process; return exit code, stdout and stderr."""

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["autospec", "localise", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


Command = Callable[..., tuple[int, str, str]]


def write_table(path: Path, n: int, seed: int, *, unlabelled: int = 0, **columns: str) -> Path:
    rng = np.random.default_rng(seed)
    axis = np.arange(400, 800, 10)
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "soc", *columns, *axis])
        for i in range(n):
            soc = "" if i < unlabelled else f"{rng.uniform(5, 40):.2f}"
            bands = (f"{v:.5f}" for v in rng.uniform(0.2, 0.5, len(axis)))
            writer.writerow([f"{path.stem}-{i}", soc, *columns.values(), *bands])
    return path


def test_a_site_is_localised_with_all_other_fields_as_library(
    job: FakeJob, command: Command, tmp_path: Path
) -> None:
    code, out, err = command("--site", "germany-rp", "--quick", "--seed", 4)
    assert code == 0, err
    [asked] = job.asked
    assert asked["name"] == "germany-rp"
    assert set(asked["farm"].fields) == {"RP.62"}
    fields = {field for table in asked["library"] for field in table.fields}
    assert "RP.62" not in fields and "SL.125" in fields
    assert asked["country"] == "Germany"
    assert asked["settings"].quick and asked["settings"].seed == 4
    assert "library of germany-rp" in err and "about 1 min" in err
    folder = Path("runs") / "germany-rp-localised"
    assert str(folder / "report.html") in out
    assert (tmp_path / folder / "pieces" / "draw-0.json").read_text("utf-8") == "kept"
    assert asked["execution"].storage == f"sqlite:///{tmp_path / folder / 'study.db'}"


def test_the_table_and_the_verdicts_are_printed_within_the_width(
    job: FakeJob, command: Command
) -> None:
    _, out, _ = command("--site", "germany-rp", "-o", "out")
    assert max(len(line) for line in out.splitlines()) <= 100
    words = " ".join(out.split())
    trust = trust_sentence(job.made)
    assert "hold 91.1 % of the 285 test rows of 3 draws" in trust
    for said in (job.made.verdict, job.made.transfer_verdict, trust, *job.made.strategy_verdicts):
        assert said in words
    for model in job.made.models:
        assert model.name.split(" (")[0] in words
    assert "3.41 (" in words


def test_the_table_can_be_read_on_80_columns(
    job: FakeJob, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = command("--site", "germany-rp", "-o", "out")
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "…" not in out
    assert "cannot tell" in out


def test_every_option_reaches_the_settings(job: FakeJob, command: Command) -> None:
    code, _, err = command(
        "--site", "germany-rp", "--n", 25, "--draws", 5, "--network-draws", 2, "--method", "clhs",
        "--k", 80, "--b", 30, "--r", 0.2, "--trials", 7, "--architecture", "china", "--budget",
        "2m", "--seed", 9, "--device", "cpu", "--storage", "sqlite:///x.db", "-o", "out",
    )  # fmt: skip
    assert code == 0, err
    settings = job.asked[0]["settings"]
    assert (settings.n, settings.draws, settings.network_draws, settings.method) == (
        25, 5, 2, "clhs",
    )  # fmt: skip
    assert (settings.k, settings.b, settings.r, settings.trials) == (80, 30, 0.2, 7)
    assert (settings.architecture, settings.budget_s, settings.seed) == ("china", 120.0, 9)
    assert not settings.quick
    execution = job.asked[0]["execution"]
    assert (execution.storage, execution.device) == ("sqlite:///x.db", "cpu")
    assert execution.shared and execution.pieces is None


def test_files_are_read_with_the_shared_options(
    job: FakeJob, command: Command, tmp_path: Path
) -> None:
    first = write_table(tmp_path / "europe.csv", 40, 1, land="Sweden")
    second = write_table(tmp_path / "asia.csv", 30, 2, land="China")
    farm = write_table(tmp_path / "My Farm.csv", 40, 3, unlabelled=4)
    code, _, err = command(
        "--global", first, "--global", second, "--local", farm, "--target", "soc",
        "--target-unit", "g/kg", "--quantity", "reflectance", "--country", "Sweden",
        "--country-column", "land",
    )  # fmt: skip
    assert code == 0, err
    [asked] = job.asked
    assert asked["name"] == "my-farm"
    assert [set(table.fields) for table in asked["library"]] == [{"Sweden"}, {"China"}]
    assert (asked["farm"].n, asked["farm"].labelled().n) == (40, 36)
    assert asked["country"] == "Sweden"
    assert (tmp_path / "runs" / "my-farm-localised" / "report.html").exists()


def test_a_finished_run_is_not_run_again(job: FakeJob, command: Command) -> None:
    words = ("--site", "germany-rp", "-o", "out")
    first = command(*words)
    code, out, err = command(*words)
    assert code == 0
    assert len(job.asked) == 1
    assert "already finished" in err
    assert out == first[1]
    assert command(*words, "--seed", 1)[0] == 0
    assert len(job.asked) == 2


def test_a_finished_run_whose_model_is_gone_fits_it_again(job: FakeJob, command: Command) -> None:
    job.calibration_rows = 30
    words = ("--site", "germany-rp", "-o", "out")
    command(*words)
    _, _, err = command(*words)
    assert len(job.asked) == 2
    assert "model.safetensors is gone" in err


def test_an_interrupted_run_is_written_and_goes_on_later(job: FakeJob, command: Command) -> None:
    job.stopped = "interrupt"
    words = ("--site", "germany-rp", "-o", "out")
    code, out, _ = command(*words)
    assert code == 130
    assert "out/report.html" in out
    assert load_localisation("out").stopped == "interrupt"
    job.stopped = "complete"
    assert command(*words)[0] == 0
    assert len(job.asked) == 2


def test_json_is_the_comparison(job: FakeJob, command: Command) -> None:
    _, out, _ = command("--site", "germany-rp", "-o", "out", "--json")
    assert json.loads(out) == json.loads(Path("out/comparison.json").read_text("utf-8"))


def test_report_draws_a_localisation_again(
    job: FakeJob, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("--site", "germany-rp", "-o", "out")
    before = Path("out/report.html").read_bytes()
    Path("out/report.html").unlink()
    monkeypatch.setattr(sys, "argv", ["autospec", "report", "out"])
    with pytest.raises(SystemExit) as end:
        main()
    assert not end.value.code
    assert Path("out/report.html").read_bytes() == before


def test_a_folder_of_a_search_is_refused(job: FakeJob, command: Command, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text("{}", encoding="utf-8")
    code, _, err = command("--site", "germany-rp", "-o", "out")
    assert code == 2
    assert "holds the result of a search" in err
    assert job.asked == []


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ([], 2, "want either --site NAME, or both --global FILE and --local FILE"),
        (["--local", "farm.csv"], 2, "want either --site NAME"),
        (["--site", "japan", "--local", "farm.csv"], 2, "want either --site NAME"),
        (["--site", "japn"], 2, "Did you mean 'japan'?"),
        (["--site", "japan", "--target", "sock"], 2, "Did you mean 'soc'?"),
        (["--site", "japan", "--id", "name"], 2, "--id: for files only"),
        (["--site", "japan", "--country", "Swedn"], 2, "Did you mean 'Sweden'?"),
        (["--site", "all", "--country", "Sweden"], 2, "--country is for one farm"),
        (["--site", "all", "--workers", "2"], 2, "--storage and --workers are for one farm"),
        (["--site", "sweden-skane", "--workers", "5"], 2, "SQLite serves up to 4"),
        (["--site", "japan", "--country-column", "land"], 2, "for files only"),
        (["--site", "japan", "--budget", "soon"], 2, "'soon' is no duration"),
        (["--site", "japan", "--n", "3"], 2, "'--n'"),
        (["--site", "japan", "--architecture", "swedn"], 2, "Did you mean 'sweden'?"),
        (["--global", "a.csv", "--local", "b.csv"], 65, "b.csv"),
    ],
)
def test_a_mistake_is_one_message_with_its_exit_code(
    job: FakeJob, command: Command, tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    found, out, err = command(*words)
    assert (found, out) == (code, "")
    assert said in err
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [("{", "net.json"), ('{"conv": [{}]}', "net.json"), ("[" * 100_000, "net.json")],
)
def test_a_bad_architecture_file_is_refused_first(
    job: FakeJob, command: Command, tmp_path: Path, content: str, said: str
) -> None:
    path = tmp_path / "net.json"
    path.write_text(content, encoding="utf-8")
    code, _, err = command("--site", "japan", "--architecture", path)
    assert code == 2
    assert said in err
    assert job.asked == []


def test_a_large_architecture_file_is_refused(
    job: FakeJob, command: Command, tmp_path: Path
) -> None:
    path = tmp_path / "net.json"
    path.write_bytes(b" " * 1_000_001)
    code, _, err = command("--site", "japan", "--architecture", path)
    assert (code, "larger than 1 MB" in err) == (2, True)


def test_a_good_architecture_file_is_taken(job: FakeJob, command: Command, tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    block = {"kernel": 3, "filters": 8, "activation": "ELU"}
    path.write_text(json.dumps({"conv": [block], "fc": []}), encoding="utf-8")
    code, _, err = command("--site", "germany-rp", "--architecture", path, "-o", "out")
    assert code == 0, err
    assert job.asked[0]["settings"].architecture == str(path)


def test_a_refused_farm_leaves_nothing_behind(
    job: FakeJob, command: Command, tmp_path: Path
) -> None:
    job.failing["germany-rp"] = DataError("62 rows are too few; pass a smaller --n")
    code, _, err = command("--site", "germany-rp", "--n", 60)
    assert code == 65
    assert "pass a smaller --n" in err
    assert list(tmp_path.iterdir()) == []


def test_all_sites_are_the_single_fields() -> None:
    sites = farm_sites()
    assert len(sites) == 15
    assert not {"sweden", "usa"} & set(sites)


@pytest.fixture
def three_sites(monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    sites = ("germany-rp", "france", "brazil-mato-grosso")
    monkeypatch.setattr(localise_all, "farm_sites", lambda: sites)
    return sites


def test_all_runs_every_site_and_sums_up(
    job: FakeJob, command: Command, three_sites: tuple[str, ...], tmp_path: Path
) -> None:
    job.failing["france"] = DataError("32 rows are too few")
    code, out, err = command("--site", "all", "-o", "out", "--budget", "20m")
    assert code == 0, err
    assert "3 sites, each with a budget of 20 min 0 s: at most about 1 h 0 min in all" in err
    assert [asked["name"] for asked in job.asked] == list(three_sites)
    assert "france: 32 rows are too few" in out
    assert "geometric mean" in " ".join(out.split())
    assert max(len(line) for line in out.splitlines()) <= 100
    rows = list(csv.DictReader((tmp_path / "out" / "summary.csv").read_text("utf-8").splitlines()))
    assert [row["name"] for row in rows] == list(three_sites)
    assert rows[1]["reason"] == "32 rows are too few"
    assert (tmp_path / "out" / "germany-rp" / "report.html").exists()
    assert not (tmp_path / "out" / "france").exists()


def test_all_does_not_run_finished_sites_again(
    job: FakeJob, command: Command, three_sites: tuple[str, ...]
) -> None:
    job.stopped = "budget"  # it had its budget: the same one again is not spent on it
    assert command("--site", "all", "-o", "out")[0] == 0
    code, out, err = command("--site", "all", "-o", "out", "--json")
    assert code == 0
    assert len(job.asked) == len(three_sites)
    assert err.count("already finished") == len(three_sites)
    assert json.loads(out) == json.loads(Path("out/benchmark.json").read_text("utf-8"))
    assert json.loads(out)["parts"][0]["sites"] == list(three_sites)


def test_all_stops_after_the_site_that_was_interrupted(
    job: FakeJob, command: Command, three_sites: tuple[str, ...]
) -> None:
    job.stopped = "interrupt"
    code, out, _ = command("--site", "all", "-o", "out")
    assert code == 130
    assert len(job.asked) == 1
    assert "without a result: france, brazil-mato-grosso: not run yet" in " ".join(out.split())
    lines = csv.DictReader(Path("out/benchmark.csv").read_text("utf-8").splitlines())
    assert {line["site"] for line in lines} == {"germany-rp"}


def test_all_ends_with_the_first_error_if_no_site_has_a_result(
    job: FakeJob, command: Command, three_sites: tuple[str, ...]
) -> None:
    job.failing = {name: DataError(f"{name} is bad") for name in three_sites}
    code, out, err = command("--site", "all", "-o", "out")
    assert (code, out) == (65, "")
    assert "autospec: germany-rp is bad" in err


def test_all_stops_at_once_if_results_cannot_be_written(
    job: FakeJob, command: Command, three_sites: tuple[str, ...]
) -> None:
    job.failing["germany-rp"] = OutputError("the disk is full")
    assert command("--site", "all", "-o", "out")[0] == 74
    assert len(job.asked) == 1


@pytest.mark.parametrize("wrong", [StudyFailed("before the first draw"), KeyboardInterrupt()])
def test_ctrl_c_before_the_first_draw_of_a_site_sums_up_those_before(
    job: FakeJob,
    command: Command,
    three_sites: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
    wrong: BaseException,
) -> None:
    monkeypatch.setattr(CtrlC, "pressed", lambda self: len(job.asked) == 2)
    job.failing["france"] = wrong
    code, out, _ = command("--site", "all", "-o", "out")
    assert (code, len(job.asked)) == (130, 2)
    assert "without a result: france, brazil-mato-grosso: not run yet" in " ".join(out.split())
    data = json.loads(Path("out/benchmark.json").read_text("utf-8"))
    assert data["parts"][0]["sites"] == ["germany-rp"]


def study_file(folder: Path, table: str) -> Path:
    path = folder / "few.toml"
    path.write_text(f"[localise]\n{table}", encoding="utf-8")
    return path


def test_a_study_runs_every_target_and_size_in_folders_of_their_own(
    job: FakeJob, command: Command, three_sites: tuple[str, ...], tmp_path: Path
) -> None:
    study = study_file(tmp_path, "targets = ['soc', 'clay']\nsizes = [10, 40]\ndraws = 2")
    code, out, err = command("--study", study, "--site", "all", "-o", "out", "--seed", 3)
    assert code == 0, err
    # france has 32 samples, brazil-mato-grosso 44, germany-rp 62
    assert "france is left out at n = 40: 32 samples with clay: at most 24 train, not 40" in err
    assert "8 localisations of 3 sites, each with a budget of 9 min 0 s" in err
    assert "Site 8 of 8: germany-rp, clay, n = 40" in err
    assert [(a["farm"].target_name, a["settings"].n, a["name"]) for a in job.asked] == [
        (target, n, name)
        for target in ("soc", "clay")
        for n, names in ((10, three_sites), (40, ("germany-rp",)))
        for name in names
    ]
    assert {(a["settings"].seed, a["settings"].draws) for a in job.asked} == {(3, 2)}
    for part in ("soc-n10", "soc-n40", "clay-n10", "clay-n40"):
        assert (tmp_path / "out" / part / "germany-rp" / "report.html").exists()
        assert (tmp_path / "out" / part / "summary.html").exists()
    assert not (tmp_path / "out" / "clay-n40" / "france").exists()
    words = " ".join(out.split())
    assert "clay, n = 40, without a result: france: 32 samples with clay" in words
    assert max(len(line) for line in out.splitlines()) <= 100
    rows = csv.DictReader((tmp_path / "out" / "benchmark.csv").read_text("utf-8").splitlines())
    found = {(row["target"], row["n"], row["site"]) for row in rows}
    assert len(found) == 8 and ("clay", "40", "germany-rp") in found
    assert command("--study", study, "--site", "all", "-o", "out", "--seed", 3)[1] == out
    assert len(job.asked) == 8


def test_the_only_size_is_cut_to_what_a_farm_has(
    job: FakeJob, command: Command, three_sites: tuple[str, ...]
) -> None:
    code, _, err = command("--site", "all", "-o", "out", "--n", 40)
    assert code == 0, err
    assert [asked["name"] for asked in job.asked] == list(three_sites)
    assert Path("out/france/report.html").exists()


def test_options_are_laid_over_the_study(job: FakeJob, command: Command, tmp_path: Path) -> None:
    table = "targets = ['soc', 'ph']\nsizes = [10, 20]\nquick = true\ndraws = 7\nb = 30"
    study = study_file(tmp_path, table + "\nfirst_draw = 2\ntrust_draws = 4")
    code, _, err = command(
        "--study", study, "--site", "germany-rp", "--target", "clay", "--n", 25, "--no-quick",
        "--first-draw", 3, "--budget", "2m",
    )  # fmt: skip
    assert code == 0, err
    [asked] = job.asked
    settings = asked["settings"]
    assert asked["farm"].target_name == "clay"
    assert (settings.n, settings.draws, settings.first_draw, settings.b) == (25, 7, 3, 30)
    assert (settings.quick, settings.trust_draws, settings.budget_s) == (False, 4, 120.0)


def test_a_study_of_one_target_and_size_is_for_a_farm_too(
    job: FakeJob, command: Command, tmp_path: Path
) -> None:
    study = study_file(tmp_path, "targets = ['ph']\nsizes = [20]")
    assert command("--study", study, "--site", "germany-rp")[0] == 0
    assert (job.asked[0]["farm"].target_name, job.asked[0]["settings"].n) == ("ph", 20)


@pytest.mark.parametrize(
    ("study", "said"),
    [
        ("benchmark-sites", "the study has 3 targets and 1 sizes: that is for --site all"),
        ("benchmark-curv", "Did you mean 'benchmark-curve'?"),
        ("sweden", "[search] is for autospec search"),
    ],
)
def test_a_study_that_does_not_fit_is_refused_in_one_message(
    job: FakeJob, command: Command, tmp_path: Path, study: str, said: str
) -> None:
    code, out, err = command("--study", study, "--site", "japan")
    assert (code, out, job.asked) == (2, "", [])
    assert said in err and len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_first_draw_beyond_the_draws_is_refused(job: FakeJob, command: Command) -> None:
    code, _, err = command("--site", "japan", "--first-draw", 10)
    assert (code, job.asked) == (2, [])
    assert "first_draw = 10; want 0 to 9" in err


def test_no_site_that_has_enough_samples_is_said_before_anything_runs(
    job: FakeJob, command: Command, three_sites: tuple[str, ...], tmp_path: Path
) -> None:
    study = study_file(tmp_path, "sizes = [60, 80]")
    code, out, err = command("--study", study, "--site", "all", "-o", "out")
    assert (code, out, job.asked) == (65, "", [])
    assert "france: 32 samples with soc: at most 24 train, not 60" in err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("written", [True, False])
def test_model_and_card_are_listed_where_they_were_written(
    written: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("model.safetensors", "MODEL.md")
    for name in names if written else ():
        (tmp_path / name).touch()
    show_result(make_localisation(), tmp_path, False)
    lines = capsys.readouterr().out.splitlines()
    assert [str(tmp_path / name) in lines for name in names] == [written, written]


def test_progress_off_a_terminal_is_a_line_a_piece(capsys: pytest.CaptureFixture[str]) -> None:
    with LocaliseDisplay() as display:
        display(LocaliseProgress(stage="plan", message="12 networks [about]"))
        for done in (1, 1, 1, 2):
            display(LocaliseProgress(stage="draws", done=done, total=10, eta_s=125.0))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "12 networks [about]",
        "Draws 1 of 10; about 2:05 min to go",
        "Draws 2 of 10; about 2:05 min to go",
    ]


def test_a_line_of_progress_says_stage_best_and_time() -> None:
    progress = LocaliseProgress(
        stage="networks", message="DTL-I_g", done=1, total=3, eta_s=59.6, best="auto: RMSE 3.1 g/kg"
    )
    assert progress_line(progress) == (
        "Networks 1 of 3: DTL-I_g; best so far auto: RMSE 3.1 g/kg; about 1:00 min to go"
    )
    assert clock(3600) == "60:00 min"


def test_the_display_draws_what_it_was_told() -> None:
    display = LocaliseDisplay()
    assert len(display.draw().renderables) == 1
    display.last = LocaliseProgress(stage="final")
    assert len(display.draw().renderables) == 2


def test_help_imports_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['autospec', 'localise', '--help']\n"
        "from autospec.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'optuna', 'plotly', 'numpy'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for option in ("--global", "--local", "--country-column", "--architecture", "--quick"):
        assert option in done.stdout
