"""Training: deterministic, honest about failures, and stopped by the averaged curve only."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.errors import TrialFailed, UsageError
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.training.config import TrainingConfig
from autospec.training.members import Member
from autospec.training.target_scale import TargetScale
from autospec.training.trainer import resolve_device, smooth, train_members

CPU = torch.device("cpu")
NET = Architecture(
    conv=(ConvBlock(kernel=3, filters=6, activation="ReLU", dropout=0.1),),
    fc=(FCBlock(nodes=8, activation="ELU", batch_norm=True),),
)
CONFIG = TrainingConfig(max_epochs=15, batch_size=16, learning_rate=5e-3)


def member(seed: int = 0, n: int = 48, *, scored: bool = True) -> Member:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n + 12, 20))
    y = 20.0 + 5.0 * x[:, 4] - 3.0 * x[:, 9]
    if not scored:
        return Member(x_fit=x[:n], y_fit=y[:n], seed=seed)
    return Member(x_fit=x[:n], y_fit=y[:n], x_score=x[n:], y_score=y[n:], seed=seed)


def test_same_seeds_train_to_bitwise_equal_predictions() -> None:
    runs = [train_members(NET, [member(0), member(1)], CONFIG, device=CPU) for _ in range(2)]
    x = member(0).x_fit
    np.testing.assert_array_equal(runs[0].fold_rmse, runs[1].fold_rmse)
    np.testing.assert_array_equal(runs[0].members[0].predict(x), runs[1].members[0].predict(x))


def test_training_does_not_depend_on_the_number_of_threads() -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(train_members(NET, [member(0), member(1)], CONFIG, device=CPU).fold_rmse)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    np.testing.assert_array_equal(*found)


BUSY = "import torch\nwhile True: torch.randn(400, 400) @ torch.randn(400, 400)"


@pytest.mark.slow
def test_training_on_a_busy_machine_gives_the_same_bits() -> None:
    """A worker that may use several threads rounds differently when a core is taken away.

    Without a thread limit set in each worker, about one training in fifteen differed here.
    """
    others = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(2)]
    try:
        config = replace(CONFIG, max_epochs=5)
        runs = [
            train_members(NET, [member(0), member(1)], config, device=CPU).fold_rmse.tobytes()
            for _ in range(80)
        ]
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert len(set(runs)) == 1


def test_members_trained_together_equal_members_trained_alone() -> None:
    """To rounding: products of one and of several matrices take different kernels."""
    config = replace(CONFIG, patience=100, max_epochs=5, learning_rate=1e-3)
    together = train_members(NET, [member(0), member(1)], config, device=CPU).fold_rmse
    alone = [train_members(NET, [member(s)], config, device=CPU).fold_rmse for s in (0, 1)]
    np.testing.assert_allclose(together, np.vstack(alone), rtol=1e-4)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(1)
    np.random.seed(1)  # noqa: NPY002 (the global state is the thing under test)
    before = torch.random.get_rng_state().clone()
    state = np.random.get_state()[1].copy()  # noqa: NPY002
    train_members(NET, [member()], CONFIG, device=CPU)
    assert torch.equal(before, torch.random.get_rng_state())
    np.testing.assert_array_equal(state, np.random.get_state()[1])  # noqa: NPY002


def test_a_network_learns_a_linear_signal_better_than_the_mean() -> None:
    config = replace(CONFIG, max_epochs=60, patience=30)
    m = member(n=120)
    training = train_members(NET, [m], config, device=CPU)
    assert m.y_score is not None
    assert training.score < 0.6 * float(np.std(m.y_score))


def test_scoring_rows_never_touch_the_weights() -> None:
    config = replace(CONFIG, patience=100)
    m = member()
    assert m.y_score is not None
    changed = replace(m, y_score=m.y_score + 100.0)
    first = train_members(NET, [m], config, device=CPU)
    second = train_members(NET, [changed], config, device=CPU)
    np.testing.assert_array_equal(
        first.members[0].predict(m.x_fit), second.members[0].predict(m.x_fit)
    )


def test_the_fold_averaged_curve_stops_training_not_a_single_fold() -> None:
    good, bad = member(0), member(1)
    assert bad.y_score is not None
    hopeless = replace(bad, y_score=bad.y_score[::-1].copy())
    config = replace(CONFIG, max_epochs=40, patience=4)
    alone = train_members(NET, [hopeless], config, device=CPU)
    together = train_members(NET, [good, good, good, hopeless], config, device=CPU)
    assert together.fold_rmse.shape[1] > alone.fold_rmse.shape[1]
    mean = together.fold_rmse.mean(axis=0)
    assert together.best_epoch == int(np.argmin(smooth(mean))) + 1
    assert together.score == smooth(mean).min()


def test_without_scoring_rows_every_epoch_is_run() -> None:
    seen: list[int] = []
    training = train_members(
        NET, [member(scored=False)], CONFIG, device=CPU, on_epoch=lambda e, s: bool(seen.append(e))
    )
    assert seen == []
    assert training.fold_rmse.shape == (1, 0)
    assert np.isfinite(training.members[0].predict(member().x_fit)).all()


def test_what_the_callback_raises_ends_the_training() -> None:
    def stop(epoch: int, score: float) -> bool:
        if epoch == 3:
            raise KeyError("enough")
        return False

    with pytest.raises(KeyError, match="enough"):
        train_members(NET, [member()], CONFIG, device=CPU, on_epoch=stop)


def test_a_callback_that_says_so_ends_the_training_with_its_result() -> None:
    training = train_members(
        NET, [member(), member(1)], CONFIG, device=CPU, on_epoch=lambda e, s: e == 4
    )
    assert training.fold_rmse.shape == (2, 4)


def test_a_loss_that_is_not_finite_fails_in_the_first_epoch() -> None:
    seen: list[int] = []
    m = member()
    x = m.x_fit.copy()
    x[3, 3] = np.inf
    with pytest.raises(TrialFailed, match="not finite in epoch 1"):
        train_members(
            NET,
            [replace(m, x_fit=x)],
            CONFIG,
            device=CPU,
            on_epoch=lambda e, s: bool(seen.append(e)),
        )
    assert seen == []


def test_a_network_that_does_not_fit_fails_the_trial_with_the_reason() -> None:
    long = Architecture(conv=(ConvBlock(kernel=30, filters=2, activation="ReLU"),))
    with pytest.raises(TrialFailed, match="conv block 1 does not fit"):
        train_members(long, [member()], CONFIG, device=CPU)


def test_exhausted_memory_fails_the_trial(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(*args: object, **kwargs: object) -> None:
        raise torch.OutOfMemoryError("made")

    monkeypatch.setattr("autospec.training.team.build_network", exhausted)
    with pytest.raises(TrialFailed, match="out of memory on cpu"):
        train_members(NET, [member()], CONFIG, device=CPU)


@pytest.mark.parametrize("n", [5, 17, 33, 97])
def test_no_batch_holds_one_row(n: int) -> None:
    """Batch normalisation refuses a batch of one; any count above the batch size could end so."""
    training = train_members(
        NET, [member(n=n)], replace(CONFIG, max_epochs=2, batch_size=4), device=CPU
    )
    assert training.fold_rmse.shape == (1, 2)


@pytest.mark.parametrize("transform", ["none", "log1p", "z-score"])
def test_target_transforms_come_back(transform: str) -> None:
    y = np.random.default_rng(0).gamma(2.0, 10.0, 50)
    scale = TargetScale.fit(transform, y)  # type: ignore[arg-type]
    # float64 round trip through log1p/expm1: a few units in the last place
    np.testing.assert_allclose(scale.inverse(scale.forward(y)), y, rtol=1e-12)


def test_log1p_of_values_below_minus_one_fails_the_trial() -> None:
    with pytest.raises(TrialFailed, match="want all above -1"):
        TargetScale.fit("log1p", np.array([-2.0, 3.0]))


def test_smoothing_is_a_centred_mean_shorter_at_the_ends() -> None:
    curve = np.random.default_rng(0).normal(size=13)
    slow = [curve[max(i - 2, 0) : i + 3].mean() for i in range(13)]
    np.testing.assert_allclose(smooth(curve), slow, rtol=1e-12)


def test_cuda_without_a_device_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match="sees no CUDA device"):
        resolve_device("cuda")
    assert resolve_device("auto").type == "cpu"


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.0}, {"weight_decay": -1.0}, {"batch_size": 2}, {"max_epochs": 0}],
)
def test_impossible_numbers_are_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"at least|>="):
        replace(CONFIG, **change)
