"""The score of a network of maps: equal designs, what is told, what is sealed, what is kept."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.data.maps.splits import SEALED
from autospec.errors import TrialFailed
from autospec.search.execution import Execution
from autospec.search.maps.design import MapDesign
from autospec.search.maps.job import lay_ground
from autospec.search.maps.objective import Kept, MapValidation, watched_curve
from autospec.search.plan import StopSearch
from autospec.training.lead import Lead
from tests.search.maps.made_stack import SETTINGS, SPACE, made_stack


@pytest.fixture(scope="module")
def validation() -> MapValidation:
    return lay_ground(made_stack(), SETTINGS, Execution(device="cpu"))


@pytest.fixture
def fresh(validation: MapValidation) -> MapValidation:
    return replace(validation, kept=Kept())


def design(**changed: object) -> MapDesign:
    params = {
        "base": 4,
        "embedding": 16,
        "heads": 2,
        "depth": 1,
        "dropout": 0.1,
        "deformable": False,
        "static_stream": True,
        "change": True,
        "gaps": "mask",
        "pinball": False,
        "weighted": False,
        "edge": False,
        "tau": 0.57,
        "gamma": 2.0,
        "learning_rate": 1e-3,
        "weight_decay": 1e-4,
    }
    return SPACE.decode(params | changed)


def test_equal_designs_score_equally_to_the_last_bit(fresh: MapValidation) -> None:
    first, second = fresh.evaluate(design()), fresh.evaluate(design())
    np.testing.assert_array_equal(first.fold_rmse, second.fold_rmse)
    assert first.fold_rmse.shape == (1, SPACE.max_epochs)


@pytest.mark.parametrize(
    "changed",
    [{"gaps": "sentinel"}, {"change": False}, {"static_stream": False}, {"edge": True}],
    ids=str,
)
def test_every_switch_reaches_the_network(fresh: MapValidation, changed: dict[str, object]) -> None:
    plain, other = fresh.evaluate(design()), fresh.evaluate(design(**changed))
    assert not np.array_equal(plain.fold_rmse, other.fold_rmse)


def test_what_is_sealed_has_no_say(validation: MapValidation) -> None:
    stack = made_stack()
    dates, _ = validation.ground.plan.unseal()
    spoilt = np.array(stack.dynamic)
    spoilt[dates == SEALED] = 1e6
    other = lay_ground(replace(stack, dynamic=spoilt), SETTINGS, Execution(device="cpu"))
    np.testing.assert_array_equal(
        validation.evaluate(design()).fold_rmse, other.evaluate(design()).fold_rmse
    )


def test_every_epoch_is_told_once(fresh: MapValidation) -> None:
    told: list[tuple[int, float]] = []
    training = fresh.evaluate(design(), lambda *epoch: told.append(epoch) is not None)
    assert told == list(enumerate(training.fold_rmse[0].tolist(), start=1))


def test_the_lead_hears_first_and_the_others_catch_up(fresh: MapValidation) -> None:
    told: list[tuple[str, int]] = []
    lead = Lead(members=1, epochs=2, on_epoch=lambda epoch, _: told.append(("lead", epoch)))
    fresh.evaluate(design(), lambda epoch, _: told.append(("all", epoch)) is not None, lead)
    assert told == [("lead", 1), ("lead", 2), ("all", 1), ("all", 2), ("all", 3)]


def test_a_lead_longer_than_the_training_is_told_to_all(fresh: MapValidation) -> None:
    told: list[int] = []
    lead = Lead(members=1, epochs=50, on_epoch=lambda epoch, _: None)
    fresh.evaluate(design(), lambda epoch, _: told.append(epoch) is not None, lead)
    assert told == [1, 2, 3]


def test_an_answer_ends_the_training_after_its_epoch(fresh: MapValidation) -> None:
    assert fresh.evaluate(design(), lambda epoch, _: epoch == 2).fold_rmse.shape == (1, 2)


@pytest.mark.parametrize("steps", [0, 3])
def test_ctrl_c_stops_the_search_within_an_epoch(fresh: MapValidation, steps: int) -> None:
    """Before the first epoch, and in the second: no trial comes of it."""
    asked = iter(range(1000))
    with pytest.raises(StopSearch):
        replace(fresh, interrupted=lambda: next(asked) >= steps).evaluate(design())
    assert not fresh.kept.trainings


def test_a_loss_that_is_not_finite_is_a_lost_trial(
    fresh: MapValidation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "autospec.training.map_task.MapTask.loss",
        lambda self, network, rows: torch.tensor(float("nan"), requires_grad=True),
    )
    with pytest.raises(TrialFailed, match="not finite"):
        fresh.evaluate(design())


def test_a_full_gpu_is_a_lost_trial(fresh: MapValidation, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError

    monkeypatch.setattr("autospec.training.map_task.MapTask.loss", full)
    with pytest.raises(TrialFailed, match="out of memory"):
        fresh.evaluate(design())


def test_the_best_network_and_those_that_are_named_are_kept(fresh: MapValidation) -> None:
    designs = [design(learning_rate=rate) for rate in (1e-3, 2e-3, 3e-3)]
    named = replace(fresh, kept=Kept(named=frozenset({designs[0].digest})))
    scores = [named.evaluate(d).score for d in designs]
    best = designs[int(np.argmin(scores))].digest
    assert set(named.kept.trainings) == {best, designs[0].digest}


def test_a_network_that_is_trained_again_is_the_same(fresh: MapValidation) -> None:
    fresh.evaluate(design())
    kept = fresh.kept.training(design().digest)
    assert kept is not None
    n = len(kept.state.history)
    again = fresh.train(design(), lambda epoch, _: epoch >= n)
    np.testing.assert_array_equal(watched_curve(again), watched_curve(kept))
    theirs = again.network.network.state_dict()
    for name, tensor in kept.network.network.state_dict().items():
        torch.testing.assert_close(theirs[name], tensor, rtol=0, atol=0)


def test_dates_or_squares_are_watched() -> None:
    by_dates = lay_ground(made_stack(), SETTINGS, Execution())
    fold = by_dates.folds[0]
    assert fold.fit.max() < fold.score.min()
    split = replace(SETTINGS.split, kind="blocks", block=4)
    by_squares = lay_ground(made_stack(), replace(SETTINGS, split=split), Execution())
    fold = by_squares.folds[0]
    assert not set(fold.fit) & set(fold.score)
    assert fold.score.max() < 16 * 16


def test_a_search_by_squares_scores(fresh: MapValidation) -> None:
    split = replace(SETTINGS.split, kind="blocks", block=4)
    squares = lay_ground(made_stack(), replace(SETTINGS, split=split), Execution(device="cpu"))
    assert np.isfinite(squares.evaluate(design()).score)
