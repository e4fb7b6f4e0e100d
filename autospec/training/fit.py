"""`fit`: trains one network by autograd, on one device or as one of several processes.

The loop knows no data: a `Task` gives the loss of some samples, and what is watched. An epoch is
cut into windows of one optimiser step each, and these into batches; several processes deal the
batches of a window out among them, so that batches, and what is drawn for them, are the same for
any number of processes. After every epoch a checkpoint is written (`autospec.training.fit_state`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from torch import nn

from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import TrialFailed
from autospec.training.adam import BETA1, BETA2, EPS
from autospec.training.distributed import Processes
from autospec.training.draws import draw_anew, draw_order, own_randomness
from autospec.training.fit_config import FitConfig
from autospec.training.fit_state import (
    EpochRecord,
    FitState,
    Tensors,
    read_checkpoint,
    write_checkpoint,
)
from autospec.training.precision import cast, resolve_precision
from autospec.training.schedule import cosine_rate

FitEnd = Literal["complete", "patience", "budget", "interrupt"]


class Task(Protocol):
    """What a network is to learn."""

    @property
    def n_fit(self) -> int:
        """Samples to learn from."""

    @property
    def n_epoch(self) -> int:
        """How many of them an epoch draws; beyond all, each comes again."""

    @property
    def n_watch(self) -> int:
        """Samples that are watched, for early stopping, and never learned from."""

    def loss(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return the mean loss, a scalar, of some of the samples to learn from."""

    def judge(self, network: nn.Module, rows: IntArray) -> torch.Tensor:
        """Return (len(rows), k) float64: what the metric needs of some watched samples."""

    def metric(self, judged: FloatArray) -> float:
        """Return the metric, lower being better, of all watched samples, judged (n_watch, k)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FitRun:
    """How a training runs; nothing here changes what is learned.

    Parameters
    ----------
    processes : Processes
        This one, and those beside it.
    checkpoint : Path or None
        Where how far it is is kept, after every epoch, and taken up from.
    told : mapping of str to JSON values
        What has to be the same where it is taken up.
    on_epoch : callable (FitState) -> None
        Called after every epoch.
    interrupted : callable () -> bool
        Asked before every optimiser step: True ends the training there.
    deadline_s : float or None
        Likewise, at this value of `time.monotonic`.
    """

    processes: Processes
    checkpoint: Path | None = None
    told: Mapping[str, Any] = field(default_factory=dict)
    on_epoch: Callable[[FitState], None] = lambda state: None
    interrupted: Callable[[], bool] = lambda: False
    deadline_s: float | None = None


def fit(
    network: nn.Module,
    task: Task,
    config: FitConfig,
    run: FitRun,
    *,
    keep_untrained: bool = False,
) -> tuple[FitState, FitEnd]:
    """Train a network; it is left with its best weights, in eval mode.

    Parameters
    ----------
    network : nn.Module
        On the device of `run.processes`, with the weights to begin with.
    task : Task
        What it is to learn.
    config : FitConfig
        How it learns.
    run : FitRun
        How the training runs.
    keep_untrained : bool
        Whether the weights to begin with are among those that can be the best, as epoch 0: for a
        network that is a model worth having before it has learned.

    Returns
    -------
    FitState
        Its history.
    {"complete", "patience", "budget", "interrupt"}
        What ended it. An epoch that was not finished is lost.

    Raises
    ------
    TrialFailed
        If the loss or the metric is not finite, or it was ended before the first epoch.
    OutputError, SettingsDiffer
        From the checkpoint.
    """
    training = _Training(network, task, config, run)
    with own_randomness(run.processes.device):
        if keep_untrained:
            training.judge_untrained()
        ended = training.run_epochs()
    training.restore_best()
    return training.state, ended


class _Training:
    """A training under way."""

    def __init__(self, network: nn.Module, task: Task, config: FitConfig, run: FitRun) -> None:
        self.network, self.task, self.config, self.run = network, task, config, run
        self.processes = run.processes
        self.learned = {n: p for n, p in network.named_parameters() if p.requires_grad}
        for parameter in self.learned.values():
            parameter.grad = torch.zeros_like(parameter)  # also where no batch is dealt here
        kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
        self.optimiser = kind(
            self.learned.values(),
            lr=config.learning_rate,
            betas=(BETA1, BETA2),
            eps=EPS,
            weight_decay=config.weight_decay,
        )
        device = self.processes.device
        self.precision = resolve_precision(config, device)
        self.scaler = torch.amp.GradScaler(device.type, enabled=self.precision == "float16")
        self.state = FitState()
        self.best: Tensors = {}
        self.dealt = 0  # batches that came here in this epoch
        self._take_up()
        self.processes.from_main(network.state_dict().values())

    def judge_untrained(self) -> None:
        """Let the weights to begin with be the best so far, unless the training was taken up."""
        if self.state.epoch == 0:
            self.state = replace(self.state, best=self._watch(), best_epoch=0)
            self._keep_weights()

    def run_epochs(self) -> FitEnd:
        """Train until something ends it."""
        while True:
            if self.state.epoch >= self.config.max_epochs:
                return "complete"
            since = max(self.state.best_epoch, self.config.patient_from)
            if self.state.epoch - since >= self.config.patience:
                return "patience"
            begun = time.monotonic()
            trained = self._learn()
            if isinstance(trained, str):
                return trained
            rate, loss = trained
            self._mean_statistics()
            self._after_epoch(rate, loss, self._watch(), begun)
            self.run.on_epoch(self.state)

    def restore_best(self) -> None:
        """Load the best weights."""
        if not self.state.epoch:
            raise TrialFailed("the training was ended before its first epoch: there is no network")
        self.network.load_state_dict(self.best)
        self.network.eval()

    def _learn(self) -> tuple[float, float] | FitEnd:
        """Learn from an epoch's samples; return the last rate and the mean loss, or what ended it.

        The order of the samples and what is drawn for a batch follow from seed, epoch and batch.
        """
        epoch, n = self.state.epoch + 1, self.task.n_epoch
        order = draw_order((self.config.seed, epoch), self.task.n_fit, n)
        total, rate, first, self.dealt = 0.0, 0.0, 0, 0
        self.network.train()
        for window in np.array_split(order, self.config.windows(n)):
            batches = np.array_split(window, -(-len(window) // self.config.batch_size))
            loss = self._gradients(batches, len(window), first)
            if isinstance(loss, str):
                return loss
            if not math.isfinite(loss):
                raise TrialFailed(f"the loss is not finite in epoch {epoch}; try a lower --lr")
            rate, total, first = self._step(), total + loss, first + len(batches)
        return rate, total / n

    def _gradients(self, batches: list[IntArray], n: int, first: int) -> float | FitEnd:
        """Lay the mean gradient of a window's n samples; return their summed loss.

        Batch b of the window is dealt to process b modulo their count. Whether to end is summed
        with the gradients, so that all processes end at the same step.
        """
        me, device = self.processes, self.processes.device
        self.optimiser.zero_grad(set_to_none=False)
        summed = torch.zeros((), dtype=torch.float64, device=device)
        for b in range(me.rank, len(batches), me.count):
            draw_anew(self.network, (self.config.seed, self.state.epoch + 1, first + b), device)
            with cast(self.precision, device):
                loss = self.task.loss(self.network, batches[b])
            torch.autograd.backward(self.scaler.scale(loss * (len(batches[b]) / n)))
            summed += loss.detach().double() * len(batches[b])
            self.dealt += 1
        late = self.run.deadline_s is not None and time.monotonic() >= self.run.deadline_s
        flags = torch.tensor([self.run.interrupted(), late], dtype=torch.float64, device=device)
        said = me.total(torch.cat([summed[None], flags])).tolist()
        if said[1] or said[2]:
            return "interrupt" if said[1] else "budget"
        self._share_gradients()
        return float(said[0])

    def _share_gradients(self) -> None:
        """Sum the gradients over the processes, all in one message."""
        if self.processes.count == 1:
            return
        grads = [p.grad for p in self.learned.values() if p.grad is not None]
        flat = self.processes.total(torch.cat([grad.reshape(-1) for grad in grads]))
        for grad, part in zip(grads, torch.split(flat, [g.numel() for g in grads]), strict=True):
            grad.copy_(part.view_as(grad))

    def _step(self) -> float:
        """Take a step of the optimiser; return its learning rate."""
        rate = self._rate()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.scaler.unscale_(self.optimiser)
        nn.utils.clip_grad_norm_(list(self.learned.values()), self.config.clip)
        before = self.scaler.get_scale()
        self.scaler.step(self.optimiser)
        self.scaler.update()
        taken = (
            self.scaler.get_scale() >= before
        )  # else float16 ran over, and the step was left out
        self.state = replace(self.state, steps=self.state.steps + taken)
        return rate

    def _rate(self) -> float:
        config = self.config
        if config.schedule == "plateau":
            return config.learning_rate * self.state.plateau.share
        if config.schedule == "constant":
            return config.learning_rate
        return cosine_rate(
            self.state.steps,
            config.windows(self.task.n_epoch) * config.max_epochs,
            rate=config.learning_rate,
            lowest=config.lowest_rate,
            restarts=config.restarts,
        )

    def _watch(self) -> float:
        """Return the metric of the watched samples: fixed order, eval mode, float32."""
        me, n = self.processes, self.task.n_watch
        self.network.eval()
        rows = me.share(n)
        parts = np.array_split(rows, -(-len(rows) // self.config.batch_size))
        with torch.no_grad():
            judged = torch.cat([self.task.judge(self.network, part) for part in parts])
        metric = self.task.metric(me.gather(judged, n).cpu().numpy())
        if not math.isfinite(metric):
            raise TrialFailed(
                f"the watched metric is not finite in epoch {self.state.epoch + 1}; "
                "try a lower --lr"
            )
        return metric

    def _mean_statistics(self) -> None:
        """Average running statistics over the processes, each weighted by the batches it has seen.

        One that stood idle has nothing to say. Counters of batches become those of all.
        """
        me = self.processes
        if me.count == 1:
            return
        seen = torch.tensor([self.dealt], dtype=torch.float64, device=me.device)
        everyones = int(me.total(seen))
        for buffer in self.network.buffers():
            if buffer.is_floating_point():
                buffer.copy_(me.total(buffer * (self.dealt / everyones)))
            else:
                buffer.add_(everyones - self.dealt)

    def _after_epoch(self, rate: float, loss: float, metric: float, begun: float) -> None:
        state, epoch = self.state, self.state.epoch + 1
        if state.best is None or metric < state.best - self.config.min_delta:
            state = replace(state, best=metric, best_epoch=epoch)
            self._keep_weights()
        seconds = time.monotonic() - begun
        record = EpochRecord(
            epoch=epoch, learning_rate=rate, loss=loss, metric=metric, seconds=seconds
        )
        self.state = replace(
            state,
            plateau=state.plateau.after(metric),
            scaler={name: float(value) for name, value in self.scaler.state_dict().items()},
            history=(*state.history, record),
        )
        if self.run.checkpoint is not None and self.processes.main:
            write_checkpoint(self.run.checkpoint, self.state, self._tensors(), self._told())

    def _keep_weights(self) -> None:
        self.best = {n: t.detach().clone() for n, t in self.network.state_dict().items()}

    def _told(self) -> dict[str, Any]:
        return {**self.run.told, "config": asdict(self.config)}

    def _tensors(self) -> Tensors:
        tensors = {f"now.{n}": tensor for n, tensor in self.network.state_dict().items()}
        tensors |= {f"best.{n}": tensor for n, tensor in self.best.items()}
        for name, parameter in self.learned.items():
            moments = self.optimiser.state[parameter]
            tensors |= {f"{kind}.{name}": moments[kind] for kind in moments}
        return tensors

    def _take_up(self) -> None:
        """Go on from the checkpoint, if there is one."""
        if self.run.checkpoint is None:
            return
        found = read_checkpoint(self.run.checkpoint, self._told())
        if found is None:
            return
        self.state, tensors = found
        device = self.processes.device
        self.network.load_state_dict(_called("now.", tensors))
        self.best = {n: tensor.to(device) for n, tensor in _called("best.", tensors).items()}
        for name, parameter in self.learned.items():
            if f"step.{name}" not in tensors:  # float16 ran over in every step so far
                continue
            moments = {k: tensors[f"{k}.{name}"] for k in ("exp_avg", "exp_avg_sq")}
            # torch keeps the count of steps on the CPU, the moments beside the weights
            self.optimiser.state[parameter] = {k: t.to(device) for k, t in moments.items()}
            self.optimiser.state[parameter]["step"] = tensors[f"step.{name}"]
        if self.state.scaler:
            self.scaler.load_state_dict(_scaler_numbers(self.state.scaler))


def _called(prefix: str, tensors: Tensors) -> Tensors:
    return {n.removeprefix(prefix): tensor for n, tensor in tensors.items() if n.startswith(prefix)}


def _scaler_numbers(numbers: Mapping[str, float]) -> dict[str, float]:
    whole = ("growth_interval", "_growth_tracker")
    return {name: int(n) if name in whole else n for name, n in numbers.items()}
