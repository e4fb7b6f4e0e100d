"""A localisation of several workers: the numbers of one, whoever of them dies; real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from autospec.errors import ReportedElsewhere
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.job import localise
from autospec.localisation.progress import LocaliseProgress
from autospec.search.claims import TRIES, WORK
from tests.localisation.landscape import ON_CPU, QUICK, few_recipes, landscape
from tests.localisation.test_localise_job import timeless
from tests.localisation.worker import JOBS
from tests.postgres import Server

WORLD = landscape(rows=20, samples=30)
DIES_AT = {"quick": "draw-1", "given": "networks-0: DTL-I_g"}


@pytest.fixture
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    made: Server = request.getfixturevalue("postgres")
    return made.fresh()


def start(url: str, job: str, stop: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.localisation.worker", url, job, stop],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return what a worker printed."""
    out, told = process.communicate(timeout=300)
    assert process.returncode == 0, told
    found: dict[str, Any] = json.loads(out)
    return found


def studies(url: str) -> dict[str, list[FrozenTrial]]:
    """Return the trials of every study, and leave no connection open."""
    storage = RDBStorage(url)
    try:
        return {
            study.study_name: storage.get_all_trials(study._study_id)
            for study in storage.get_all_studies()
        }
    finally:
        storage.remove_session()
        storage.engine.dispose()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "job"), [("postgresql", "quick"), ("sqlite", "given")], indirect=["url"]
)
def test_workers_of_which_one_is_killed_come_to_what_one_process_comes_to(
    url: str, job: str
) -> None:
    alone = start("alone", job)
    crew = [start(url, job, DIES_AT[job]), start(url, job), start(url, job)]
    expected = end(alone)
    killed, *others = crew
    found = [end(worker) for worker in others]
    told = killed.communicate()[1]
    reports = [one for one in found if "elsewhere" not in one]
    # the one killed may find that the others had its unit
    assert killed.returncode in (-signal.SIGKILL, 0), told
    assert len(reports) == 1 or killed.returncode == 0
    for report in reports:
        assert timeless(report) == timeless(expected)
    units = [
        trial
        for name, trials in studies(url).items()
        for trial in trials
        if name.endswith(("-draws", "-networks"))
    ]
    done = Counter(t.user_attrs[WORK] for t in units if t.state == TrialState.COMPLETE)
    assert not any(trial.state == TrialState.RUNNING for trial in units)
    assert set(done.values()) == {1}


@pytest.mark.slow
def test_networks_run_on_the_first_of_the_draws_that_run(tmp_path: Path) -> None:
    workers = [start(url, "later") for url in ("alone", f"sqlite:///{tmp_path / 'shared.db'}")]
    alone, shared = (end(worker) for worker in workers)
    assert timeless(shared) == timeless(alone)
    assert {record["draw"] for record in shared["networks"]} == {None, 1}
    strategies = [model for model in shared["models"] if model["kind"] == "strategy"]
    assert strategies
    assert {outcome["draw"] for model in strategies for outcome in model["outcomes"]} == {1}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "job"), [("sqlite", "quick"), ("postgresql", "given")], indirect=["url"]
)
def test_a_unit_that_kills_its_worker_each_time_fails_and_the_others_are_made(
    url: str, job: str
) -> None:
    for _ in range(TRIES):
        killed = start(url, job, DIES_AT[job])
        told = killed.communicate(timeout=300)[1]
        assert killed.returncode == -signal.SIGKILL, told
    report = end(start(url, job))
    why = f"its worker died {TRIES} times at it"
    assert any(why in note for note in report["notes"])
    numbers = [draw["number"] for draw in report["draws"]]
    models = {row["name"] for row in report["models"]}
    if job == "quick":
        assert numbers == [0, 2, 3]
    else:
        assert "DTL-I_g" not in models and {"DTL-I_c", "DTL-R_g", "Local"} <= models
    assert report["stopped"] == "complete"


