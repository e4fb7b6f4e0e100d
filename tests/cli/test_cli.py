"""The command line as a user meets it: real processes, exit codes, messages, files."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest

import autospec
from autospec.cli.study_names import study_name
from autospec.nets.architecture import TABLE_COLUMNS

SMALL_STUDY = """
[data]
site = "germany-rp"
[search]
trials = 4
folds = 3
members = 2
published = false
budget = "20m"
[search.space]
conv_blocks = [1, 1]
filters = [4, 8]
fc_blocks = [0, 1]
nodes = [8, 16]
max_epochs = 10
[search.caps]
multiply_adds = 200000
"""
WRITTEN = (
    "best_architecture.csv",
    "best_architecture.json",
    "best_architecture.md",
    "best_architecture.tex",
    "leaderboard.csv",
    "metrics.json",
    "predictions.csv",
    "report.html",
    "run.json",
    "study.db",
    "assets/plotly.min.js",
)


def autospec_command(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autospec", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=300,
        check=False,
    )


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def environment() -> dict[str, str]:
    root = str(Path(autospec.__file__).parents[1])
    return {**os.environ, "PYTHONPATH": root, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("study") / "small.toml"
    path.write_text(SMALL_STUDY, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(study: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One whole search on a small real site, from the command to the files."""
    folder = tmp_path_factory.mktemp("run") / "out"
    done = autospec_command("search", "--study", study, "-o", folder)
    assert done.returncode == 0, done.stderr
    assert "Best architecture" in done.stdout
    assert "sealed test rows" in done.stdout
    assert str(folder / "report.html") in done.stdout
    assert str(folder / "model.safetensors") in done.stdout
    assert str(folder / "MODEL.md") in done.stdout
    assert "4 trials × 3 folds = 12 networks" in done.stderr
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", WRITTEN)
def test_a_search_writes_every_file(run: Path, name: str) -> None:
    assert (run / name).stat().st_size > 0


@pytest.mark.slow
def test_the_tables_agree_with_each_other(run: Path) -> None:
    result = autospec.load_result(run)
    rows = table(run / "best_architecture.csv")
    assert tuple(rows[0]) == TABLE_COLUMNS
    assert rows == result.winner.architecture.table_rows("germany-rp")
    predictions = table(run / "predictions.csv")
    assert [p["id"] for p in predictions] == list(result.test_ids)
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    by_hand = np.sqrt(
        np.mean([(float(p["PLSR"]) - float(p["observed"])) ** 2 for p in predictions])
    )
    plsr = next(m for m in metrics["models"] if m["name"] == "PLSR")
    # the predictions are written with at least six significant digits
    assert plsr["rmse"]["value"] == pytest.approx(by_hand, rel=1e-4)


@pytest.mark.slow
def test_the_study_opens_in_optuna_as_it_is(run: Path) -> None:
    loaded = optuna.load_study(study_name="germany-rp", storage=f"sqlite:///{run / 'study.db'}")
    result = autospec.load_result(run)
    assert loaded.best_trial.number == result.winner_trial


