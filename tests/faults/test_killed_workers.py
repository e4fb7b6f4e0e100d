"""R1 and R8: workers killed, paused or many at once lose nothing, and do nothing twice."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import pytest
from optuna.trial import TrialState

from autospec.search.claims import LOST, TRIES
from autospec.search.status import open_to_read, read_status
from tests.faults.crewed import (
    Judgement,
    Task,
    ended_in,
    judged,
    kill_at_random,
    started,
    trials_of,
    wait_until,
)

NOTHING = Judgement(lost=0, duplicates=0, left=0, miscounted=0, wrong=0)


@pytest.mark.slow
def test_workers_killed_at_any_moment_lose_nothing(url: str) -> None:
    killed, _, verdict = kill_at_random(Task(url=url, trials=30), kills=6, workers=3, seed=8)
    assert (killed, verdict) == (6, NOTHING)


@pytest.mark.slow
def test_workers_that_begin_on_an_empty_database_at_once_share_the_trials(url: str) -> None:
    task = Task(url=url, trials=16, seconds=0.05)
    crowd = [started(task) for _ in range(5)]
    for process in crowd:
        process.join(120)
    assert [process.exitcode for process in crowd] == [0] * 5
    assert judged(task, {}) == NOTHING


@pytest.mark.slow
def test_a_worker_that_was_paused_for_long_overwrites_nothing(url: str) -> None:
    task = Task(url=url, trials=4, seconds=1.0)
    sleeper = started(task)
    assert sleeper.pid is not None
    wait_until(lambda: any(t.state == TrialState.RUNNING for t in trials_of(task)))
    time.sleep(0.4)  # into the trial's sleep: paused in a write it would hold SQLite's lock
    os.kill(sleeper.pid, signal.SIGSTOP)
    helper = started(task)
    helper.join(120)
    before = trials_of(task)
    os.kill(sleeper.pid, signal.SIGCONT)
    sleeper.join(120)
    after = trials_of(task)
    assert (helper.exitcode, sleeper.exitcode) == (0, 0)
    assert sum(LOST in t.user_attrs for t in before) == 1
    assert [(t.state, t.values, t.user_attrs) for t in after] == [
        (t.state, t.values, t.user_attrs) for t in before
    ]
    assert judged(task, ended_in(before)) == NOTHING


@pytest.mark.slow
def test_the_report_is_made_once_and_by_another_where_its_worker_was_killed(
    url: str, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    folder.mkdir()
    task = Task(url=url, trials=3, seconds=0.05, report=folder, report_s=60.0)
    first = started(task)
    wait_until(lambda: len(trials_of(Task(url=url, trials=1, name="s-report"))) == 1)
    first.kill()
    first.join()
    assert list(folder.iterdir()) == []
    make_report(replace(task, report_s=0.0))  # as soon as the dead worker counts as gone
    assert len(list(folder.iterdir())) == 1


@pytest.mark.slow
def test_a_report_that_was_lost_is_made_again_in_another_folder(url: str, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        make_report(Task(url=url, trials=3, seconds=0.05, report=folder))
    assert [len(list(folder.iterdir())) for folder in (first, second)] == [1, 1]


def make_report(task: Task) -> None:
    """Let two workers ask for the report until one has made it; nobody ends with an error."""
    folder = task.report
    assert folder is not None

    def made() -> bool:
        crowd = [started(task) for _ in range(2)]
        for process in crowd:
            process.join(60)
        assert [process.exitcode for process in crowd] == [0, 0]
        return bool(list(folder.iterdir()))

    wait_until(made)


@pytest.mark.slow
def test_a_trial_that_kills_its_worker_each_time_ends_as_failed(url: str, tmp_path: Path) -> None:
    task = Task(url=url, trials=4, seconds=0.05, fatal=tmp_path / "fatal")
    codes = []
    while 0 not in codes:
        worker = started(task)  # as a scheduler starts one again
        worker.join(60)
        codes.append(worker.exitcode)
    lost = [t for t in trials_of(task) if LOST in t.user_attrs]
    assert codes == [-signal.SIGKILL] * TRIES + [0]
    assert len(lost) == TRIES and len({str(t.params) for t in lost}) == 1
    assert judged(task, {}) == NOTHING
    opened = open_to_read(url, "s")
    seen = read_status(opened)
    opened.storage.scoped_session.remove()
    opened.storage.engine.dispose()
    (why,) = seen.why_failed
    assert why.startswith(f"its worker died {TRIES} times at it")
    assert (seen.trained, seen.failed) == (4, 1)
