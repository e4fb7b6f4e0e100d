"""Searches on cubes and on maps by several real processes: one study, exact trials, one report.

Searches on spectra, and what is the same for all, are in `tests.cli.test_worker`.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from autospec.cli.origins import origin_of_stack
from autospec.data.cubes.cube_files import write_cubes
from autospec.data.cubes.stack_files import write_stack
from autospec.errors import DataError
from autospec.predict.bundle import load_model
from autospec.report.cubes import load_cube_result
from autospec.report.map_search import load_map_search
from autospec.report.sections import MODEL_FILE
from autospec.search.claims import worker_of
from autospec.search.origin import check_same, tree_sha256
from tests.cli.test_cli import autospec_command, environment
from tests.cli.test_worker import (  # noqa: F401 (fixtures)
    children_of,
    counted,
    ended,
    name,
    start,
    wait_until,
)
from tests.postgres import Server
from tests.search.cubes.made_study import made_cubes
from tests.search.maps.made_stack import made_stack

TRIALS = 3


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What there is to search on, and how it is asked."""

    file: Path
    words: tuple[object, ...]

    def load(self, folder: Path) -> Any:
        """Return the result in a folder."""
        return (load_cube_result if "--cube" in self.words else load_map_search)(folder)

    def begin(self, *more: object) -> subprocess.Popen[str]:
        """Start a search with small settings, as a process."""
        words = ("search", *self.words, "--device", "cpu", "--budget", "10m", *more)
        return subprocess.Popen(
            [sys.executable, "-m", "tests.cli.small_searches", *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )


def on_cubes(folder: Path) -> Kind:
    file = folder / "samples.npz"
    write_cubes(file, made_cubes())
    return Kind(file=file, words=("--cube", file, "--folds", 3, "--buffer-km", 0.5))


def on_stack(folder: Path) -> Kind:
    file = folder / "stack.npz"
    write_stack(file, made_stack())
    aims = ("--target", "et", "--horizon", 1, "--length", 4, "--tile", 16)
    return Kind(file=file, words=("--stack", file, *aims))


@pytest.fixture(params=[on_cubes, on_stack], ids=["cubes", "stack"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    made: Kind = request.param(tmp_path)
    return made


def judge(result: Any, storage: str) -> None:
    """Assert that as many trials were trained as were asked for, each by a worker."""
    trained = [t.number for t in result.trials if t.state != "infeasible"]
    trials = counted(storage, result.name)
    assert [t.number for t in trials] == trained
    assert len(trained) == TRIALS
    assert None not in {worker_of(t) for t in trials}
    assert "open to several workers" in " ".join(result.notes)


@pytest.mark.slow
def test_two_processes_of_one_machine_end_in_one_report_and_a_model(
    kind: Kind, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    code, said = ended(kind.begin("--trials", TRIALS, "--workers", 2, "--out", out))
    assert code == 0, said
    result = kind.load(out)
    judge(result, f"sqlite:///{out / 'study.db'}")
    assert load_model(out / MODEL_FILE).provenance.job == "search"
    status = autospec_command("status", out).stdout
    assert f"{TRIALS} of {TRIALS} trials" in status
    assert "report made" in status
    again = kind.begin("--trials", TRIALS, "--workers", 2, "--out", out)
    assert "already finished" in ended(again)[1]


@pytest.mark.slow
def test_two_commands_and_a_worker_on_a_server_make_one_report(
    kind: Kind,
    postgres: Server,
    name: str,  # noqa: F811
    tmp_path: Path,
) -> None:
    shared = ("--storage", postgres.url)
    words = ("--trials", TRIALS, "--name", name, *shared)
    workers = [
        kind.begin(*words, "--out", tmp_path / "a"),
        kind.begin(*words, "--out", tmp_path / "b"),
        start("worker", name, *shared, "--wait", "2m", "--out", tmp_path / "c"),
    ]
    ends = [ended(worker) for worker in workers]
    assert [code for code, _ in ends] == [0, 0, 0], ends
    reports = [f for f in ("a", "b", "c") if (tmp_path / f / "report.html").exists()]
    assert len(reports) == 1, ends
    result = kind.load(tmp_path / reports[0])
    assert result.name == name
    judge(result, postgres.url)


@pytest.mark.slow
def test_ctrl_c_with_workers_ends_in_a_report_of_maps(tmp_path: Path) -> None:
    """The process that reports has trained nothing: it trains the winner again, Ctrl-C or not."""
    out = tmp_path / "out"
    process = on_stack(tmp_path).begin("--trials", 400, "--workers", 2, "--out", out)

    def begun() -> bool:
        said = autospec_command("status", out).stdout
        return "of 400 trials" in said and " 0 complete" not in said

    assert wait_until(begun), process.poll()
    assert len(children_of(process.pid)) == 2
    process.send_signal(signal.SIGINT)
    code, said = ended(process)
    assert code == 130, said
    assert "Traceback" not in said
    result = load_map_search(out)
    assert result.stopped == "interrupt"
    assert 0 < len(result.trials) < 400
    assert load_model(out / MODEL_FILE).provenance.job == "search"


def test_all_files_of_a_stack_that_is_a_folder_are_told_apart(tmp_path: Path) -> None:
    folder = tmp_path / "stack.zarr"
    (folder / "ndvi").mkdir(parents=True)
    (folder / ".zgroup").write_text("{}", encoding="utf-8")
    (folder / "ndvi" / "0.0").write_bytes(b"12")
    origin = origin_of_stack(folder, "of the range")
    assert origin.sha256 == tree_sha256(folder)
    check_same(folder, origin.sha256, "--data")
    (folder / "ndvi" / "0.0").rename(folder / "ndvi" / "0.1")
    with pytest.raises(DataError, match="--data with the same file"):
        check_same(folder, origin.sha256, "--data")
