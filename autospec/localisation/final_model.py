"""After the draws: auto on every labelled row, its predictions, and a look at the selection."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from autospec.data.spectra import FloatArray, IntArray
from autospec.localisation.auto import fit_autos
from autospec.localisation.baseline_draw import FINAL_SELECTION, select_rows, selection_record
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.members import fit_members
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared, compact_spectra
from autospec.localisation.protocol import inner_folds
from autospec.localisation.result import FinalModel, SelectionRecord, SpectraMap
from autospec.transfer.alignment import measure_alignment
from autospec.transfer.alignment_result import Alignment

if TYPE_CHECKING:
    from autospec.training.trainer import Device

MAP_ROWS = 500
RANDOM_SELECTIONS = 10  # beside RS-Local's: half of the alignment's time goes into them
DIGITS = 5


def fit_final(
    prepared: Prepared, models: LibraryModels, seed: int
) -> tuple[FinalModel, dict[str, str]]:
    """Fit auto on every row with a lab value, and predict the farm's other rows.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    seed : int
        Fixes the inner folds.

    Returns
    -------
    FinalModel, and members that could not be fitted with their reasons
    """
    train = prepared.farm
    folds = inner_folds(train.own, seed).folds
    members, failures = fit_members(models, train, folds, selected=None, only_auto=True)
    auto = fit_autos(members, train.own.target)[0]
    waiting = prepared.unlabelled
    predicted = auto.predict(waiting) if waiting.own.n else np.empty(0)
    return (
        FinalModel(
            detail=auto.detail,
            weights={
                member.name: float(weight)
                for member, weight in zip(auto.members, auto.weights, strict=True)
            },
            ids=waiting.own.ids,
            predicted=tuple(float(p) for p in predicted),
        ),
        failures,
    )


def final_selection(
    prepared: Prepared, seed: int, device: Device
) -> tuple[SelectionRecord, IntArray]:
    """Select library rows with every labelled row of the farm as judge."""
    selection, seconds = select_rows(
        prepared, prepared.farm.aligned, (seed, FINAL_SELECTION), device
    )
    return selection_record(prepared.library, selection, None, seconds), selection.indices


def align_selection(prepared: Prepared, piece: Piece, seed: int) -> Alignment:
    """Measure how close the selection of a draw is to the farm.

    The draw's models have been scored, so its test rows are known: they show what the selection
    is worth on rows that did not judge it.
    """
    farm = compact_spectra(prepared.farm.aligned)
    return measure_alignment(
        prepared.compact,
        np.array(piece.selected, dtype=np.int64),
        farm.rows(piece.draw.train),
        holdout=farm.rows(piece.draw.test),
        seed=seed,
        repeats=RANDOM_SELECTIONS,
    )


def map_spectra(prepared: Prepared, selected: IntArray, seed: int) -> SpectraMap:
    """Project library, selection and farm on two principal components of library and farm."""
    farm = np.vstack(
        [compact_spectra(part.aligned).values for part in (prepared.farm, prepared.unlabelled)]
    )
    shown = np.arange(prepared.compact.n)
    if len(shown) > MAP_ROWS:
        shown = np.sort(np.random.default_rng(seed).choice(shown, MAP_ROWS, replace=False))
    library = prepared.compact.values[shown]
    pca = PCA(2, svd_solver="full").fit(np.vstack([library, farm]))
    first, second = (float(share) for share in pca.explained_variance_ratio_)
    return SpectraMap(
        explained=(first, second),
        library=_pairs(pca.transform(library)),
        library_fields=tuple(prepared.compact.fields[i] for i in shown),
        selected=_pairs(pca.transform(prepared.compact.values[selected])),
        farm=_pairs(pca.transform(farm)),
    )


def _pairs(scores: FloatArray) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(a), DIGITS), round(float(b), DIGITS)) for a, b in scores)
