"""`notes_on_data`: what a reader of scores on cubes must know of the samples and their split."""

from __future__ import annotations

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import LEAKAGE_WARNING, CubeSplitPlan


def notes_on_data(cubes: Cubes, split: CubeSplitPlan, buffer_km: float) -> tuple[str, ...]:
    """Return one sentence for each thing that a reader must know.

    Parameters
    ----------
    cubes : Cubes
        As they were read, those without a lab value too.
    split : CubeSplitPlan
        Of the labelled ones.
    buffer_km : float
        That it kept.
    """
    notes: list[str] = []
    if cubes.synthetic:
        notes.append("The samples are synthetic: made up, not measured.")
    if split.kind == "random":
        notes.append(f"{LEAKAGE_WARNING[0].upper()}{LEAKAGE_WARNING[1:]}.")
    unlabelled = cubes.n - len(split.block_of)
    if unlabelled:
        notes.append(f"{unlabelled} samples have no lab value and were left out.")
    if len(split.dropped):
        notes.append(
            f"{len(split.dropped)} samples nearer than {buffer_km:g} km to a sealed one were left "
            "out of training."
        )
    return tuple(notes)