@pytest.mark.slow
def test_a_second_run_in_a_fresh_process_finds_the_same(
    run: Path, study: Path, tmp_path: Path
) -> None:
    done = autospec_command("search", "--study", study, "-o", tmp_path / "again")
    assert done.returncode == 0, done.stderr
    for name in ("best_architecture.csv", "predictions.csv", "metrics.json"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()
    first, second = (autospec.load_result(p) for p in (run, tmp_path / "again"))
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert [t.value for t in first.trials] == [t.value for t in second.trials]


@pytest.mark.slow
def test_the_same_command_again_runs_nothing(run: Path, study: Path) -> None:
    done = autospec_command("search", "--study", study, "-o", run)
    assert done.returncode == 0
    assert "already finished" in done.stderr
    assert "Best architecture" in done.stdout
    assert (run / "model.safetensors").is_file()


@pytest.mark.slow
def test_the_same_command_makes_a_lost_model_again(run: Path, study: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    shutil.copytree(run, again)
    (again / "model.safetensors").unlink()
    done = autospec_command("search", "--study", study, "-o", again)
    assert done.returncode == 0, done.stderr
    assert "model.safetensors is gone" in done.stderr
    first, second = (autospec.load_model(p / "model.safetensors") for p in (run, again))
    np.testing.assert_array_equal(first.calibration.out_of_fold, second.calibration.out_of_fold)


@pytest.mark.slow
def test_other_settings_on_the_same_folder_are_refused_with_the_difference(
    run: Path, study: Path
) -> None:
    before = (run / "report.html").read_bytes()
    done = autospec_command("search", "--study", study, "--seed", 5, "-o", run)
    assert done.returncode == 2
    assert "seed: there 0, here 5" in done.stderr
    assert "Traceback" not in done.stderr
    assert (run / "report.html").read_bytes() == before


@pytest.mark.slow
@pytest.mark.parametrize("fmt", ["md", "csv", "tex", "json"])
def test_export_table_prints_what_was_written(run: Path, fmt: str) -> None:
    done = autospec_command("export-table", run, "--format", fmt)
    assert done.returncode == 0
    assert done.stdout == (run / f"best_architecture.{fmt}").read_text(encoding="utf-8")


@pytest.mark.slow
def test_report_writes_the_page_again(run: Path) -> None:
    (run / "report.html").unlink()
    done = autospec_command("report", run)
    assert done.returncode == 0
    assert (run / "report.html").exists()


@pytest.mark.slow
def test_json_is_the_result_on_stdout(study: Path, run: Path) -> None:
    done = autospec_command("search", "--study", study, "-o", run, "--json")
    assert json.loads(done.stdout) == json.loads((run / "metrics.json").read_text("utf-8"))


@pytest.mark.slow
def test_ctrl_c_once_reports_what_there_is_and_the_search_goes_on_later(
    study: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    words = [sys.executable, "-m", "autospec", "search", "--study", str(study), "-o", str(folder)]
    process = subprocess.Popen(
        [*words, "--trials", "400"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "complete" in line and not line.split("trials: ")[1].startswith("0 "):
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 130
    assert "Stopping" in err
    assert "Best architecture" in out
    stopped = autospec.load_result(folder)
    assert stopped.stopped == "interrupt"
    n = len([t for t in stopped.trials if t.state != "infeasible"])
    done = autospec_command("search", "--study", study, "-o", folder, "--trials", n + 1)
    assert done.returncode == 0, done.stderr
    resumed = autospec.load_result(folder)
    assert resumed.trials[: len(stopped.trials)] == stopped.trials
    assert len([t for t in resumed.trials if t.state != "infeasible"]) == n + 1


@pytest.mark.slow
def test_a_file_is_searched_with_its_own_columns(tmp_path: Path) -> None:
    spectra = autospec.load_site("germany-rp")
    path = tmp_path / "My Farm.csv"
    header = ["plot", *(f"X{a:g}" for a in spectra.axis), "carbon"]
    rows = [
        [f"P{i // 2}", *(f"{v:.6f}" for v in values), f"{t:.3f}"]
        for i, (values, t) in enumerate(zip(spectra.values, spectra.target, strict=True))
    ]
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle).writerows([header, *rows])
    study = tmp_path / "fast.toml"
    study.write_text(SMALL_STUDY.replace("trials = 4", "trials = 2"), encoding="utf-8")
    done = autospec_command(
        "search", path.name, "--study", study, "--target", "carbon", "--group", "plot",
        "--quantity", "reflectance", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    result = autospec.load_result(tmp_path / "runs" / "my-farm")
    assert result.name == "my-farm"
    assert result.data.target_name == "carbon"
    assert result.data.n_groups == 31


def test_help_is_fast_and_imports_no_torch() -> None:
    code = (
        "import sys; sys.argv = ['autospec', '--help']\n"
        "from autospec.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'pandas', 'optuna', 'plotly'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment(), check=False
    )
    assert done.returncode == 0, done.stderr
    assert "autospec search --site sweden" in done.stdout


@pytest.mark.parametrize(
    "command", ["search", "worker", "status", "check", "sites", "report", "export-table"]
)
def test_every_command_has_help(command: str) -> None:
    done = autospec_command(command, "--help")
    assert done.returncode == 0
    assert "Usage" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["search", "--site", "swedn"], 2, "Did you mean 'sweden'?"),
        (["search", "--stie", "sweden"], 2, "--site"),
        (["serch"], 2, "Did you mean 'search'?"),
        (["search"], 2, "want either --site NAME or a FILE"),
        (["search", "farm.csv", "--site", "sweden"], 2, "want either --site NAME or a FILE"),
        (["search", "--site", "sweden", "--budget", "soon"], 2, "'soon' is no duration"),
        (["search", "--site", "sweden", "--study", "papr"], 2, "Did you mean 'paper'?"),
        (["search", "--site", "sweden", "--sampler", "tpo"], 2, "tpe"),
        (["search", "--site", "sweden", "--target", "sock"], 2, "Did you mean 'soc'?"),
        (["search", "no-such.csv"], 65, "no-such.csv"),
        (["check", "no-such.csv"], 65, "no-such.csv"),
        (["report", "no-such-run"], 74, "run the search first"),
        (["export-table", "no-such-run"], 74, "run the search first"),
    ],
)
def test_a_mistake_is_one_message_with_its_exit_code(
    tmp_path: Path, words: list[str], code: int, said: str
) -> None:
    done = autospec_command(*words, cwd=tmp_path)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []  # nothing half-written


def test_a_bad_table_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    bad = tmp_path / "farm.csv"
    bands = ",".join(str(400 + 10 * i) for i in range(40))
    cells = ",".join(["0.3"] * 39 + ["x"])
    bad.write_text(f"id,soc,{bands}\n" + f"a,12,{cells}\n" * 25, encoding="utf-8")
    done = autospec_command("search", bad.name, cwd=tmp_path)
    assert done.returncode == 65
    assert "row 2" in done.stderr
    assert "790" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["farm.csv"]


def test_too_few_groups_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    spectra = autospec.load_site("japan")
    path = tmp_path / "farm.csv"
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle)
        writer.writerow(["id", "farm", "soc", *(f"wl_{a:g}" for a in spectra.axis)])
        for i in range(60):
            cells = (f"{v:.5f}" for v in spectra.values[i])
            writer.writerow([i, f"F{i % 6}", spectra.target[i], *cells])
    done = autospec_command("search", path, "--group", "farm", cwd=tmp_path)
    assert done.returncode == 65
    assert "60 labelled rows in 6 groups are too few" in done.stderr
    assert "fewer --folds" in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["farm.csv"]


def test_check_says_what_was_found_and_draws(tmp_path: Path) -> None:
    spectra = autospec.load_site("japan")
    path = tmp_path / "japan.csv"
    header = ["sample_id", "SOM_pct", *(f"wl_{a:g}" for a in spectra.axis)]
    with path.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, delimiter=";")
        writer.writerow(header)
        for i in range(spectra.n):
            cells = [spectra.target[i] * 0.1724, *(100 * spectra.values[i])]
            writer.writerow([spectra.ids[i], *(f"{c:.5f}".replace(".", ",") for c in cells)])
    done = autospec_command("check", path, "--plot", tmp_path / "spectra.html")
    assert done.returncode == 0, done.stderr
    for said in ("Recognised", "Mended", "percent", "SOM", "Good: 231 spectra of 271 bands"):
        assert said in done.stdout
    assert "plotly" in (tmp_path / "spectra.html").read_text(encoding="utf-8")
    as_json = autospec_command("check", path, "--json")
    assert json.loads(as_json.stdout)["wrong"] == []


def test_sites_lists_all_and_as_json() -> None:
    done = autospec_command("sites", "--json")
    sites = {row["name"]: row["n"] for row in json.loads(done.stdout)}
    assert sites["sweden"] == 245
    assert len(sites) == len(autospec.SITES)
    table = autospec_command("sites").stdout
    assert [name for name in sites if name not in table] == []


def test_two_searches_do_not_write_one_folder(tmp_path: Path, study: Path) -> None:
    from autospec.report.lock import locked

    with locked(tmp_path / "out"):
        started = time.monotonic()
        done = autospec_command("search", "--study", study, "-o", tmp_path / "out")
    assert done.returncode == 75
    assert "another autospec is writing" in done.stderr
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("stem", "name"),
    [
        ("farm", "farm"),
        ("My Farm (2024)", "my-farm-2024"),
        ("../../etc", "etc"),
        ("åäö", "study-5d0d31"),
        ("x" * 100, "x" * 64),
        ("_a", "a"),
    ],
)
def test_study_names_are_plain(stem: str, name: str) -> None:
    assert study_name(stem) == name
