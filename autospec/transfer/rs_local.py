"""RS-Local: the library rows whose random subsets predict a local set best, after repeated cuts.

Version 1 is the published algorithm (Lobsey et al. 2017, https://doi.org/10.1111/ejss.12490);
version 2 is our reading of RS-Local 2.0 (R: reconstructed, no code of it was read). The local rows
judge and are never in a fit. PLS itself lives in `autospec.transfer.pls`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from scipy.stats import rankdata

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.errors import DataError, UsageError
from autospec.transfer.draws import Draws, balanced_draws, independent_draws
from autospec.transfer.pls import Engine, Judges, judge_draws, load_engine
from autospec.transfer.purge import purge_library
from autospec.transfer.rotation import RotatedLibrary, rotate_library
from autospec.transfer.selection import (
    NEED_TARGETS,
    Generation,
    GenerationCallback,
    RSLocalSettings,
    Selection,
    silent,
)

if TYPE_CHECKING:
    from autospec.training.trainer import Device

MIN_JUDGES = 3
AT_ONCE = 2048  # independent draws in memory: 5 MiB of row numbers at k = 300


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Admitted:
    """Who takes part: library rows as positions in the library, and the judges."""

    rows: IntArray
    judges: Judges
    purged: int
    unlabelled: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scores:
    """Row scores of one generation (n,), lower is better, and the errors of its draws (d,)."""

    rows: FloatArray
    errors: FloatArray
    draws: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Survivors:
    """Positions within the admitted rows, ascending, and how they came about."""

    positions: IntArray
    trace: tuple[Generation, ...]
    stopped: Literal["target", "patience"]


def rs_local(
    library: Spectra,
    local: Spectra,
    settings: RSLocalSettings | None = None,
    *,
    seed: int = 0,
    device: Device = "auto",
    progress: GenerationCallback = silent,
) -> Selection:
    """Select the library rows that help to predict a local set.

    Parameters
    ----------
    library : Spectra
        n rows. Those without a lab value, and those that are the farm's own (by name or
        spectrum), are left out first and counted.
    local : Spectra
        m ≥ 3 rows on the same axis, quantity and unit: training rows only, never those that a
        model is tested on.
    settings : RSLocalSettings, optional
        By default version 1 with k = 300, b = 50, r = 0.05 and ten components.
    seed : int
        Fixes every draw.
    device : {"auto", "cpu", "cuda"}
        Where draws are fitted.
    progress : callable
        Called with each `Generation` as it ends.

    Returns
    -------
    Selection
        Exactly ``settings.wanted`` rows, unless `patience` ended it earlier.

    Raises
    ------
    DataError
        If the tables cannot be used together, or no draw can be fitted.
    UsageError
        If the library is too small for `k` or `target`.

    References
    ----------
    Lobsey et al. 2017, European Journal of Soil Science, https://doi.org/10.1111/ejss.12490
    """
    settings = settings or RSLocalSettings()
    admitted = _admit(library, local, settings)
    rotated = rotate_library(library.values, admitted.rows, library.target, settings.tolerance)
    engine = load_engine(
        rotated,
        admitted.judges,
        components=settings.components,
        criteria=settings.criteria,
        device=device,
    )
    groups = None
    if settings.grouped:
        names = np.asarray(library.groups)[admitted.rows]
        groups = np.unique(names, return_inverse=True)[1].astype(np.int64)
    survivors = _cull(engine, groups, settings, seed, progress)
    return _selection(library, admitted, rotated, survivors, settings, seed)


def _admit(library: Spectra, local: Spectra, settings: RSLocalSettings) -> _Admitted:
    """Purge and check; returns who takes part."""
    purged = purge_library(library, local)
    labelled = np.isfinite(library.target[purged.kept])
    rows = purged.kept[labelled]
    unlabelled = int((~labelled).sum())
    notes = [purged.note, f"{unlabelled} library rows have no lab value and were left out"]
    known = np.isfinite(local.target)
    if not NEED_TARGETS.isdisjoint(settings.criteria):
        notes.append(f"{int((~known).sum())} local rows have no lab value and do not judge")
        local = local.labelled()
    if local.n < MIN_JUDGES:
        raise DataError(
            f"{local.n} local rows can judge; want at least {MIN_JUDGES}, better 30. "
            "Add lab values."
        )
    if settings.wanted >= len(rows):
        raise UsageError(
            f"k = {settings.k} and target = {settings.wanted} on {len(rows)} usable library rows; "
            f"want both below {len(rows)}. Lower k and target, or bring a larger library."
        )
    return _Admitted(
        rows=rows,
        judges=Judges(values=local.values, target=local.target),
        purged=purged.count,
        unlabelled=unlabelled,
        notes=tuple(notes),
    )


def _cull(
    engine: Engine,
    groups: IntArray | None,
    settings: RSLocalSettings,
    seed: int,
    progress: GenerationCallback,
) -> _Survivors:
    """Draw, judge and drop until `settings.wanted` rows are left."""
    seeds = np.random.SeedSequence(seed)
    kept = np.arange(len(engine.rows))
    best, best_mean, since = kept, np.inf, 0
    trace: list[Generation] = []
    while len(kept) > settings.wanted:
        rng = np.random.default_rng(seeds.spawn(1)[0])
        scores = _score_rows(engine, kept, groups, settings, rng)
        dropped = _choose_dropped(scores.rows, settings)
        trace.append(_describe(len(trace) + 1, scores, dropped, settings))
        progress(trace[-1])
        since += 1
        if trace[-1].error_mean < best_mean:
            best, best_mean, since = kept, trace[-1].error_mean, 0
        if settings.patience is not None and since >= settings.patience:
            return _Survivors(positions=best, trace=tuple(trace), stopped="patience")
        kept = np.delete(kept, dropped)
    return _Survivors(positions=kept, trace=tuple(trace), stopped="target")


def _score_rows(
    engine: Engine,
    kept: IntArray,
    groups: IntArray | None,
    settings: RSLocalSettings,
    rng: np.random.Generator,
) -> _Scores:
    """Test the rows that are left; a row's score is the mean error of the draws it was in."""
    n, c = len(kept), len(settings.criteria)
    total, tests = np.zeros((c, n)), np.zeros(n)
    seen: list[FloatArray] = []
    left = None if groups is None else np.unique(groups[kept], return_inverse=True)[1]
    for draws in _draws(n, left, settings, rng):
        errors = judge_draws(engine, kept[draws.rows])
        seen.append(errors)
        fine = np.isfinite(errors).all(axis=1)
        counts = draws.tested[fine]
        rows, repeats = draws.rows[fine][counts], counts.sum(axis=1)
        np.add.at(tests, rows, 1.0)
        for j in range(c):  # one by one and in the order drawn: the sum does not know the pieces
            np.add.at(total[j], rows, np.repeat(errors[fine, j], repeats))
    errors = np.concatenate(seen)
    errors = errors[np.isfinite(errors).all(axis=1)]
    if len(errors) == 0:
        raise DataError(
            f"none of {sum(map(len, seen))} draws of {settings.k} library rows could be fitted; "
            "want spectra and lab values that differ between rows. Check the library."
        )
    with np.errstate(invalid="ignore"):
        means = np.where(tests > 0, total / tests, -np.inf)  # never tested: ranks best, is kept
    if left is not None:
        means = _share(means, tests, left)
    rows = means[0] if c == 1 else np.mean([rankdata(mean) for mean in means], axis=0)
    return _Scores(rows=rows, errors=errors[:, 0], draws=sum(map(len, seen)))


