"""auto's intervals and domain on the test rows of a draw, and what all draws say of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import StudyFailed, TrialFailed
from autospec.evaluate.calibrated import fit_twins
from autospec.evaluate.conformal import usual_level
from autospec.evaluate.domain import fit_domain
from autospec.evaluate.repeated import mean_of_rows
from autospec.evaluate.trust import Trust, holding_bounds, summarise_trust
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.comparison import sample_numbers
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared
from autospec.localisation.protocol import open_draw
from autospec.localisation.result import AUTO, DrawTrust
from autospec.localisation.twins import lay_twins


def measure_intervals(
    prepared: Prepared,
    models: LibraryModels,
    plan: SplitPlan,
    baselines: Piece,
    *,
    level: float,
    seed: int,
) -> Piece:
    """Fit auto's twins on a draw's training rows, then bound its predictions of the test rows.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    plan : SplitPlan
        The draw.
    baselines : Piece
        Of the same draw: auto's predictions of its test rows.
    level : float
        What the intervals are made to hold; the draw's training rows support it.
    seed : int
        The run's.

    Returns
    -------
    Piece
        Without `trust` where there can be no intervals; its failures say why.
    """
    number = baselines.draw.number
    predicted = next((m.outcome.predicted for m in baselines.models if m.name == AUTO), None)
    piece = Piece(fingerprint=baselines.fingerprint, draw=baselines.draw, models=(), failures={})
    twins = lay_twins(prepared, models, plan.train, seed)
    if predicted is None:
        return replace(piece, failures={AUTO: "auto has no result"})
    try:
        fitted, calibration = fit_twins(twins.train, twins.folds, twins.fit, log=twins.log)
    except (StudyFailed, TrialFailed) as error:
        return replace(piece, failures={AUTO: str(error)})
    domain = fit_domain(twins.train, twins.folds)

    def bound(rows: IntArray) -> FloatArray:
        values = prepared.raw.values[rows]
        by_twin = np.stack([twin.predict(values) for twin in fitted])
        lower, upper = holding_bounds(calibration, by_twin, np.array(predicted), level)
        return np.stack([lower, upper, np.array(domain.measure(values).inside, dtype=np.float64)])

    lower, upper, inside = open_draw(plan, number, [(AUTO, bound)])[1][AUTO]
    trust = DrawTrust(
        draw=number,
        level=level,
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        inside=tuple(bool(i) for i in inside),
    )
    return replace(piece, trust=trust)


def interval_level(plans: Sequence[SplitPlan]) -> float | None:
    """Return the level that the training rows of every draw support; None for none."""
    return usual_level(min(len(plan.train) for plan in plans))


def pool_trust(
    farm: Spectra, baselines: Sequence[Piece], intervals: Sequence[DrawTrust], seed: int
) -> Trust | None:
    """Return how intervals and domain did over the draws; None without any.

    The draws test many rows again and again, so the interval of the coverage resamples draws and
    samples, as all intervals of a localisation do.

    Parameters
    ----------
    farm : Spectra
        The farm's rows with a lab value.
    baselines : sequence of Piece
        Of the draws; auto's predictions.
    intervals : sequence of DrawTrust
        Of some of them, all of one level.
    seed : int
        Fixes the bootstrap draws.
    """
    if not intervals:
        return None
    pieces = {piece.draw.number: piece for piece in baselines}
    hits = np.full((len(intervals), farm.n), np.nan)
    observed, predicted = [], []
    for line, trust in zip(hits, intervals, strict=True):
        piece = pieces[trust.draw]
        test = list(piece.draw.test)
        truth = farm.target[test]
        line[test] = (trust.lower <= truth) & (truth <= trust.upper)
        observed.append(truth)
        predicted.append(next(m.outcome.predicted for m in piece.models if m.name == AUTO))
    pooled = summarise_trust(
        np.concatenate(observed),
        np.concatenate(predicted),
        (
            np.concatenate([trust.lower for trust in intervals]),
            np.concatenate([trust.upper for trust in intervals]),
        ),
        np.concatenate([trust.inside for trust in intervals]),
        intervals[0].level,
    )
    share = mean_of_rows(hits, sample_numbers(farm), seed=seed)
    assert share.value is not None and share.low is not None and share.high is not None
    return replace(pooled, covered=share.value, covered_low=share.low, covered_high=share.high)
