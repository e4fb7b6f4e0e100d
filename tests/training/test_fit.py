"""The loop: windows, early stopping, precision, randomness, and taking up a checkpoint."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import OutputError, SettingsDiffer, TrialFailed
from autospec.nets.build import SeededDropout
from autospec.nets.masks import Masks
from autospec.training.draws import draw_order
from autospec.training.fit import FitRun, fit
from autospec.training.fit_config import FitConfig
from autospec.training.fit_state import FitState, read_checkpoint
from autospec.training.precision import resolve_precision
from autospec.training.schedule import cosine_rate
from tests.training.small_task import (
    CPU,
    N_FIT,
    SmallTask,
    alone,
    small_network,
    small_task,
    weights,
)

CONFIG = FitConfig(learning_rate=1e-2, batch_size=8, accumulate_to=30, max_epochs=12)


def trained(config: FitConfig = CONFIG, run: FitRun | None = None) -> tuple[FloatArray, FitState]:
    network = small_network()
    state, _ = fit(network, small_task(), config, run or alone())
    return weights(network), state


def timeless(state: FitState) -> FitState:
    return replace(state, history=tuple(replace(r, seconds=0.0) for r in state.history))


def test_a_network_learns_a_linear_signal() -> None:
    _, state = trained(replace(CONFIG, max_epochs=80, patience=80))
    assert state.best is not None and state.best < 0.3 * state.history[0].metric


def test_the_same_seed_gives_the_same_bits() -> None:
    (first, before), (second, after) = trained(), trained()
    np.testing.assert_array_equal(first, second)
    assert timeless(before) == timeless(after)


def test_another_seed_gives_another_order_and_other_masks() -> None:
    assert not np.array_equal(trained()[0], trained(replace(CONFIG, seed=1))[0])


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state().clone()
    trained()
    assert torch.equal(before, torch.random.get_rng_state())


def test_batches_of_a_window_add_up_to_its_mean_gradient() -> None:
    """To rounding: only the order of the sums differs. Dropout is drawn per batch, so it is off."""
    runs = []
    for batch_size in (30, 7):
        network = small_network(dropout=0.0)
        fit(network, small_task(), replace(CONFIG, batch_size=batch_size), alone())
        runs.append(weights(network))
    np.testing.assert_allclose(*runs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("accumulate_to", "steps"), [(2048, 1), (90, 1), (89, 2), (30, 3), (8, 12)]
)
def test_an_epoch_is_cut_into_equal_windows(accumulate_to: int, steps: int) -> None:
    assert trained(replace(CONFIG, accumulate_to=accumulate_to, max_epochs=1))[1].steps == steps


class Drawn(SmallTask):
    """Keeps which samples were learned from."""

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        self.__dict__.setdefault("rows", []).extend(rows.tolist())
        return super().loss(network, rows)


@pytest.mark.parametrize(("n_epoch", "steps"), [(N_FIT, 9), (60, 6), (31, 6), (5, 3)])
def test_an_epoch_draws_so_many_samples_and_others_in_the_next(n_epoch: int, steps: int) -> None:
    whole = small_task()
    task = Drawn(whole.x, whole.y, n_epoch=n_epoch)
    config = replace(CONFIG, max_epochs=3, schedule="cosine")
    state, _ = fit(small_network(), task, config, alone())
    epochs = np.array(task.__dict__["rows"]).reshape(3, n_epoch)
    assert state.steps == steps
    assert all(len(set(rows)) == n_epoch for rows in epochs.tolist())
    assert len(np.unique(epochs)) > n_epoch or n_epoch == N_FIT
    # the schedule ends where the last epoch does
    last = cosine_rate(steps - 1, steps, rate=1e-2, lowest=0.0, restarts=1)
    assert state.history[-1].learning_rate == last


@pytest.mark.parametrize("n_epoch", [N_FIT + 1, 2 * N_FIT, 200])
def test_beyond_all_samples_each_comes_again(n_epoch: int) -> None:
    whole = small_task()
    task = Drawn(whole.x, whole.y, n_epoch=n_epoch)
    state, _ = fit(small_network(), task, replace(CONFIG, max_epochs=1), alone())
    rows = task.__dict__["rows"]
    times = np.bincount(rows, minlength=N_FIT)
    assert len(rows) == n_epoch and times.max() - times.min() <= 1
    assert len(set(rows[:N_FIT])) == N_FIT
    assert state.steps == CONFIG.windows(n_epoch)


def test_an_epoch_of_all_samples_is_one_permutation() -> None:
    found = draw_order((7, 3), 50, 50)
    np.testing.assert_array_equal(found, np.random.default_rng((7, 3)).permutation(50))


def test_one_step_moves_as_an_optimiser_written_out() -> None:
    config = replace(CONFIG, accumulate_to=2048, max_epochs=1, schedule="constant", clip=0.5)
    network, twin, task = small_network(dropout=0.0), small_network(dropout=0.0), small_task()
    fit(network, task, config, alone())
    optimiser = torch.optim.Adam(twin.parameters(), lr=config.learning_rate)
    twin.train()
    task.loss(twin, np.arange(N_FIT)).backward()
    nn.utils.clip_grad_norm_(twin.parameters(), 0.5)
    optimiser.step()
    np.testing.assert_allclose(weights(network), weights(twin), rtol=1e-5, atol=1e-6)


class Watched(SmallTask):
    """Gives metrics of its own, whatever the network does."""

    metrics = (5.0, 4.0, 3.0, 3.5, 3.2, 3.0, 3.1, 1.0, 0.5)

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        assert not network.training, "watched in eval mode"
        assert not torch.is_grad_enabled()
        np.testing.assert_array_equal(rows, np.sort(rows))
        return torch.zeros(len(rows), 1, dtype=torch.float64)

    def metric(self, judged: FloatArray) -> float:
        self.__dict__["calls"] = self.__dict__.get("calls", 0) + 1
        return self.metrics[self.__dict__["calls"] - 1]


def watched() -> Watched:
    task = small_task()
    return Watched(task.x, task.y)


def test_training_ends_after_so_many_epochs_without_a_better_one() -> None:
    state, ended = fit(small_network(), watched(), replace(CONFIG, patience=4), alone())
    assert (ended, state.epoch, state.best_epoch, state.best) == ("patience", 7, 3, 3.0)


@pytest.mark.parametrize(
    ("schedule", "counts", "epochs"),
    [("cosine", False, 5), ("cosine", True, 2), ("constant", False, 2)],
)
def test_patience_may_begin_after_the_warm_up(schedule: Any, counts: bool, epochs: int) -> None:
    task = watched()
    task.__dict__["metrics"] = (1.0,) * 40
    config = replace(CONFIG, schedule=schedule, warm_up_counts=counts, max_epochs=40, patience=1)
    state, ended = fit(small_network(), task, config, alone())
    assert (ended, state.epoch, state.best_epoch) == ("patience", epochs, 1)


def test_a_fall_below_min_delta_counts_as_none() -> None:
    config = replace(CONFIG, patience=2, min_delta=1.5)
    state, ended = fit(small_network(), watched(), config, alone())
    assert (ended, state.epoch, state.best_epoch) == ("patience", 5, 3)


def test_the_weights_of_the_best_epoch_are_restored() -> None:
    network, seen = small_network(), []
    run = alone(on_epoch=lambda state: seen.append(weights(network)))
    fit(network, watched(), replace(CONFIG, patience=4), run)
    np.testing.assert_array_equal(weights(network), seen[2])
    assert not network.training


def test_plateau_halves_the_rate_of_the_epochs_after() -> None:
    task = watched()
    task.__dict__["metrics"] = (1.0,) * 20
    config = replace(CONFIG, schedule="plateau", max_epochs=9, patience=20)
    state, _ = fit(small_network(), task, config, alone())
    assert [r.learning_rate for r in state.history] == [1e-2] * 7 + [5e-3] * 2


def test_cosine_counts_the_steps_that_are_taken() -> None:
    config = replace(CONFIG, schedule="cosine", max_epochs=10, patience=20)
    _, state = trained(config)
    assert state.steps == 30
    assert state.history[0].learning_rate == pytest.approx(1e-2 * 2 / 3)  # the third of 30 steps
    assert state.history[-1].learning_rate < 1e-4


@pytest.mark.parametrize(
    ("precision", "cuda", "meant"), [("auto", False, "float32"), ("bfloat16", False, "bfloat16")]
)
def test_precision_on_a_cpu(precision: str, cuda: bool, meant: str) -> None:
    config = replace(CONFIG, precision=precision)  # type: ignore[arg-type]
    assert resolve_precision(config, CPU) == meant


@pytest.mark.parametrize(("has", "meant"), [(True, "bfloat16"), (False, "float16")])
def test_precision_on_a_gpu(monkeypatch: pytest.MonkeyPatch, has: bool, meant: str) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: has)
    assert resolve_precision(CONFIG, torch.device("cuda")) == meant


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_half_precision_learns_alike_and_keeps_float32_weights(precision: str) -> None:
    config = replace(CONFIG, max_epochs=40, patience=40)
    network = small_network()
    state, _ = fit(network, small_task(), replace(config, precision=precision), alone())  # type: ignore[arg-type]
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert state.best == pytest.approx(trained(config)[1].best, rel=0.25)
    assert bool(state.scaler) == (precision == "float16")


def test_a_loss_that_runs_away_says_so() -> None:
    task = small_task()
    task.y[3] = math.inf
    with pytest.raises(TrialFailed, match="not finite in epoch 1; try a lower --lr"):
        fit(small_network(), task, CONFIG, alone())


def test_seeded_dropout_draws_by_batch_not_by_history() -> None:
    """So that nothing random has to be kept, and processes draw alike."""

    def network() -> nn.Sequential:
        made = small_network()
        made[2] = SeededDropout(0.5, Masks(99, CPU))
        return made

    first, second = network(), network()
    for module in second:
        if isinstance(module, SeededDropout):
            module.masks.fill(torch.empty(64), 0.5)  # its stream is further on
    for made in (first, second):
        fit(made, small_task(), CONFIG, alone())
    np.testing.assert_array_equal(weights(first), weights(second))


def stop_after(epochs: int, checkpoint: Path) -> FitRun:
    seen: list[FitState] = []
    return alone(
        checkpoint=checkpoint, on_epoch=seen.append, interrupted=lambda: len(seen) >= epochs
    )


@pytest.mark.parametrize("schedule", ["plateau", "cosine", "constant"])
@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_taken_up_it_ends_at_the_same_bits(tmp_path: Path, schedule: str, precision: str) -> None:
    config = replace(CONFIG, schedule=schedule, precision=precision, optimiser="adamw")  # type: ignore[arg-type]
    path = tmp_path / "checkpoint.safetensors"
    wanted, straight = trained(config, alone())
    _, stopped = trained(config, stop_after(5, path))
    assert stopped.epoch == 5
    found, state = trained(config, alone(checkpoint=path))
    np.testing.assert_array_equal(found, wanted)
    assert timeless(state) == timeless(straight)


def test_batch_statistics_are_taken_up_too(tmp_path: Path) -> None:
    networks = [small_network(norm=True) for _ in range(3)]
    path = tmp_path / "checkpoint.safetensors"
    fit(networks[0], small_task(), CONFIG, alone())
    fit(networks[1], small_task(), CONFIG, stop_after(4, path))
    fit(networks[2], small_task(), CONFIG, alone(checkpoint=path))
    np.testing.assert_array_equal(weights(networks[0]), weights(networks[2]))


def test_an_interrupt_keeps_the_best_epoch_so_far(tmp_path: Path) -> None:
    network = small_network()
    run = stop_after(2, tmp_path / "checkpoint.safetensors")
    state, ended = fit(network, small_task(), CONFIG, run)
    assert (ended, state.epoch) == ("interrupt", 2)
    kept = load_file(tmp_path / "checkpoint.safetensors")
    np.testing.assert_array_equal(network[0].weight.detach(), kept["best.0.weight"])


@pytest.mark.parametrize(("rate", "helps"), [(1e-2, True), (30.0, False)])
def test_weights_to_begin_with_are_kept_where_no_epoch_is_better(rate: float, helps: bool) -> None:
    network = small_network(dropout=0.0)
    begun = weights(network)
    config = replace(CONFIG, learning_rate=rate, max_epochs=3)
    state, _ = fit(network, small_task(), config, alone(), keep_untrained=True)
    assert np.array_equal(weights(network), begun) is not helps
    assert (state.best_epoch > 0) is helps
    assert state.best is not None
    assert (min(record.metric for record in state.history) <= state.best) is helps


def test_untrained_weights_survive_a_stop(tmp_path: Path) -> None:
    path, config = tmp_path / "checkpoint.safetensors", replace(CONFIG, learning_rate=30.0)
    networks = [small_network() for _ in range(2)]
    states = [
        fit(network, small_task(), config, run, keep_untrained=True)[0]
        for network, run in zip(
            networks, (stop_after(2, path), alone(checkpoint=path)), strict=True
        )
    ]
    assert [state.best_epoch for state in states] == [0, 0]
    np.testing.assert_array_equal(*map(weights, networks))
    assert not np.array_equal(weights(networks[0]), 0 * weights(networks[0]))


def test_a_deadline_ends_it() -> None:
    slow = alone(deadline_s=time.monotonic() + 0.2, on_epoch=lambda state: time.sleep(0.05))
    state, ended = fit(small_network(), small_task(), replace(CONFIG, max_epochs=999), slow)
    assert ended == "budget" and 1 <= state.epoch <= 4


@pytest.mark.parametrize("untrained", [False, True])
def test_ended_before_the_first_epoch_there_is_no_network(untrained: bool) -> None:
    run = alone(interrupted=lambda: True)
    with pytest.raises(TrialFailed, match="before its first epoch"):
        fit(small_network(), small_task(), CONFIG, run, keep_untrained=untrained)


def test_a_finished_training_is_not_run_again(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    wanted, _ = trained(run=alone(checkpoint=path))
    before = path.read_bytes()
    found, _ = trained(run=alone(checkpoint=path))
    np.testing.assert_array_equal(found, wanted)
    assert path.read_bytes() == before


def test_other_settings_are_refused_and_named(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trained(run=alone(checkpoint=path, told={"split": {"buffer_km": 1.2}, "samples": "aa"}))
    other = replace(CONFIG, clip=2.0)
    with pytest.raises(SettingsDiffer) as caught:
        trained(other, alone(checkpoint=path, told={"split": {"buffer_km": 3.0}, "samples": "aa"}))
    lines = str(caught.value).splitlines()
    assert lines[1:3] == [
        "  config.clip: there 1.0, here 2.0",
        "  split.buffer_km: there 1.2, here 3.0",
    ]
    assert len(lines) == 4 and "another --out" in lines[3]


def test_a_checkpoint_holds_no_pickle_and_opens_as_safetensors(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trained(run=alone(checkpoint=path))
    tensors = load_file(path)
    assert {name.split(".")[0] for name in tensors} == {
        "now",
        "best",
        "exp_avg",
        "exp_avg_sq",
        "step",
    }
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_no_byte_of_a_checkpoint_changes_unseen(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trained(run=alone(checkpoint=path))
    whole, told = path.read_bytes(), {"config": asdict(CONFIG)}
    found = read_checkpoint(path, told)
    assert found is not None
    header = 8 + int.from_bytes(whole[:8], "little")
    rng = np.random.default_rng(0)
    for spot in (*rng.integers(0, header, 80), *rng.integers(header, len(whole), 40)):
        changed = bytearray(whole)
        changed[spot] ^= int(rng.integers(1, 256))
        path.write_bytes(bytes(changed))
        with pytest.raises((OutputError, SettingsDiffer)):
            read_checkpoint(path, told)


@pytest.mark.parametrize("keep", [0, 5, 100, 2000])
def test_a_checkpoint_cut_short_is_refused(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "checkpoint.safetensors"
    trained(run=alone(checkpoint=path))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(OutputError, match="Delete it to begin anew"):
        trained(run=alone(checkpoint=path))


@pytest.mark.parametrize(
    "numbers", [{"batch_size": 64, "accumulate_to": 32}, {"lowest_rate": 1.0}], ids=str
)
def test_numbers_that_contradict_each_other_are_refused(numbers: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="of at most"):
        FitConfig(**numbers)  # type: ignore[arg-type]