def _draws(
    n: int,
    groups: IntArray | None,
    settings: RSLocalSettings,
    rng: np.random.Generator,
) -> Iterator[Draws]:
    if settings.version == "v1":
        return independent_draws(rng, n, settings.k, settings.b, AT_ONCE)
    return balanced_draws(rng, n, settings.k, settings.b, groups)


def _share(means: FloatArray, tests: FloatArray, groups: IntArray) -> FloatArray:
    """Give every row (c, n) the mean of its group's tested rows; untested groups stay at −inf."""
    tested = tests > 0
    count = np.bincount(groups, weights=tested)
    shared = np.empty_like(means)
    for j, mean in enumerate(means):
        total = np.bincount(groups, weights=np.where(tested, mean, 0.0))
        with np.errstate(invalid="ignore"):
            shared[j] = np.where(count > 0, total / count, -np.inf)[groups]
    return shared


def _choose_dropped(scores: FloatArray, settings: RSLocalSettings) -> IntArray:
    """Return the positions to drop: the largest scores, among equals the lower position first."""
    n = len(scores)
    spare = n - settings.wanted
    count = round(settings.r * n)
    if settings.drop == "quantile":
        count = int((scores > np.quantile(scores, 1.0 - settings.r, method="higher")).sum())
    return np.argsort(-scores, kind="stable")[: max(1, min(count, spare))]


def _describe(
    number: int, scores: _Scores, dropped: IntArray, settings: RSLocalSettings
) -> Generation:
    return Generation(
        number=number,
        size=len(scores.rows),
        draws=scores.draws,
        discarded=scores.draws - len(scores.errors),
        judged_by=settings.criteria[0],
        error_mean=float(scores.errors.mean()),
        error_sd=float(scores.errors.std()),
        error_min=float(scores.errors.min()),
        cut=_lowest(scores.rows[dropped]),
        dropped=len(dropped),
        wanted=settings.wanted,
    )


def _lowest(scores: FloatArray) -> float:
    """Return the lowest score of dropped rows; rows that were never tested have none."""
    finite = scores[np.isfinite(scores)]
    return float(finite.min()) if len(finite) else 0.0


def _selection(
    library: Spectra,
    admitted: _Admitted,
    rotated: RotatedLibrary,
    survivors: _Survivors,
    settings: RSLocalSettings,
    seed: int,
) -> Selection:
    indices = admitted.rows[survivors.positions]
    weights = None
    judges = len(admitted.judges.values)
    if settings.local_share is not None:
        ratio = (1.0 - settings.local_share) / settings.local_share
        weights = np.full(len(indices), judges * ratio / len(indices))
    return Selection(
        indices=indices,
        ids=tuple(library.ids[i] for i in indices),
        weights=weights,
        trace=survivors.trace,
        stopped=survivors.stopped,
        settings=settings,
        seed=seed,
        rank=rotated.rotation.rank,
        left_out=rotated.rotation.left_out,
        judges=judges,
        purged=admitted.purged,
        unlabelled=admitted.unlabelled,
        notes=admitted.notes,
    )
