"""How close a library, a selection of it and two controls are to a farm, in spectra and in law.

Baumann et al. 2021 found selections of RS-Local that looked unlike the farm and yet helped
(https://doi.org/10.5194/soil-7-525-2021), so alignment is measured in two ways here: of the
distributions (spectra, lab values), and of the lab value given the spectrum. What comes out, and
the words for it, are in `autospec.transfer.alignment_result`; the statistics of two samples in
`autospec.transfer.two_sample`.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields

import numpy as np
from scipy.spatial.distance import cdist
from scipy.stats import wasserstein_distance
from sklearn.linear_model import RidgeCV

from autospec.data.preprocess import BandAveraging, published_step, to_absorbance
from autospec.data.spectra import FloatArray, IntArray, Spectra, join_spectra
from autospec.errors import DataError, UsageError
from autospec.evaluate.metrics import metric_table
from autospec.transfer.alignment_result import Alignment, AlignmentRow, Figures, Residuals
from autospec.transfer.purge import check_comparable, purge_library
from autospec.transfer.rotation import blocks, find_rotation
from autospec.transfer.two_sample import (
    Labels,
    classifier_auc,
    energy_distance,
    measure_mmd,
    median_distance,
)

MOST_ROWS = 500  # of one sample in the statistics whose cost is quadratic
PERMUTATIONS = 500
MIN_ROWS = 5
REFERENCE_FOLDS = 10
RESIDUAL_TOLERANCE = 1e-8  # variance that residuals may do without: a lab value can be in little
SPECTRAL_TOLERANCE = 1e-3  # variance that distances may do without
SPECTRAL_COMPONENTS = 20
PENALTIES = np.logspace(-10, 0, 21)  # of ridge, as shares of the spectral variance

_OPTIMISTIC = (
    "The residuals are on the local rows, which judged the selection: its figures are optimistic "
    "beside those of the controls. They explain, and are no result."
)
_HONEST = "The residuals are on rows of the farm that had no part in the selection."


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sample:
    """Rows as they are compared: scores (n, rank), lab values, names and groups (n,)."""

    scores: FloatArray
    target: FloatArray
    names: Labels
    groups: Labels

    def rows(self, index: IntArray) -> _Sample:
        return _Sample(
            scores=self.scores[index],
            target=self.target[index],
            names=self.names[index],
            groups=self.groups[index],
        )

    def labelled(self) -> _Sample:
        return self.rows(np.flatnonzero(np.isfinite(self.target)))

    def thinned(self, rng: np.random.Generator) -> _Sample:
        n = len(self.target)
        return self if n <= MOST_ROWS else self.rows(rng.choice(n, MOST_ROWS, replace=False))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Bench:
    """What every set is measured against; spectra are compared in the first `width` scores."""

    library: _Sample
    local: _Sample
    judges: _Sample
    width: int
    variance: float
    bandwidth: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Admitted:
    """Library rows that take part, the selection as positions among them, and what is left out."""

    rows: IntArray
    selection: IntArray
    notes: tuple[str, ...]


def measure_alignment(
    library: Spectra,
    selection: IntArray,
    local: Spectra,
    *,
    holdout: Spectra | None = None,
    seed: int = 0,
    repeats: int = 20,
) -> Alignment:
    """Measure how close a library, a selection of it and two controls are to a farm.

    Spectra are compared as absorbance, averaged to about 216 bands, in the principal components
    of library and local rows pooled: the fewest that hold 99.9 % of the variance, at most 20.
    Residuals are those of a ridge on finer scores (all but 1e-8 of the variance), its penalty
    chosen by leave-one-out in the set. Samples above 500 rows are thinned at random for MMD,
    energy distance and AUC.

    Parameters
    ----------
    library : Spectra
        n rows. Those without a lab value, and the farm's own, are left out of every set.
    selection : int64, shape (k,)
        Rows of the library as it is passed in.
    local : Spectra
        m ≥ 5 rows on the same axis, quantity and unit: those that judged the selection.
    holdout : Spectra, optional
        Rows of the farm that had no part in the selection, with lab values; residuals are then
        on these.
    seed : int
        Fixes random selections, thinning, folds and permutations.
    repeats : int
        Random selections of the same size, ≥ 1.

    Returns
    -------
    Alignment

    Raises
    ------
    DataError
        If the tables cannot be used together, or have too few rows.
    UsageError
        If `selection` or `repeats` is impossible.
    """
    if repeats < 1:
        raise UsageError(f"repeats = {repeats}; want at least 1, better 20")
    admitted = _admit(library, selection, local, holdout)
    thin, *seeds = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(4))
    bench = _lay_out(library, admitted.rows, local, holdout, thin)
    chosen = admitted.selection
    n, k = len(admitted.rows), len(chosen)
    whole, picked, nearest = (
        _measure(bench, rows, rng)
        for rows, rng in zip((np.arange(n), chosen, _nearest(bench, k)), seeds, strict=True)
    )
    random = _measure_random(bench, k, repeats, seed)
    mean, sd = _spread(random)
    return Alignment(
        rows=(
            AlignmentRow(name="library", n=n, figures=whole),
            AlignmentRow(name="selection", n=k, figures=picked),
            AlignmentRow(name="random k", n=k, figures=mean, sd=sd),
            AlignmentRow(name="nearest k", n=k, figures=nearest),
        ),
        reference=_reference(bench, own=holdout is None),
        judged="local" if holdout is None else "holdout",
        n_judged=len(bench.judges.target),
        m=local.n,
        components=bench.width,
        bandwidth=bench.bandwidth,
        further=sum(each.energy > picked.energy for each in random),
        worse=sum(each.rmse > picked.rmse for each in random),
        repeats=repeats,
        permutations=PERMUTATIONS,
        seed=seed,
        target_name=library.target_name,
        target_unit=library.target_unit,
        note=_OPTIMISTIC if holdout is None else _HONEST,
        notes=admitted.notes,
    )


def _admit(
    library: Spectra, selection: IntArray, local: Spectra, holdout: Spectra | None
) -> _Admitted:
    """Check everything, and leave out library rows that are the farm's own or have no lab value."""
    check_comparable(library, local)
    if holdout is not None:
        check_comparable(library, holdout)
    selection = np.asarray(selection, dtype=np.int64)
    if len(np.unique(selection)) < len(selection) or np.any(
        (selection < 0) | (selection >= library.n)
    ):
        raise UsageError(
            f"selection: want different rows from 0 to {library.n - 1}; pass Selection.indices "
            "with the library that they were selected from."
        )
    farm = local if holdout is None else join_spectra([local, holdout])
    purged = purge_library(library, farm)
    rows = purged.kept[np.isfinite(library.target[purged.kept])]
    chosen = np.flatnonzero(np.isin(rows, selection))
    judges = local if holdout is None else holdout
    problems = [
        f"{n} {what}; want at least {MIN_ROWS}"
        for n, what in (
            (len(set(local.labelled().groups)), "groups of labelled local rows"),
            (judges.labelled().n, "labelled rows to judge"),
            (len(chosen), "usable rows in the selection"),
        )
        if n < MIN_ROWS
    ]
    if problems:
        raise DataError(problems)
    if len(chosen) == len(rows):
        raise UsageError(
            f"the selection takes all {len(rows)} usable library rows; want fewer, or there is "
            "nothing to compare it with"
        )
    notes = [
        purged.note,
        f"{len(purged.kept) - len(rows)} library rows have no lab value and were left out",
    ]
    if len(chosen) < len(selection):
        notes.append(f"{len(selection) - len(chosen)} of the rows left out had been selected")
    return _Admitted(rows=rows, selection=chosen, notes=tuple(notes))


