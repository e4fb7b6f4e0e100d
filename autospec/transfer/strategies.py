"""The strategies that bring a library to a farm: Local, Global, Country, DTL-I, DTL-R, DTL-IR.

Words and suffixes (_g from the whole library, _c from the rows of the farm's country) are those of
Shen et al. 2022 (https://doi.org/10.1016/j.isprsjprs.2022.04.009); what that study leaves open is
ours, and said where it is decided. Only local *training* rows come here: the rows a strategy is
scored on are the caller's. RS-Local, the baselines and the study design live elsewhere.

=========================  ========================================================================
Local                      searched and trained on the local rows m
Global, Country            searched and trained on the library; it knows nothing of the farm
..., slope and bias        their predictions on a line fitted to the local rows
DTL-I                      searched and trained on K ∪ m, K selected by RS-Local
DTL-R                      their networks, fine-tuned on m
DTL-IR (library→K∪m)       their networks, fine-tuned on K ∪ m
DTL-IR (K→m)               their design trained on K, then fine-tuned on m
=========================  ========================================================================
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.errors import DataError, TrialFailed
from autospec.search.design import Design
from autospec.search.plan import StopSearch
from autospec.training.ensemble import Ensemble
from autospec.transfer.fine_tuning import LEARNS_IN_WORDS, Pretrained, fine_tune, ways_to_learn
from autospec.transfer.network_settings import NetworkSettings, Resources
from autospec.transfer.networks import (
    ChosenDesign,
    TrainingRows,
    choose_design,
    fit_networks,
    joint_rows,
    library_rows,
    local_rows,
)

LOCAL, GLOBAL, COUNTRY = "Local", "Global", "Country"
SUFFIXES = {GLOBAL: "_g", COUNTRY: "_c"}
MIN_FOR_A_LINE = 3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FittedStrategy:
    """A strategy's networks, ready to predict.

    Parameters
    ----------
    name : str
        "Local", "Global", "DTL-I_g", ...
    design : Design
        Preprocessing, architecture and training.
    epochs : int
        Of the last training: of the fine-tuning, where there is one.
    cv_rmse : float or None
        Mean fold RMSE of what was chosen: tuned, so optimistic, and never an accuracy.
    trials : int
        Designs trained to find `design`; 0 if it was given or taken over.
    bands : int
        Bands that reach the network.
    detail : str
        Preprocessing, and how it came about, in words.
    ensemble : Ensemble
        Its networks.
    intercept, slope : float
        Applied to the ensemble's prediction.
    seconds : float
        Wall-clock seconds it took.
    """

    name: str
    design: Design
    epochs: int
    cv_rmse: float | None
    trials: int
    bands: int
    detail: str
    ensemble: Ensemble
    intercept: float = 0.0
    slope: float = 1.0
    seconds: float = 0.0

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b)."""
        return np.asarray(self.intercept + self.slope * self.ensemble.predict(values))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedStrategies:
    """The strategies that could be trained, in order, and why the others could not."""

    fitted: tuple[FittedStrategy, ...]
    failed: dict[str, str]

    def find(self, name: str) -> FittedStrategy | None:
        """Return the strategy called `name`, or None if there is no such row."""
        return next((one for one in self.fitted if one.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SelectedRows:
    """The rows K that RS-Local selected with the local training rows as judges.

    Parameters
    ----------
    library, country : Spectra or None
        From the whole library, and from the rows of the farm's country; without them DTL-I and
        DTL-IR have no row.
    """

    library: Spectra | None = None
    country: Spectra | None = None


Job = Callable[[], FittedStrategy]


def train_library_networks(
    library: Spectra,
    country: IntArray | None,
    settings: NetworkSettings,
    resources: Resources,
) -> TrainedStrategies:
    """Train Global, and Country if there is one: once, for every draw.

    The search is scored on two of the library's folds; of a large library it sees a part (see
    `library_rows`), and the networks are trained on all rows for as many steps as on the part.

    Parameters
    ----------
    library : Spectra
        Labelled rows, the whole farm purged from them.
    country : int64, shape (n_country,), or None
        Rows of the library from the farm's country.
    settings : NetworkSettings
        What is searched.
    resources : Resources
        Where and how long.

    Returns
    -------
    TrainedStrategies

    Raises
    ------
    StopSearch
        If the user interrupts.
    StorageError
        If the storage fails.
    """

    def train(name: str, rows: Spectra) -> FittedStrategy:
        chosen = choose_library_design(name, rows, settings, resources)
        return _fit(name, rows, chosen, settings, resources)

    jobs: dict[str, Job] = {GLOBAL: lambda: train(GLOBAL, library)}
    if country is not None:
        jobs[COUNTRY] = lambda: train(COUNTRY, library.rows(country))
    return _run(jobs, resources)


def choose_library_design(
    name: str, rows: Spectra, settings: NetworkSettings, resources: Resources
) -> ChosenDesign:
    """Search the design of Global or Country; its epochs are those on all of `rows`.

    Raises
    ------
    TrialFailed, StopSearch, StorageError
        As `choose_design`.
    """
    searched = library_rows(rows, settings)
    chosen = choose_design(name, searched, settings, resources)
    share = searched.spectra.n / rows.n
    return replace(chosen, epochs=max(1, round(chosen.epochs * share)))


def refit_library_networks(
    name: str,
    rows: Spectra,
    chosen: ChosenDesign,
    settings: NetworkSettings,
    resources: Resources,
) -> TrainedStrategies:
    """Train Global or Country of a known choice: the same networks as where it was made.

    Raises
    ------
    StopSearch
        As `train_library_networks`.
    """
    return _run({name: lambda: _fit(name, rows, chosen, settings, resources)}, resources)


def strategies_from(origin: str) -> tuple[str, ...]:
    """Return the names of a draw's strategies that bring over Global or Country."""
    suffix = SUFFIXES[origin]
    return (
        f"{origin}, slope and bias",
        f"DTL-I{suffix}",
        f"DTL-R{suffix}",
        f"DTL-IR{suffix} (library→K∪m)",
        f"DTL-IR{suffix} (K→m)",
    )


def train_draw_networks(
    networks: TrainedStrategies,
    local: Spectra,
    selected: SelectedRows,
    settings: NetworkSettings,
    resources: Resources,
    only: str | None = None,
) -> TrainedStrategies:
    """Train every strategy for one draw of local rows; Global and Country are passed on.

    A strategy that cannot be trained, or finds no time left, costs only its own row.

    Parameters
    ----------
    networks : TrainedStrategies
        From `train_library_networks`.
    local : Spectra
        The farm's labelled training rows, and no others.
    selected : SelectedRows
        What RS-Local selected for this draw.
    settings : NetworkSettings
        Of this draw: give each its own seed.
    resources : Resources
        Where and how long; give each draw its own `study` name.
    only : str, optional
        Of the draw's strategies, train this one alone: it comes out the same as among all.

    Returns
    -------
    TrainedStrategies

    Raises
    ------
    DataError
        If the local rows are too few for inner folds.
    StopSearch
        If the user interrupts.
    StorageError
        If the storage fails.
    """
    draw = _Draw(local_rows(local, settings), networks, settings, resources)
    jobs: dict[str, Job] = {LOCAL: lambda: draw.train_from_scratch(LOCAL, draw.rows)}
    for origin, k in ((GLOBAL, selected.library), (COUNTRY, selected.country)):
        known = origin in networks.failed or networks.find(origin) or k is not None
        if known or only in strategies_from(origin):
            jobs |= draw.jobs_from(origin, k)
    trained = _run(jobs if only is None else {only: jobs[only]}, resources)
    return TrainedStrategies(
        fitted=(*networks.fitted, *trained.fitted), failed=networks.failed | trained.failed
    )


@dataclass(frozen=True, slots=True)
class _Draw:
    """What the strategies of one draw have in common."""

    rows: TrainingRows
    networks: TrainedStrategies
    settings: NetworkSettings
    resources: Resources

    def jobs_from(self, origin: str, k: Spectra | None) -> dict[str, Job]:
        """Return the strategies that bring over `origin`, or the rows `k` selected from it."""
        corrected, instance, tuned, joint, on_k = strategies_from(origin)
        return {
            corrected: lambda: self._correct(origin),
            instance: lambda: self.train_from_scratch(instance, self._joint(k)),
            tuned: lambda: self._tune(self._origin(origin), self.rows, "m"),
            joint: lambda: self._tune(self._origin(origin), self._joint(k), "K ∪ m"),
            on_k: lambda: self._tune(self._on_k(origin, k), self.rows, "m"),
        }

    def train_from_scratch(self, name: str, rows: TrainingRows) -> FittedStrategy:
        chosen = choose_design(name, rows, self.settings, self.resources)
        return _fit(name, rows.spectra, chosen, self.settings, self.resources)

    def _origin(self, name: str) -> FittedStrategy:
        found = self.networks.find(name)
        if found is None:
            raise TrialFailed(f"{name} has no networks to start from")
        return found

    def _joint(self, k: Spectra | None) -> TrainingRows:
        return joint_rows(_needed(k), self.rows.spectra, self.settings)

    def _on_k(self, origin: str, k: Spectra | None) -> FittedStrategy:
        """Train the origin's design on K alone; the folds of K choose the epochs."""
        fixed = replace(self.settings, fixed=self._origin(origin).design)
        k = _needed(k)
        chosen = choose_design(origin, library_rows(k, fixed), fixed, self.resources)
        return _fit(f"{origin}'s design on K", k, chosen, fixed, self.resources)

    def _tune(self, source: FittedStrategy, rows: TrainingRows, onto: str) -> FittedStrategy:
        pretrained = Pretrained(design=source.design, ensemble=source.ensemble)
        ensemble, choice = fine_tune(pretrained, rows, self.settings, self.resources)
        ways = len(ways_to_learn(source.design.architecture))
        return replace(
            source,
            ensemble=ensemble,
            epochs=choice.epochs,
            cv_rmse=choice.cv_rmse,
            trials=0,
            detail=(
                f"{source.design.preprocessing.describe()}; {source.name}, fine-tuned on {onto}: "
                f"{LEARNS_IN_WORDS[choice.learns]}, the best of {ways} ways by inner folds"
            ),
        )

    def _correct(self, origin: str) -> FittedStrategy:
        source, local = self._origin(origin), self.rows.spectra
        intercept, slope = fit_line(source.predict(local.values), local.target)
        return replace(
            source,
            intercept=intercept,
            slope=slope,
            cv_rmse=None,
            trials=0,
            detail=f"{source.detail}; then {intercept:.3g} + {slope:.3g} · prediction",
        )


def fit_line(predicted: FloatArray, observed: FloatArray) -> tuple[float, float]:
    """Return intercept and slope of observed on predicted, shapes (n,), by least squares.

    With fewer than three rows, or where all predictions are the same, the slope stays 1 and only
    the bias is taken off.
    """
    mean, away = float(predicted.mean()), predicted - predicted.mean()
    spread = float(away @ away)
    # float32 networks: equal predictions may differ in the seventh digit
    flat = spread <= len(away) * (1e-6 * max(abs(mean), 1e-12)) ** 2
    slope = 1.0 if flat or len(away) < MIN_FOR_A_LINE else float(away @ observed) / spread
    return float(observed.mean()) - slope * mean, slope


def _needed(k: Spectra | None) -> Spectra:
    if k is None:
        raise TrialFailed("there is no selection to learn from")
    return k


def _fit(
    name: str,
    train: Spectra,
    chosen: ChosenDesign,
    settings: NetworkSettings,
    resources: Resources,
) -> FittedStrategy:
    """Fit a chosen design on all rows of `train`."""
    resources.on_step(f"{name}: {settings.members} networks, {chosen.epochs} epochs")
    return FittedStrategy(
        name=name,
        design=chosen.design,
        epochs=chosen.epochs,
        cv_rmse=chosen.cv_rmse,
        trials=chosen.trials,
        bands=chosen.design.bands(train.axis),
        detail=f"{chosen.design.preprocessing.describe()}; {chosen.how}",
        ensemble=fit_networks(train, chosen, settings, resources),
    )


def _run(jobs: dict[str, Job], resources: Resources) -> TrainedStrategies:
    """Do the jobs in order; what fails, or finds no time left, leaves its reason."""
    fitted, failed = [], {}
    for name, job in jobs.items():
        if resources.interrupted():
            raise StopSearch("interrupt")
        if resources.seconds_left() <= 0:
            if resources.crew is not None:
                raise StopSearch("budget")
            failed[name] = "the time was up before it began"
            continue
        resources.on_step(name)
        clock = time.monotonic()
        try:
            one = job()
        except (TrialFailed, DataError) as error:
            failed[name] = str(error)
        else:
            fitted.append(replace(one, name=name, seconds=time.monotonic() - clock))
    return TrainedStrategies(fitted=tuple(fitted), failed=failed)
