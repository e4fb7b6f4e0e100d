"""`notes_on_maps`: what a reader of scores of maps must know of the stack, split and training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from autospec.evaluate.map_names import PERSISTENCE
from autospec.training.map_result import MapTraining

FEW_STEPS = 8  # optimiser steps an epoch below which an epoch says little


def notes_on_maps(
    result: MapTraining, gaps: Sequence[str], *, n_fit: int, n_epoch: int
) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader must know.

    Parameters
    ----------
    result : MapTraining
        Its notes are not looked at.
    gaps : sequence of str
        Of gaps in time (`autospec.data.maps.asking.gap_notes`), and of infinite cells.
    n_fit, n_epoch : int
        Tiles to learn from, and those of one epoch.
    """
    return (*_on_data(result, gaps), *_on_split(result), *_on_training(result, n_fit, n_epoch))


def _on_data(result: MapTraining, gaps: Sequence[str]) -> list[str]:
    data, notes = result.data, []
    if data.synthetic:
        notes.append("The stack is synthetic: made up, not measured.")
    notes += [f"{line}." for line in gaps]
    if data.missing_percent:
        sentinel = result.settings.terms.gaps == "sentinel"
        taught = ", and are taught as such" if sentinel else ""
        notes.append(
            f"{data.missing_percent:.2g} % of the targets' cells and dates have no value; they are "
            f"never scored{taught}."
        )
    return notes


def _on_split(result: MapTraining) -> list[str]:
    split, horizon = result.split, result.settings.aims.horizon
    if split.kind == "blocks":
        return [
            "Squares of the map are held out at all dates: the scores are of places that were not "
            "learned from, at dates that were."
            + (" They say nothing of dates to come." if horizon else "")
        ]
    notes = ["The latest dates are held out: the scores are of places that were learned from."]
    new = _months(split.test_dates) - _months(split.fit_dates)
    if new:
        notes.append(
            f"{len(new)} of the {len(_months(split.test_dates))} calendar months that are scored "
            "are not among those that were learned from."
        )
    return notes


def _months(dates: tuple[str, ...]) -> set[int]:
    months = np.array(dates, dtype="datetime64[M]").astype(np.int64) % 12
    return set(months.tolist())


def _on_training(result: MapTraining, n_fit: int, n_epoch: int) -> list[str]:
    config, notes = result.settings.config, []
    windows = config.windows(n_epoch)
    if n_epoch < n_fit:
        notes.append(f"An epoch is {n_epoch} tiles, drawn anew each time out of {n_fit}.")
    if n_epoch > n_fit:
        notes.append(
            f"The stack is small: of {n_fit} places where a tile can be cut, an epoch draws "
            f"{n_epoch}, each about {n_epoch / n_fit:.2g} times."
        )
    if windows < FEW_STEPS:
        notes.append(
            f"An epoch is only {windows} optimiser step{'s' if windows > 1 else ''}: the stack is "
            "small for its tiles. A smaller --tile, --length or --accumulate-to makes more."
        )
    if -(-min(n_epoch, config.samples_a_step(n_epoch)) // config.batch_size) < result.processes:
        notes.append(
            f"{result.processes} processes share fewer batches than that an optimiser step: some "
            "stand idle. Lower --batch, or raise --accumulate-to."
        )
    if result.precision == "float16":
        notes.append("Products in training were float16; steps in which it ran over were left out.")
    if not result.best_epoch:
        notes.append(
            "Training did not help: the best epoch is the untrained network, which repeats the "
            "last value."
        )
    elif result.rival == PERSISTENCE and result.versus_rival.better != "first":
        worse = result.versus_rival.better == "second" and result.settings.sizes.change
        notes.append(
            "Persistence, which repeats the last value, is better than the network, which said the "
            "same before it was trained: what it has learned misleads it on what is sealed."
            if worse
            else "Persistence, which repeats the last value, is not beaten: at this horizon the "
            "network has not learned more than that tomorrow is like today."
        )
    if result.ended in ("budget", "interrupt"):
        notes.append("The training can go on: the same command takes it up at its last epoch.")
    return notes