def _lay_out(
    library: Spectra,
    rows: IntArray,
    local: Spectra,
    holdout: Spectra | None,
    rng: np.random.Generator,
) -> _Bench:
    """Rotate all spectra to the principal components of library and local rows."""
    bands = _bands(library)[rows]
    pooled = np.vstack([bands, _bands(local)])
    rotation = find_rotation(pooled, np.arange(len(pooled)), RESIDUAL_TOLERANCE)
    members = _sample(library, rows, rotation.apply(bands))
    farm = _sample(local, np.arange(local.n), rotation.apply(pooled[len(rows) :]))
    judges = farm
    if holdout is not None:
        judges = _sample(holdout, np.arange(holdout.n), rotation.apply(_bands(holdout)))
    variances = rotation.apply(pooled).var(axis=0)
    held = np.cumsum(variances) / variances.sum()
    width = min(int(np.argmax(held >= 1 - SPECTRAL_TOLERANCE)) + 1, SPECTRAL_COMPONENTS)
    thinned = [each.thinned(rng).scores[:, :width] for each in (members, farm)]
    return _Bench(
        library=members,
        local=farm,
        judges=judges.labelled(),
        width=width,
        variance=float(variances.sum()),
        bandwidth=median_distance(np.vstack(thinned)),
    )


