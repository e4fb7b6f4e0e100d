"""Leading: some members learn first, and no result depends on who learned when."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.training import team
from autospec.training.config import TrainingConfig
from autospec.training.lead import Lead
from autospec.training.members import Member
from autospec.training.trainer import Training, train_members
from tests.training.test_trainer import CPU, member

NET = Architecture(
    conv=(ConvBlock(kernel=3, filters=4, activation="ReLU", batch_norm=True),),
    fc=(FCBlock(nodes=8, activation="ELU", dropout=0.2),),
)
CONFIG = TrainingConfig(max_epochs=12, batch_size=16, learning_rate=5e-3, patience=9)
FOLDS = tuple(member(seed, n) for seed, n in enumerate((48, 47, 48, 33, 48)))


def lead(epochs: int, members: int = 2) -> Lead:
    return Lead(members=members, epochs=epochs, on_epoch=lambda epoch, rmse: None)


def assert_same(found: Training, expected: Training) -> None:
    np.testing.assert_array_equal(found.fold_rmse, expected.fold_rmse)
    for one, other in zip(found.members, expected.members, strict=True):
        for a, b in zip(
            one.network.state_dict().values(), other.network.state_dict().values(), strict=True
        ):
            assert torch.equal(a, b)


@pytest.mark.parametrize("members", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("epochs", [1, 5, 12, 50])
def test_however_long_the_lead_learns_alone_the_result_is_the_same_to_the_bit(
    members: int, epochs: int
) -> None:
    in_step = train_members(NET, FOLDS, CONFIG, device=CPU, lead=lead(0, members))
    assert_same(train_members(NET, FOLDS, CONFIG, device=CPU, lead=lead(epochs, members)), in_step)


def test_with_members_trained_alone_a_lead_changes_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a lead other members would be stacked together: here none are."""
    monkeypatch.setattr("autospec.training.stack.largest_stack", lambda member_bytes: 1)
    expected = train_members(NET, FOLDS, CONFIG, device=CPU)
    assert_same(train_members(NET, FOLDS, CONFIG, device=CPU, lead=lead(7)), expected)


def test_a_lead_apart_from_the_others_changes_rounding_only() -> None:
    config = replace(CONFIG, max_epochs=4)
    together = train_members(NET, FOLDS, config, device=CPU).fold_rmse
    apart = train_members(NET, FOLDS, config, device=CPU, lead=lead(3)).fold_rmse
    np.testing.assert_allclose(apart, together, rtol=1e-4)  # as of stacks of other sizes


def test_the_lead_is_told_its_mean_and_then_everyone_is() -> None:
    alone: list[tuple[int, float]] = []
    all_folds: list[tuple[int, float]] = []
    training = train_members(
        NET,
        FOLDS,
        CONFIG,
        device=CPU,
        on_epoch=lambda epoch, rmse: bool(all_folds.append((epoch, rmse))),
        lead=Lead(members=2, epochs=5, on_epoch=lambda epoch, rmse: alone.append((epoch, rmse))),
    )
    led = training.fold_rmse[:2, :5].mean(axis=0)
    assert [epoch for epoch, _ in alone] == [1, 2, 3, 4, 5]
    np.testing.assert_array_equal([rmse for _, rmse in alone], led)
    assert [epoch for epoch, _ in all_folds] == list(range(1, training.fold_rmse.shape[1] + 1))
    np.testing.assert_array_equal([r for _, r in all_folds], np.mean(training.fold_rmse.T, axis=1))


def test_a_design_given_up_in_the_lead_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    built: list[Member] = []
    begin = team._begin

    def counted(architecture, member, config, device):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
        built.append(member)
        return begin(architecture, member, config, device)

    def give_up(epoch: int, rmse: float) -> None:
        if epoch == 3:
            raise KeyError("enough")

    monkeypatch.setattr(team, "_begin", counted)
    watched = Lead(members=2, epochs=5, on_epoch=give_up)
    with pytest.raises(KeyError, match="enough"):
        train_members(NET, FOLDS, CONFIG, device=CPU, lead=watched)
    assert built == list(FOLDS[:2])


@pytest.mark.parametrize("at", [1, 4, 6])
def test_what_the_callback_raises_ends_the_catching_up(at: int) -> None:
    def stop(epoch: int, rmse: float) -> bool:
        if epoch == at:
            raise KeyError("enough")
        return False

    with pytest.raises(KeyError, match="enough"):
        train_members(NET, FOLDS, CONFIG, device=CPU, on_epoch=stop, lead=lead(6))


@pytest.mark.parametrize(("says", "ends"), [(2, 6), (6, 6), (8, 8)])
def test_a_stop_while_others_catch_up_comes_when_they_have(says: int, ends: int) -> None:
    found = train_members(
        NET, FOLDS, CONFIG, device=CPU, on_epoch=lambda e, s: e == says, lead=lead(6)
    )
    until = train_members(
        NET, FOLDS, CONFIG, device=CPU, on_epoch=lambda e, s: e == ends, lead=lead(0)
    )
    assert found.fold_rmse.shape == (5, ends)
    assert_same(found, until)


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_a_lead_does_not_outrun_patience(patience: int) -> None:
    """The others may be stopped as early as patience allows: the lead is no further then."""
    rising = tuple(replace(m, y_score=-m.y_score) for m in FOLDS if m.y_score is not None)
    config = replace(CONFIG, patience=patience, max_epochs=40)
    in_step = train_members(NET, rising, config, device=CPU, lead=lead(0))
    assert in_step.fold_rmse.shape[1] < 30
    assert_same(train_members(NET, rising, config, device=CPU, lead=lead(30)), in_step)


def test_a_lead_that_is_not_scored_is_none() -> None:
    members = [member(seed, scored=False) for seed in range(3)]
    told: list[int] = []
    watched = Lead(members=1, epochs=3, on_epoch=lambda epoch, rmse: told.append(epoch))
    config = replace(CONFIG, max_epochs=3)
    assert_same(
        train_members(NET, members, config, device=CPU, lead=watched),
        train_members(NET, members, config, device=CPU),
    )
    assert told == []


def test_a_member_that_fails_behind_the_lead_fails_the_trial() -> None:
    x = FOLDS[4].x_fit.copy()
    x[3, 3] = np.inf
    told: list[int] = []
    watched = Lead(members=2, epochs=3, on_epoch=lambda epoch, rmse: told.append(epoch))
    with pytest.raises(TrialFailed, match="not finite in epoch 1"):
        train_members(
            NET, [*FOLDS[:4], replace(FOLDS[4], x_fit=x)], CONFIG, device=CPU, lead=watched
        )
    assert told == [1, 2, 3]
