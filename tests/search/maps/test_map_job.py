"""`search_maps`: from a stack to a result; resumed, with a control, at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.stacks import RasterStack
from autospec.errors import SettingsDiffer, UsageError
from autospec.evaluate.map_names import MEAN, PERSISTENCE, RIDGE
from autospec.search.execution import Execution
from autospec.search.maps import job
from autospec.search.maps.job import found_map_search, lay_ground, search_maps
from autospec.search.maps.result import MapSearchResult
from autospec.search.maps.space import REFERENCE, MapSpace
from autospec.search.origin import Origin, read_founded
from autospec.search.progress import Progress
from autospec.search.result import TrialRecord
from autospec.search.settings import DataSource
from autospec.training.map_result import NETWORK
from tests.search.maps.made_stack import SETTINGS, SPACE, made_stack

STACK = made_stack()


def run(settings: object = SETTINGS, **execution: Any) -> MapSearchResult:
    told = Execution(**({"device": "cpu"} | execution))
    return search_maps(STACK, name="made", settings=settings, execution=told)  # type: ignore[arg-type]


def comparable(trials: tuple[TrialRecord, ...]) -> list[TrialRecord]:
    return [replace(trial, seconds=0.0) for trial in trials]


@pytest.fixture(scope="module")
def models() -> dict[str, Any]:
    return {}


@pytest.fixture(scope="module")
def result(models: dict[str, Any]) -> MapSearchResult:
    return run(on_model=models.__setitem__)


def test_the_winner_stands_beside_simpler_models(result: MapSearchResult) -> None:
    assert [model.name for model in result.final.models] == [NETWORK, MEAN, PERSISTENCE, RIDGE]
    assert set(result.watched) == {MEAN, PERSISTENCE, RIDGE}
    assert len({model.scores[0].pooled.n for model in result.final.models}) == 1
    best = min(result.trials, key=lambda t: (t.value, t.number))
    assert result.winner_trial == best.number
    assert result.winner == SPACE.decode(best.params)
    assert result.final.settings.sizes == result.winner.sizes


def test_the_watched_curve_of_the_winner_is_its_trial_s(result: MapSearchResult) -> None:
    trial = next(t for t in result.trials if t.number == result.winner_trial)
    watched = [epoch.watched_rmse for epoch in result.final.epochs]
    assert trial.curve == pytest.approx(watched, rel=1e-5)  # written with six digits


def test_the_network_that_is_handed_on_is_the_one_that_was_scored(
    result: MapSearchResult, models: dict[str, Any]
) -> None:
    assert models["winner"].state.best_epoch == result.final.best_epoch
    assert models["frames"].targets == ("et",)


def test_a_search_that_is_taken_up_again_equals_one_that_ran_through(
    result: MapSearchResult, tmp_path: Path
) -> None:
    """The second run has no network in memory: the winner is trained again, to the last bit."""
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    first = run(replace(SETTINGS, trials=2), storage=storage)
    assert len(first.trials) == 2
    whole = run(storage=storage)
    assert comparable(whole.trials) == comparable(result.trials)
    assert [m.scores for m in whole.final.models] == [m.scores for m in result.final.models]
    assert "opened once before" in whole.notes[0]


def test_other_settings_are_not_taken_up(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    run(replace(SETTINGS, trials=1), storage=storage)
    with pytest.raises(SettingsDiffer, match="tile: there 16, here 8"):
        run(replace(SETTINGS, tile=8), storage=storage)


def test_ctrl_c_ends_the_search_with_what_is_there() -> None:
    seen: list[Progress] = []

    def pressed() -> bool:
        return any(p.stage == "search" for p in seen)

    result = run(progress=seen.append, interrupted=pressed)
    assert (result.stopped, len(result.trials)) == ("interrupt", 1)
    assert "Ctrl-C ended the search after 1 of 3 trials" in result.notes[0]


def test_ctrl_c_does_not_stop_the_winner_from_being_trained_again(tmp_path: Path) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    first = run(replace(SETTINGS, trials=1), storage=storage)
    again = run(storage=storage, interrupted=lambda: True)
    assert (again.stopped, len(again.trials)) == ("interrupt", 1)
    assert [m.scores for m in again.final.models] == [m.scores for m in first.final.models]


def test_a_shared_study_tells_its_workers_all_they_need(tmp_path: Path) -> None:
    source = DataSource(file="/data/stack.nc")
    origin = Origin(kind="stacks", unit="of the range", source=source, sha256="0" * 64)
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    told = Execution(device="cpu", storage=storage, shared=True, origin=origin)
    found_map_search(STACK, name="made", settings=SETTINGS, execution=told)
    founded = read_founded(storage, "made", 0.0, print)
    assert founded.origin == origin
    assert founded.settings == lay_ground(STACK, SETTINGS, told).settings
    found_map_search(STACK, name="made", settings=founded.settings, execution=told)  # the same
    with pytest.raises(SettingsDiffer, match="tile: there 16, here 8"):
        found_map_search(STACK, name="made", settings=replace(SETTINGS, tile=8), execution=told)


@pytest.mark.slow
def test_a_budget_that_is_used_up_ends_in_a_result() -> None:
    """The first trial would go on for ever: it is cut short, and counts."""
    endless = replace(SPACE, max_epochs=10_000, patience=10_000)
    result = run(replace(SETTINGS, budget_s=30.0, space=endless))
    assert (result.stopped, len(result.trials)) == ("budget", 1)
    assert result.trials[0].value is not None
    assert result.final.ended == "budget"


def test_tiny_and_the_control_have_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """With tiny as small as the rest of this space, for the sake of time."""
    small = SPACE.decode(
        SPACE.encode(MapSpace(max_epochs=3, patience=3, batch_size=2).reference_design())
        | {"base": 4, "embedding": 16, "heads": 2, "depth": 1, "deformable": False}
    )
    monkeypatch.setattr(MapSpace, "reference_design", lambda self: small)
    result = run(replace(SETTINGS, published=True, control="random"))
    assert result.trials[0].label == REFERENCE
    names = {model.name for model in result.others}
    expected = {REFERENCE, "random search"} - ({REFERENCE} if result.winner_trial == 0 else set())
    assert names == expected
    n = result.final.models[0].scores[0].pooled.n
    assert all(model.scores[0].pooled.n == n for model in result.others)
    assert len(result.control_trials) >= 1


def test_what_it_costs_is_said_first() -> None:
    seen: list[Progress] = []
    run(replace(SETTINGS, trials=1), progress=seen.append)
    assert seen[0].stage == "plan"
    assert "Up to 1 networks on cpu" in seen[0].message
    assert "4 dates × 16 × 16 cells" in seen[0].message


@pytest.mark.slow
def test_trials_at_once_score_what_they_score_alone() -> None:
    settings = replace(SETTINGS, sampler="random", trials=2)
    alone, at_once = run(settings), run(settings, trials_at_once=2)
    assert {t.value for t in alone.trials} == {t.value for t in at_once.trials}
    assert [m.scores for m in alone.final.models] == [m.scores for m in at_once.final.models]


class Lazy:
    """Layers that are read when they are sliced."""

    def __init__(self, layers: np.ndarray) -> None:
        self.layers, self.shape = layers, layers.shape

    def __getitem__(self, index: Any) -> Any:
        return self.layers[index]


def test_a_stack_that_is_not_in_memory_is_searched_one_trial_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_large(stack: RasterStack) -> RasterStack:
        return replace(stack, dynamic=Lazy(np.array(stack.dynamic)))

    monkeypatch.setattr(job, "held", too_large)
    with pytest.raises(UsageError, match="2 trials at once: this stack is too large"):
        run(trials_at_once=2)
