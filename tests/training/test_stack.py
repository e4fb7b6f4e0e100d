"""The stacked trainer is the one-at-a-time twin, member by member, to rounding."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch

from autospec.errors import OutOfMemory
from autospec.nets import products, stacked
from autospec.nets.architecture import Activation, Architecture, ConvBlock, FCBlock, Pooling
from autospec.training import stack
from autospec.training.config import Loss, TrainingConfig
from autospec.training.members import Member, Start
from autospec.training.stack import plan_stacks, step_bytes
from autospec.training.trainer import train_members
from tests.training.one_at_a_time import train_one_at_a_time

CPU = torch.device("cpu")
CONFIG = TrainingConfig(max_epochs=3, batch_size=16, learning_rate=1e-3, weight_decay=1e-3)
SIZES = (40, 41, 39, 44)  # rows of the folds: batches of 13 to 15
# A gradient's last bit turns Adam's first steps, of size learning_rate whatever the gradient's:
# a weight whose gradient is rounding noise may go the other way. Predictions are of size 20.
CLOSE = {"rtol": 2e-3, "atol": 2e-3}


def member(seed: int, n: int, bands: int = 30) -> Member:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 5 + seed % 3, bands))
    y = 20.0 + 2.0 * x[:, 4] - x[:, 9]
    return Member(x_fit=x[:n], y_fit=y[:n], x_score=x[n:], y_score=y[n:], seed=seed)


FOLDS = tuple(member(seed, n) for seed, n in enumerate(SIZES))


def assert_twins(
    net: Architecture, members: tuple[Member, ...] = FOLDS, config: TrainingConfig = CONFIG
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


@pytest.mark.parametrize(
    ("padding", "stride", "pooling"),
    list(product(("valid", "same"), (1, 3), ("none", "max", "avg"))),
)
def test_every_convolution_and_pooling(padding: str, stride: int, pooling: Pooling) -> None:
    shape = {"padding": padding, "stride": stride, "pooling": pooling, "activation": "SELU"}
    first = ConvBlock(kernel=4, filters=5, **shape)  # type: ignore[arg-type]
    second = ConvBlock(kernel=2, filters=3, **shape | {"stride": 1, "pool_size": 3})  # type: ignore[arg-type]
    assert_twins(Architecture(conv=(first, second)))


@pytest.mark.parametrize("activation", ["ReLU", "LeakyReLU", "ELU", "SELU", "Swish"])
@pytest.mark.parametrize("regulariser", [{}, {"dropout": 0.3}, {"batch_norm": True}])
@pytest.mark.parametrize("pooling", ["none", "max"])
def test_every_activation_and_regulariser(
    activation: Activation, regulariser: dict[str, float], pooling: Pooling
) -> None:
    finish = {"activation": activation, **regulariser}
    conv = ConvBlock(kernel=3, filters=6, pooling=pooling, **finish)  # type: ignore[arg-type]
    fc = FCBlock(nodes=7, **finish)  # type: ignore[arg-type]
    assert_twins(Architecture(conv=(conv, conv), fc=(fc, fc)))


NET = Architecture(
    conv=(
        ConvBlock(kernel=5, filters=1, activation="Swish", padding="same", dropout=0.2),
        ConvBlock(kernel=3, filters=6, activation="ELU", batch_norm=True, pooling="avg"),
    ),
    fc=(FCBlock(nodes=9, activation="LeakyReLU", dropout=0.4), FCBlock(nodes=4, activation="ReLU")),
)


@pytest.mark.parametrize("optimiser", ["adam", "adamw"])
@pytest.mark.parametrize("transform", ["none", "log1p", "z-score"])
def test_every_optimiser_and_target(optimiser: str, transform: str) -> None:
    assert_twins(NET, config=replace(CONFIG, optimiser=optimiser, target_transform=transform))


@pytest.mark.parametrize("batch_size", [8, 13, 64])
def test_members_of_different_sizes_and_numbers_of_batches(batch_size: int) -> None:
    assert_twins(NET, config=replace(CONFIG, batch_size=batch_size))


@pytest.mark.parametrize("one_by_one", [0, 10**12])
def test_both_ways_to_multiply(monkeypatch: pytest.MonkeyPatch, one_by_one: int) -> None:
    monkeypatch.setattr(products, "ONE_BY_ONE", one_by_one)
    assert_twins(NET)


@pytest.mark.parametrize("loss", ["l1", "huber"])
def test_every_other_loss(loss: Loss) -> None:
    assert_twins(NET, config=replace(CONFIG, loss=loss, target_transform="none"))


def test_bfloat16_products_are_close_and_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "ONE_BY_ONE", 0)
    full = train_members(NET, FOLDS, CONFIG, device=CPU)
    with products.bfloat16(True):
        half = train_members(NET, FOLDS, CONFIG, device=CPU)
    assert not np.array_equal(half.fold_rmse, full.fold_rmse)
    # bfloat16 has 8 bits: a product is off by some 0.4 %
    np.testing.assert_allclose(half.fold_rmse, full.fold_rmse, rtol=1e-2)
    states = [fitted.network.state_dict().values() for fitted in half.members]
    assert all(bool(t.isfinite().all()) for state in states for t in state)


def test_bfloat16_is_for_large_products_on_a_gpu_that_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gpu, large = torch.device("cuda"), products.ONE_BY_ONE + 1
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    found = [products.halves(*of) for of in ((large, gpu), (large, CPU), (large - 1, gpu))]
    with products.bfloat16(False):
        found.append(products.halves(large, gpu))
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: False)
    assert [*found, products.halves(large, gpu)] == [True, False, False, False, False]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_members_stacked_or_each_alone(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    monkeypatch.setattr(stack, "largest_stack", lambda member_bytes: most)
    assert_twins(NET)


@pytest.mark.parametrize("frozen", range(5))
def test_a_start_with_frozen_blocks(frozen: int) -> None:
    trained = train_members(NET, FOLDS, CONFIG, device=CPU).members
    begun = tuple(
        replace(member(seed + 7, n), start=Start(member=old, frozen_blocks=frozen))
        for seed, (n, old) in enumerate(zip((20, 21, 22, 20), trained, strict=True))
    )
    assert_twins(NET, begun)


def test_a_stop_by_patience_comes_at_the_same_epoch() -> None:
    config = replace(CONFIG, max_epochs=40, patience=2, learning_rate=0.01)
    found = train_members(NET, FOLDS, config, device=CPU)
    _, rmse = train_one_at_a_time(NET, FOLDS, config)
    assert 5 < rmse.shape[1] < 40
    assert found.fold_rmse.shape == rmse.shape


def test_a_stop_by_the_callback_leaves_the_weights_of_that_epoch() -> None:
    found = train_members(NET, FOLDS, CONFIG, device=CPU, on_epoch=lambda e, s: e == 2)
    twins, rmse = train_one_at_a_time(NET, FOLDS, CONFIG, on_epoch=lambda e, s: e == 2)
    np.testing.assert_allclose(found.fold_rmse, rmse, **CLOSE)
    for fitted, twin, m in zip(found.members, twins, FOLDS, strict=True):
        np.testing.assert_allclose(fitted.predict(m.x_fit), twin.predict(m.x_fit), **CLOSE)


def test_members_keep_their_places_when_stacks_mix_them() -> None:
    sizes = (40, 70, 41, 71, 40)  # three batches an epoch, or five
    members = tuple(member(seed, n) for seed, n in enumerate(sizes))
    assert_twins(NET, members)


def test_fitted_members_share_no_memory() -> None:
    one, two, *_ = train_members(NET, FOLDS, CONFIG, device=CPU).members
    kept = two.predict(FOLDS[0].x_fit)
    for tensor in one.network.state_dict().values():
        tensor.zero_()
        assert tensor.untyped_storage().nbytes() == tensor.nbytes
    np.testing.assert_array_equal(two.predict(FOLDS[0].x_fit), kept)


@pytest.mark.parametrize("cores", [1, 3])
def test_results_do_not_depend_on_the_cores(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    expected = train_members(NET, FOLDS, CONFIG, device=CPU).fold_rmse
    monkeypatch.setattr("autospec.training.trainer.thread_count", lambda: cores)
    found = train_members(NET, FOLDS, CONFIG, device=CPU).fold_rmse
    np.testing.assert_array_equal(found, expected)
    shared = train_members(NET, FOLDS, CONFIG, device=CPU, threads=2).fold_rmse
    np.testing.assert_array_equal(shared, expected)


def test_a_stack_holds_members_of_a_kind_in_even_parts() -> None:
    kinds = ["a"] * 7 + ["b"] + ["a"] * 4
    stacks = plan_stacks(kinds, 1000)
    assert sorted(m for part in stacks for m in part) == list(range(12))
    assert all(len({kinds[m] for m in part}) == 1 for part in stacks)
    sizes = [len(part) for part in stacks if kinds[part[0]] == "a"]
    assert max(sizes) <= stack.STACK_MEMBERS and max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(
    ("member_bytes", "stacks"),
    [
        (1000, [[0, 1, 2, 3]]),
        (stack.HALVED_BYTES + 1, [[0, 1], [2, 3]]),
        (stack.ALONE_BYTES + 1, [[0], [1], [2], [3]]),
    ],
)
def test_the_larger_the_network_the_smaller_the_stack(
    member_bytes: int, stacks: list[list[int]]
) -> None:
    assert plan_stacks([0] * 4, member_bytes) == stacks


def test_a_single_large_network_is_one_stack() -> None:
    assert plan_stacks([0], stack.HALVED_BYTES + 1) == [[0]]


def test_a_step_touches_weights_four_times_and_values_twice() -> None:
    net = Architecture(conv=(ConvBlock(kernel=3, filters=2, activation="ReLU"),))
    weights, values = net.n_parameters(10), 2 * 2 * 8
    assert step_bytes(net, 10, 5) == 4 * (4 * weights + 5 * values)


def test_out_of_memory_halves_the_stacks_and_tells_each_epoch_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    expected = train_members(NET, FOLDS, CONFIG, device=CPU).fold_rmse
    sizes: list[int] = []
    told: list[int] = []
    run_epoch = stack.Stack.run_epoch

    def too_large(self: stack.Stack, epoch: int) -> None:
        sizes.append(len(self.rows))
        if len(self.rows) > 1 and epoch == 2:
            raise torch.OutOfMemoryError("too large")
        run_epoch(self, epoch)

    def tell(epoch: int, rmse: float) -> bool:
        told.append(epoch)
        return False

    monkeypatch.setattr(stack.Stack, "run_epoch", too_large)
    found = train_members(NET, FOLDS, CONFIG, device=CPU, on_epoch=tell)
    np.testing.assert_allclose(found.fold_rmse, expected, **CLOSE)
    assert told == [1, 2, 3]
    assert set(sizes) >= {4, 2, 1}


def test_out_of_memory_halves_the_largest_stack_that_there_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sizes: list[int] = []

    def too_large(self: stack.Stack, epoch: int) -> None:
        sizes.append(len(self.rows))
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr(stack, "largest_stack", lambda member_bytes: 3)
    monkeypatch.setattr(stack.Stack, "run_epoch", too_large)
    with pytest.raises(OutOfMemory):
        train_members(NET, FOLDS[:3], CONFIG, device=CPU, threads=1)
    assert [size for size, before in zip(sizes, [0, *sizes], strict=False) if size != before] == [
        3,
        1,
    ]


def test_out_of_memory_with_one_member_a_stack_fails_the_trial(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def too_large(self: stack.Stack, epoch: int) -> None:
        raise torch.OutOfMemoryError("too large")

    monkeypatch.setattr(stack.Stack, "run_epoch", too_large)
    with pytest.raises(OutOfMemory, match="out of memory on cpu"):
        train_members(NET, FOLDS, CONFIG, device=CPU)


@pytest.mark.parametrize("moved", [1, 100, 10**9])
def test_weights_moved_in_parts(monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    monkeypatch.setattr(stacked, "MOVED_AT_ONCE", moved)
    assert_twins(NET)
