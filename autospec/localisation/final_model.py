"""After the draws: auto on every labelled row, its predictions, and a look at the selection."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from sklearn.decomposition import PCA

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.errors import StudyFailed, TrialFailed
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.conformal import usual_level
from autospec.evaluate.trust import bounds
from autospec.localisation.baseline_draw import FINAL_SELECTION, select_rows, selection_record
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared, compact_spectra
from autospec.localisation.protocol import inner_folds
from autospec.localisation.result import FinalModel, SelectionRecord, SpectraMap
from autospec.localisation.twins import calibrate_auto, fit_auto, lay_twins
from autospec.transfer.alignment import measure_alignment
from autospec.transfer.alignment_result import Alignment

if TYPE_CHECKING:
    from autospec.training.trainer import Device

MAP_ROWS = 500
RANDOM_SELECTIONS = 10  # beside RS-Local's: half of the alignment's time goes into them
DIGITS = 5
INTERVALS = "its intervals"  # beside members, where the final model's failures are told


def fit_final(
    prepared: Prepared, models: LibraryModels, seed: int
) -> tuple[FinalModel, CalibratedModel | None, dict[str, str]]:
    """Fit auto on every row with a lab value, and predict the farm's other rows.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    seed : int
        Fixes the inner folds.

    Returns
    -------
    FinalModel, CalibratedModel or None, dict of str to str
        What the result tells of the model; the model itself, None if it could not be calibrated;
        and why that is, or what members could not be fitted.
    """
    rows = np.arange(prepared.raw.n)
    model, failures = fit_auto(prepared, models, rows, inner_folds(prepared.raw, seed).folds)
    waiting, auto = prepared.waiting, model.auto
    predicted = model.predict(waiting.values) if waiting.n else np.empty(0)
    final = FinalModel(
        detail=auto.detail,
        weights={
            member.name: float(weight)
            for member, weight in zip(auto.members, auto.weights, strict=True)
        },
        ids=waiting.ids,
        predicted=tuple(float(p) for p in predicted),
    )
    try:
        calibrated = calibrate_auto(model, lay_twins(prepared, models, rows, seed))
    except (StudyFailed, TrialFailed) as error:
        return final, None, failures | {INTERVALS: str(error)}
    return _with_trust(final, calibrated, waiting), calibrated, failures


def _with_trust(final: FinalModel, calibrated: CalibratedModel, waiting: Spectra) -> FinalModel:
    """Add the intervals and the domain of the rows without a lab value."""
    level = usual_level(calibrated.calibration.n)
    if not waiting.n:
        return replace(final, level=level, calibration_rows=calibrated.calibration.n)
    measured = calibrated.domain.measure(waiting.values)
    final = replace(final, inside=measured.inside, reasons=measured.reasons)
    if level is None:
        return final
    lower, upper = bounds(calibrated, waiting.values, np.array(final.predicted), level)
    return replace(
        final,
        level=level,
        calibration_rows=calibrated.calibration.n,
        lower=tuple(float(v) for v in lower),
        upper=tuple(float(v) for v in upper),
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