@pytest.mark.slow
def test_a_search_of_the_library_is_shared_and_never_has_more_trials_than_asked_for(
    tmp_path: Path,
) -> None:
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    found = [end(worker) for worker in [start(url, "searched") for _ in range(2)]]
    (report,) = (one for one in found if "elsewhere" not in one)
    rows = [row["name"] for row in report["models"] if row["kind"] == "strategy"]
    assert len(rows) == 13 and not any("Without a result" in note for note in report["notes"])
    searches = [trials for name, trials in studies(url).items() if ": " in name]
    assert len(searches) == 5  # Global, Country, Local, DTL-I_g, DTL-I_c
    for trials in searches:
        trained = [t for t in trials if "digest" in t.user_attrs]
        assert len(trained) == JOBS["searched"].trials
        assert not any(t.state == TrialState.RUNNING for t in trials)


@pytest.fixture(scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.mark.usefixtures("light")
class TestOneWorker:
    """What one worker does, in this process."""

    def run(self, url: str, draws: int = 2, first: int = 0, **how: Any) -> Any:
        execution: LocaliseExecution = replace(ON_CPU, storage=url, shared=True, **how)
        with execution.turn:
            settings = replace(QUICK, draws=draws, first_draw=first)
            return localise(WORLD.library, WORLD.farm, settings=settings, execution=execution)

    def test_stopped_it_leaves_its_draws_to_the_next(self, tmp_path: Path) -> None:
        url, told = f"sqlite:///{tmp_path / 'one.db'}", list[LocaliseProgress]()
        stop = {"interrupted": lambda: any(one.stage == "draws" for one in told)}
        first = self.run(url, progress=told.append, **stop)
        assert (first.stopped, len(first.draws)) == ("interrupt", 1)
        assert "after 1 of 4 units of all workers" in first.notes[0]
        told.clear()
        second = self.run(url, progress=told.append)
        made = [one.message for one in told if one.stage in ("draws", "intervals")]
        assert made == ["draw-1", "intervals-0", "intervals-1"]
        assert (second.stopped, len(second.draws)) == ("complete", 2)
        assert second.models[0].outcomes[0] == first.models[0].outcomes[0]

    def test_the_report_is_made_once_and_more_draws_take_up_the_others(
        self, tmp_path: Path
    ) -> None:
        url, told = f"sqlite:///{tmp_path / 'one.db'}", list[LocaliseProgress]()
        self.run(url)
        with pytest.raises(ReportedElsewhere, match="of its 4 units was made by another"):
            self.run(url)
        assert len(self.run(url, draws=3, progress=told.append).draws) == 3
        made = [one.message for one in told if one.stage in ("draws", "intervals")]
        assert made == ["draw-2", "intervals-2"]

    def test_later_draws_alone_keep_their_numbers(self, tmp_path: Path) -> None:
        url, told = f"sqlite:///{tmp_path / 'one.db'}", list[LocaliseProgress]()
        found = self.run(url, draws=3, first=2, progress=told.append)
        made = [one.message for one in told if one.stage in ("draws", "intervals")]
        assert made == ["draw-2", "intervals-2"]
        assert [draw.number for draw in found.draws] == [2]
        assert [part.draw for part in found.intervals] == [2]

    def test_a_report_that_failed_is_still_to_be_made(self, tmp_path: Path) -> None:
        url = f"sqlite:///{tmp_path / 'one.db'}"
        execution = replace(ON_CPU, storage=url, shared=True)

        def break_off() -> None:
            with execution.turn:
                localise(WORLD.library, WORLD.farm, settings=QUICK, execution=execution)
                raise OSError("full")

        with pytest.raises(OSError, match="full"):
            break_off()
        assert self.run(url).stopped == "complete"

    def test_a_worker_that_leaves_the_report_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(ReportedElsewhere, match="4 of 4 units are finished; this worker"):
            self.run(f"sqlite:///{tmp_path / 'one.db'}", report=False)
