"""The stacked trainer on cubes is the one-at-a-time twin, member by member, to rounding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autospec.errors import TrialFailed
from autospec.nets import products
from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock
from autospec.nets.small3d import SMALL3D
from autospec.training import stack
from autospec.training.config import TrainingConfig
from autospec.training.members import Member, Start
from autospec.training.stack import step_bytes
from autospec.training.trainer import train_members
from tests.training.one_at_a_time import train_one_at_a_time

CPU = torch.device("cpu")
CONFIG = TrainingConfig(max_epochs=2, batch_size=16, learning_rate=1e-3, weight_decay=1e-3)
SIZES = (20, 21, 19)  # rows of the folds: batches of 9 to 11
SHAPE = (2, 6, 5, 4)
# As in test_stack.py: the last bit of a gradient turns Adam's first steps. Predictions are of
# size 20.
CLOSE = {"rtol": 2e-3, "atol": 2e-3}


def member(seed: int, n: int, shape: tuple[int, int, int, int] = SHAPE) -> Member:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 5 + seed % 3, *shape)).astype(np.float32)
    y = 20.0 + 2.0 * x[:, 0, 2, 2, 1].astype(np.float64) - x[:, -1, 3, 1, 2]
    return Member(x_fit=x[:n], y_fit=y[:n], x_score=x[n:], y_score=y[n:], seed=seed)


FOLDS = tuple(member(seed, n) for seed, n in enumerate(SIZES))
BLOCK = CubeConvBlock(
    kernel_space=3, kernel_time=2, filters=6, activation="Swish", padding="same", dropout=0.3
)
NET = CubeArchitecture(
    conv=(replace(BLOCK, pooling="max"), replace(BLOCK, filters=8, norm="group", dropout=0.0)),
    fc=(FCBlock(nodes=7, activation="ELU", dropout=0.3), FCBlock(nodes=5, activation="ReLU")),
)


def assert_twins(
    net: CubeArchitecture, members: tuple[Member, ...] = FOLDS, config: TrainingConfig = CONFIG
) -> None:
    found = train_members(net, members, config, device=CPU)
    twins, rmse = train_one_at_a_time(net, members, config)
    np.testing.assert_allclose(found.fold_rmse, rmse, **CLOSE)
    for fitted, twin, m in zip(found.members, twins, members, strict=True):
        np.testing.assert_allclose(fitted.predict(m.x_fit), twin.predict(m.x_fit), **CLOSE)
        state, expected = fitted.network.state_dict(), twin.network.state_dict()
        assert state.keys() == expected.keys()
        counts = [name for name in state if "num_batches" in name]
        assert all(torch.equal(state[name], expected[name]) for name in counts)


@pytest.mark.parametrize("head", ["flatten", "average"])
@pytest.mark.parametrize("fc", [0, 1, 2])
@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_every_head_and_loss(head: Any, fc: int, loss: Any) -> None:
    assert_twins(replace(NET, head=head, fc=NET.fc[:fc]), config=replace(CONFIG, loss=loss))


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("transform", ["none", "log1p"])
def test_every_optimiser_and_target(optimiser: Any, transform: Any) -> None:
    assert_twins(NET, config=replace(CONFIG, optimiser=optimiser, target_transform=transform))


def test_small3d() -> None:
    folds = tuple(member(seed, n, (6, 10, 10, 4)) for seed, n in enumerate(SIZES[:2]))
    assert_twins(SMALL3D, folds)


@pytest.mark.parametrize("batch_size", [8, 13, 64])
def test_members_of_different_sizes_and_numbers_of_batches(batch_size: int) -> None:
    assert_twins(NET, config=replace(CONFIG, batch_size=batch_size))


@pytest.mark.parametrize("most", [1, 2, 4])
def test_members_stacked_or_each_alone(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(stack, "largest_stack", lambda member_bytes: most)
    assert_twins(replace(NET, conv=(replace(BLOCK, norm="batch", dropout=0.0), BLOCK)))


@pytest.mark.parametrize("frozen", range(5))
@pytest.mark.parametrize("head", ["flatten", "average"])
def test_a_start_with_frozen_blocks(frozen: int, head: Any) -> None:
    net = replace(NET, head=head)
    trained = train_members(net, FOLDS, CONFIG, device=CPU).members
    begun = tuple(
        replace(member(seed + 7, n), start=Start(member=old, frozen_blocks=frozen))
        for seed, (n, old) in enumerate(zip((20, 21, 22), trained, strict=True))
    )
    assert_twins(net, begun)


def test_same_seeds_train_to_the_same_bits_on_any_number_of_threads() -> None:
    runs = [
        train_members(NET, FOLDS, CONFIG, device=CPU, threads=n).fold_rmse for n in (1, 2, None)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    np.testing.assert_array_equal(runs[0], runs[2])


def test_cubes_that_are_too_small_fail_the_trial_with_the_reason() -> None:
    block = replace(BLOCK, padding="valid", kernel_space=5)
    with pytest.raises(TrialFailed, match="conv block 2 does not fit: 2 x 1 cells"):
        train_members(CubeArchitecture(conv=(block, block)), FOLDS, CONFIG, device=CPU)


def test_a_step_touches_weights_four_times_and_values_twice() -> None:
    block = replace(BLOCK, pooling="max", filters=3)
    net = CubeArchitecture(conv=(block, block), fc=(FCBlock(nodes=4, activation="ReLU"),))
    values = 2 * (3 * 6 * 5 * 4 + 3 * 3 * 2 * 2 + 4)
    assert step_bytes(net, SHAPE, 5) == 4 * (4 * net.n_parameters(SHAPE) + 5 * values)


@pytest.mark.parametrize(("bound", "alone"), [(0, True), (1 << 30, False)])
def test_networks_with_many_values_are_trained_alone(
    monkeypatch: pytest.MonkeyPatch, bound: int, alone: bool
) -> None:
    sizes: set[int] = set()
    run_epoch = stack.Stack.run_epoch

    def note(self: stack.Stack, epoch: int) -> None:
        sizes.add(len(self.rows))
        run_epoch(self, epoch)

    monkeypatch.setattr(stack.Stack, "run_epoch", note)
    monkeypatch.setattr("autospec.training.trainer.ALONE_CUBE_BYTES", bound)
    assert_twins(NET)
    assert sizes == ({1} if alone else {3})


def test_bfloat16_products_are_close_and_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "ONE_BY_ONE", 0)
    net = replace(NET, conv=(replace(BLOCK, norm="batch", dropout=0.0), BLOCK))
    full = train_members(net, FOLDS, CONFIG, device=CPU)
    with products.bfloat16(True):
        half = train_members(net, FOLDS, CONFIG, device=CPU)
    assert not np.array_equal(half.fold_rmse, full.fold_rmse)
    # bfloat16 has 8 bits: a product is off by some 0.4 %
    np.testing.assert_allclose(half.fold_rmse, full.fold_rmse, rtol=1e-2)
    states = [fitted.network.state_dict().values() for fitted in half.members]
    assert all(bool(t.isfinite().all()) for state in states for t in state)
    assert {t.dtype for state in states for t in state} == {torch.float32, torch.int64}
