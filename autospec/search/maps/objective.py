"""The score of a network of maps: its watched metric after each epoch; no study here.

One part of the stack is watched, the same for every design: the curve of a trial is that of one
network, and its score the lowest value of the smoothed curve. The network kept is that of the
lowest single epoch, within the same few.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from autospec.data.maps.splits import FIT, WATCH
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import TrialFailed
from autospec.search.maps.design import MapDesign, MapSeen
from autospec.search.maps.settings import MapSearchSettings
from autospec.search.plan import StopSearch
from autospec.training.lead import Lead
from autospec.training.map_settings import MapSettings
from autospec.training.map_trial import MapGround, WatchedTraining, train_watched
from autospec.training.trainer import Device, EpochCallback, Training


def never() -> bool:
    """Say that nobody asks to stop."""
    return False


@dataclass(slots=True, kw_only=True)
class Kept:
    """Trained networks that will be wanted again: the best so far, and those that are named.

    Parameters
    ----------
    named : frozenset of str
        Digests of designs that are kept whatever their score.
    """

    named: frozenset[str] = frozenset()
    trainings: dict[str, tuple[float, WatchedTraining]] = field(default_factory=dict)

    def offer(self, digest: str, score: float, training: WatchedTraining) -> None:
        """Take in a training, and drop what is neither named nor the best."""
        self.trainings[digest] = (score, training)
        best = min(self.trainings, key=lambda known: self.trainings[known][0])
        for other in set(self.trainings) - self.named - {best}:
            del self.trainings[other]

    def training(self, digest: str) -> WatchedTraining | None:
        """Return the training of a design, if it is still there."""
        found = self.trainings.get(digest)
        return found and found[1]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapValidation:
    """The fixed part of a stack on which every design is scored.

    Parameters
    ----------
    ground : MapGround
        Stack, split and range; what is sealed stays so.
    settings : MapSearchSettings
        How designs are trained.
    seen : MapSeen
        What designs are asked with.
    seed : int
        Fixes the network and its tiles, the same for every design, so that designs are compared on
        common random numbers and equal designs score equally.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    threads : int, optional
        Not looked at: a network of maps is trained by one thread, so that rounding is the same
        everywhere.
    interrupted : callable () -> bool
        Asked before every optimiser step, for an epoch may be long.
    kept : Kept
        Networks of this process.
    """

    ground: MapGround
    settings: MapSearchSettings
    seen: MapSeen
    seed: int
    device: Device = "auto"
    threads: int | None = None
    interrupted: Callable[[], bool] = never
    kept: Kept = field(default_factory=Kept)

    @property
    def folds(self) -> tuple[Fold, ...]:
        """One: dates, or cells where squares are held out, learned from and watched."""
        plan = self.ground.plan
        roles = plan.cells.ravel() if plan.kind == "blocks" else plan.dates
        return (Fold(fit=np.flatnonzero(roles == FIT), score=np.flatnonzero(roles == WATCH)),)

    @property
    def sample(self) -> str:
        """What one row is, in a word."""
        return "tile"

    def evaluate(
        self,
        design: MapDesign,
        on_epoch: EpochCallback | None = None,
        lead: Lead | None = None,
    ) -> Training:
        """Train `design`; the first epochs are the lead's, as long as it has any.

        Raises
        ------
        TrialFailed
            If training fails.
        """
        told = _Told(on_epoch, lead)
        training = self.train(design, told.after)
        told.catch_up()
        scored = Training(members=(), fold_rmse=watched_curve(training)[None, :])
        self.kept.offer(design.digest, scored.score, training)
        return scored

    def training(self, design: MapDesign) -> MapSettings:
        """Return how a design is trained here."""
        settings = self.settings.training(design)
        return replace(settings, config=replace(settings.config, seed=self.seed))

    def train(self, design: MapDesign, on_epoch: EpochCallback) -> WatchedTraining:
        """Train `design` with the seed that all have.

        Raises
        ------
        TrialFailed
            If training fails.
        StopSearch
            If it was halted.
        """
        stop = _Stop(self.interrupted)
        try:
            training = train_watched(
                self.ground,
                self.training(design),
                device=self.device,
                on_epoch=on_epoch,
                interrupted=stop,
            )
        except TrialFailed:
            if not stop.said:
                raise
        if stop.said:  # an epoch that had begun is lost, and the trial with it
            raise StopSearch("interrupt")
        return training


class _Stop:
    """Asks whether to stop, and keeps the answer."""

    def __init__(self, interrupted: Callable[[], bool]) -> None:
        self.interrupted, self.said = interrupted, False

    def __call__(self) -> bool:
        """Ask."""
        self.said = self.said or self.interrupted()
        return self.said


class _Told:
    """Hands epochs to the callback of the lead first, and to that of all folds from then on."""

    def __init__(self, on_epoch: EpochCallback | None, lead: Lead | None) -> None:
        self.on_epoch, self.lead = on_epoch, lead
        self.led: list[float] = []

    def after(self, epoch: int, metric: float) -> bool:
        """Tell of an epoch; return whether the training is to end."""
        if self.lead is not None and epoch <= self.lead.epochs:
            self.led.append(metric)
            self.lead.on_epoch(epoch, metric)
            return epoch == self.lead.epochs and self.catch_up()
        return self.on_epoch is not None and self.on_epoch(epoch, metric)

    def catch_up(self) -> bool:
        """Tell of the epochs of the lead; return whether the training is to end."""
        led, self.led = self.led, []
        answers = [self.on_epoch(i, m) for i, m in enumerate(led, start=1) if self.on_epoch]
        return any(answers)


def watched_curve(training: WatchedTraining) -> FloatArray:
    """Return the watched metric after each epoch, shape (epochs,)."""
    return np.array([record.metric for record in training.state.history])