def _sample(spectra: Spectra, rows: IntArray, scores: FloatArray) -> _Sample:
    return _Sample(
        scores=scores,
        target=spectra.target[rows],
        names=np.asarray(spectra.ids, dtype=np.str_)[rows],
        groups=np.asarray(spectra.groups, dtype=np.str_)[rows],
    )


def _bands(spectra: Spectra) -> FloatArray:
    """Return absorbance averaged to about 216 bands, (n, b'), block by block."""
    averaging = BandAveraging(spectra.axis, published_step(spectra.axis)).fit(spectra.values[:1])
    absorb = to_absorbance if spectra.quantity == "reflectance" else np.asarray
    return np.vstack(
        [averaging.transform(absorb(spectra.values[b])) for b in blocks(spectra.n, spectra.b)]
    )


def _nearest(bench: _Bench, k: int) -> IntArray:
    """Return the k library rows with the shortest Mahalanobis distance to any local row.

    Library and local rows pooled give the covariance: in principal components it is diagonal.
    """
    library, local = (s.scores[:, : bench.width] for s in (bench.library, bench.local))
    sd = np.vstack([library, local]).std(axis=0)
    distances = np.concatenate(
        [
            cdist(library[block] / sd, local / sd).min(axis=1)
            for block in blocks(len(library), len(local))
        ]
    )
    return np.sort(np.argsort(distances, kind="stable")[:k])


def _measure_random(bench: _Bench, k: int, repeats: int, seed: int) -> list[Figures]:
    """Measure random selections of k rows, each with a generator of its own."""
    random = []
    for child in np.random.SeedSequence([seed, 1]).spawn(repeats):
        rng = np.random.default_rng(child)
        rows = rng.choice(len(bench.library.target), k, replace=False)
        random.append(_measure(bench, rows, rng))
    return random


def _measure(bench: _Bench, rows: IntArray, rng: np.random.Generator) -> Figures:
    """Measure one set of library rows."""
    whole = bench.library.rows(rows)
    part, local = whole.thinned(rng), bench.local.thinned(rng)
    x, y = part.scores[:, : bench.width], local.scores[:, : bench.width]
    mmd = measure_mmd(x, y, bench.bandwidth, permutations=PERMUTATIONS, rng=rng)
    residuals = _judge(_predict(whole, bench.judges, bench.variance), bench.judges.target)
    return Figures(
        mmd2=mmd.squared,
        mmd_p=mmd.p,
        energy=energy_distance(x, y),
        auc=classifier_auc(x, y, part.names, local.groups, rng),
        target_distance=float(wasserstein_distance(whole.target, bench.local.labelled().target)),
        rmse=residuals.rmse,
        me=residuals.me,
        sde=residuals.sde,
    )


def _predict(train: _Sample, others: _Sample, variance: float) -> FloatArray:
    """Predict lab values (n,) of others by a ridge fitted on the scores of `train`."""
    model = RidgeCV(alphas=PENALTIES * variance * len(train.target)).fit(train.scores, train.target)
    return np.asarray(model.predict(others.scores), dtype=np.float64)


def _judge(predicted: FloatArray, observed: FloatArray) -> Residuals:
    table = metric_table(observed, predicted)
    return Residuals(rmse=float(table["rmse"]), me=float(table["me"]), sde=float(table["sde"]))


def _reference(bench: _Bench, *, own: bool) -> Residuals:
    """Judge the model of local rows: cross-validated by group if they judge themselves (`own`)."""
    local, judges = bench.local.labelled(), bench.judges
    if not own:
        return _judge(_predict(local, judges, bench.variance), judges.target)
    groups = np.unique(local.groups, return_inverse=True)[1]
    fold = groups % REFERENCE_FOLDS
    predicted = np.empty(len(local.target))
    for number in np.unique(fold):
        out = np.flatnonzero(fold == number)
        rest = local.rows(np.flatnonzero(fold != number))
        predicted[out] = _predict(rest, local.rows(out), bench.variance)
    return _judge(predicted, local.target)


def _spread(measured: list[Figures]) -> tuple[Figures, Figures]:
    """Return mean and standard deviation (ddof 0) of each figure."""
    table = np.array([astuple(each) for each in measured])
    names = [field.name for field in fields(Figures)]
    mean, sd = (
        Figures(**{name: float(value) for name, value in zip(names, values, strict=True)})
        for values in (table.mean(axis=0), table.std(axis=0))
    )
    return mean, sd
