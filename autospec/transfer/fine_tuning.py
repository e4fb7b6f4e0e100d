"""Fine-tuning: trained networks go on learning from a farm's rows; how much of them is chosen.

What may learn, and for how many epochs, is chosen by inner folds scored on local rows only. The
preprocessing fitted with the networks and their target scaling stay as they are. The published
study fine-tunes too (Shen et al. 2022, https://doi.org/10.1016/j.isprsjprs.2022.04.009); which
blocks it froze is not known to us, so the three ways here are ours.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from autospec.data.spectra import FloatArray, Spectra
from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture
from autospec.search.design import Design
from autospec.search.execution import SEEDS_APART
from autospec.training.config import TrainingConfig
from autospec.training.ensemble import Ensemble, with_epochs
from autospec.training.members import Member, Start
from autospec.training.trainer import Training, resolve_device, train_members
from autospec.transfer.network_settings import NetworkSettings, Resources
from autospec.transfer.networks import TrainingRows, until

Learns = Literal["last", "fc", "all"]
LEARNS_IN_WORDS: dict[Learns, str] = {
    "last": "only the last FC block and the output block learnt",
    "fc": "conv blocks frozen",
    "all": "every block learnt, at a tenth of the learning rate",
}
SLOWER = 10.0  # the divisor of the learning rate where nothing is frozen
STEPS, MIN_BATCH = 4, 4  # an epoch has at least so many steps, of at least so many rows


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pretrained:
    """Trained networks, and the design they have in common."""

    design: Design
    ensemble: Ensemble


@dataclass(frozen=True, slots=True, kw_only=True)
class TuningChoice:
    """What the inner folds chose.

    Parameters
    ----------
    learns : {"last", "fc", "all"}
        The last FC block and the output block; all FC blocks and the output block; everything,
        at a tenth of the learning rate. The rest is frozen.
    epochs : int
        How long.
    cv_rmse : float
        Smoothed mean fold RMSE there: tuned, so optimistic.
    scores : dict of str to float
        The same for each way that could be trained.
    """

    learns: Learns
    epochs: int
    cv_rmse: float
    scores: dict[Learns, float]


def fine_tune(
    source: Pretrained,
    rows: TrainingRows,
    settings: NetworkSettings,
    resources: Resources,
) -> tuple[Ensemble, TuningChoice]:
    """Let every network of `source` go on learning from all of `rows`.

    Parameters
    ----------
    source : Pretrained
        Left as it is.
    rows : TrainingRows
        What is learnt from; the folds choose.
    settings : NetworkSettings
        Seed and seconds.
    resources : Resources
        Where.

    Returns
    -------
    ensemble : Ensemble
        With the preprocessing of `source`.
    choice : TuningChoice

    Raises
    ------
    TrialFailed
        If the networks cannot be trained on these rows.
    StopSearch
        If the user interrupts.
    """
    x = _preprocess(source, rows.spectra)
    choice = choose_tuning(source, rows, settings, resources)
    seeds = np.random.SeedSequence([settings.seed, 2]).generate_state(len(source.ensemble.members))
    frozen = frozen_blocks(source.design.architecture, choice.learns)
    members = [
        Member(
            x_fit=x,
            y_fit=rows.spectra.target,
            seed=int(seed),
            start=Start(member=member, frozen_blocks=frozen),
        )
        for member, seed in zip(source.ensemble.members, seeds, strict=True)
    ]
    config = tuning_config(source.design.training, choice.learns, rows.spectra.n)
    training = train_members(
        source.design.architecture,
        members,
        with_epochs(config, choice.epochs),
        device=resolve_device(resources.device),
    )
    return Ensemble(pipeline=source.ensemble.pipeline, members=training.members), choice


def choose_tuning(
    source: Pretrained,
    rows: TrainingRows,
    settings: NetworkSettings,
    resources: Resources,
) -> TuningChoice:
    """Choose by inner folds what learns and how long; only the first network is tried, for cost.

    Among equals the way in which less learns is chosen. The seconds are shared by the ways.

    Raises
    ------
    TrialFailed
        If no way could be trained.
    StopSearch
        If the user interrupts.
    """
    ways = ways_to_learn(source.design.architecture)
    trained: dict[Learns, Training] = {}
    reason = TrialFailed("fine-tuning: nothing was tried")
    for learns in ways:
        stop = until(settings.seconds / len(ways), resources)
        try:
            trained[learns] = train_members(
                source.design.architecture,
                _fold_members(source, rows, learns, settings.seed),
                tuning_config(source.design.training, learns, rows.spectra.n),
                device=resolve_device(resources.device),
                on_epoch=stop,
            )
        except TrialFailed as error:
            reason = error
    if not trained:
        raise reason
    best = min(trained, key=lambda learns: trained[learns].score)
    return TuningChoice(
        learns=best,
        epochs=trained[best].best_epoch,
        cv_rmse=trained[best].score,
        scores={learns: training.score for learns, training in trained.items()},
    )


def ways_to_learn(architecture: Architecture) -> tuple[Learns, ...]:
    """Return the ways that differ for this network, those in which less learns first."""
    ways: tuple[Learns, ...] = ("last", "fc", "all")
    return ways if len(architecture.fc) > 1 else ways[1:]


def frozen_blocks(architecture: Architecture, learns: Learns) -> int:
    """Return how many blocks, counted from the spectrum, do not learn."""
    if learns == "all":
        return 0
    kept = max(len(architecture.fc) - 1, 0) if learns == "last" else 0
    return len(architecture.conv) + kept


def tuning_config(config: TrainingConfig, learns: Learns, n: int) -> TrainingConfig:
    """Return how a network goes on learning from `n` rows: smaller batches where rows are few."""
    return replace(
        config,
        batch_size=max(MIN_BATCH, min(config.batch_size, n // STEPS)),
        learning_rate=config.learning_rate / (SLOWER if learns == "all" else 1.0),
    )


def _fold_members(
    source: Pretrained, rows: TrainingRows, learns: Learns, seed: int
) -> list[Member]:
    x, y = _preprocess(source, rows.spectra), rows.spectra.target
    start = Start(
        member=source.ensemble.members[0],
        frozen_blocks=frozen_blocks(source.design.architecture, learns),
    )
    seeds = np.random.SeedSequence(seed + SEEDS_APART).generate_state(len(rows.folds))
    return [
        Member(
            x_fit=x[fold.fit],
            y_fit=y[fold.fit],
            x_score=x[fold.score],
            y_score=y[fold.score],
            seed=int(fold_seed),
            start=start,
        )
        for fold, fold_seed in zip(rows.folds, seeds, strict=True)
    ]


def _preprocess(source: Pretrained, spectra: Spectra) -> FloatArray:
    """Transform with what was fitted before; no row of `spectra` moves it."""
    return np.asarray(source.ensemble.pipeline.transform(spectra.values))
