"""How a strategy comes by its network: rows, folds that score them, and a search within a budget.

No strategies here, and no settings. Every search gets the same trials and the same seconds,
whatever its rows, and with the same seed begins with the same proposals. The error of the folds
chooses a design and its number of epochs; it is tuned, so it is optimistic, and it is never
reported as accuracy.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.preprocess import Preprocessing, published_step
from autospec.data.spectra import FloatArray, Spectra, join_spectra
from autospec.data.splits import Fold, SplitPlan, make_folds
from autospec.errors import DataError, StudyFailed, UsageError
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.search.candidates import best_trial
from autospec.search.design import Caps, Design
from autospec.search.execution import SEEDS_APART
from autospec.search.final import refit
from autospec.search.objective import CrossValidation
from autospec.search.plan import StopSearch, StudyPlan, no_limit
from autospec.search.progress import Progress
from autospec.search.result import Stopped, TrialRecord
from autospec.search.space import SearchSpace
from autospec.search.study import open_study, run_study
from autospec.search.trials import trial_records
from autospec.training.config import TrainingConfig
from autospec.training.ensemble import Ensemble
from autospec.training.trainer import EpochCallback
from autospec.transfer.network_settings import NetworkSettings, Resources

LIBRARY_FOLDS_SCORED = 2
SEARCHED_ROWS = 2_000  # of a larger library, a search sees so many: else it ends after a trial


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainingRows:
    """Labelled rows to learn from, and the folds (positions within them) that score a choice."""

    spectra: Spectra
    folds: tuple[Fold, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenDesign:
    """A design, what chose it, and for how many epochs it learns.

    Parameters
    ----------
    epochs : int
        Where the smoothed fold-averaged curve is lowest.
    cv_rmse : float
        The curve there: tuned, so optimistic.
    trials : int
        Designs trained to find it; 0 without a search.
    how : str
        The same in words.
    """

    design: Design
    epochs: int
    cv_rmse: float
    trials: int
    how: str


def local_rows(local: Spectra, settings: NetworkSettings) -> TrainingRows:
    """Lay the inner folds over a farm's training rows.

    Raises
    ------
    DataError
        If there are fewer than four groups.
    """
    return TrainingRows(spectra=local, folds=_folds(local, settings))


def joint_rows(selected: Spectra, local: Spectra, settings: NetworkSettings) -> TrainingRows:
    """Join selected library rows to the local ones; folds are scored on local rows only.

    Every fold learns from all selected rows and the other local rows. The selection was judged by
    all local rows, those of the fold too, so these folds score better than a new row would: good
    enough to choose a design, no measure of accuracy.
    """
    k = selected.n
    folds = tuple(
        Fold(fit=np.concatenate([np.arange(k), fold.fit + k]), score=fold.score + k)
        for fold in _folds(local, settings)
    )
    return TrainingRows(spectra=join_spectra([selected, local]), folds=folds)


def library_rows(library: Spectra, settings: NetworkSettings) -> TrainingRows:
    """Lay the folds over a library: two of them are scored, which is enough of so many rows.

    Of a library of more than 2,000 rows a search sees 2,000, drawn by the seed.
    """
    if library.n > SEARCHED_ROWS:
        rng = np.random.default_rng([settings.seed, SEARCHED_ROWS])
        library = library.rows(np.sort(rng.choice(library.n, SEARCHED_ROWS, replace=False)))
    return TrainingRows(spectra=library, folds=_folds(library, settings)[:LIBRARY_FOLDS_SCORED])


def _folds(rows: Spectra, settings: NetworkSettings) -> tuple[Fold, ...]:
    """Return the folds asked for, or fewer, so that each scores two groups."""
    groups = len(set(rows.groups))
    count = min(settings.folds, groups // 2)
    if count < 2:
        raise DataError(
            f"{rows.n} labelled rows in {groups} groups are too few to choose a network by "
            "inner folds; want at least 4 groups, better 30 rows. Add lab values."
        )
    return make_folds(rows, count, 1, settings.seed)


def small_design(axis: FloatArray, space: SearchSpace) -> Design:
    """Return the design that stands in where a search completes no trial: it fits any spectrum."""
    return Design(
        preprocessing=Preprocessing(
            quantity="absorbance", scatter="snv", step=published_step(axis)
        ),
        architecture=Architecture(
            conv=(ConvBlock(kernel=7, filters=16, padding="same", stride=3, activation="ELU"),),
            fc=(FCBlock(nodes=32, activation="ELU"),),
        ),
        training=TrainingConfig(
            batch_size=16, max_epochs=space.max_epochs, patience=space.patience
        ),
    )


def choose_design(
    name: str, rows: TrainingRows, settings: NetworkSettings, resources: Resources
) -> ChosenDesign:
    """Search a design on `rows`, or tune the epochs of the fixed one.

    Parameters
    ----------
    name : str
        The strategy, as it stands in the storage and in what `on_step` is told.

    Raises
    ------
    TrialFailed
        If the fixed design, or the small one that stands in for a search without a completed
        trial, cannot be trained.
    UsageError
        If the fixed design does not fit the spectra.
    StopSearch
        If the user interrupts, or the time of a worker is up.
    """
    validation = CrossValidation(
        train=rows.spectra,
        folds=rows.folds,
        seed=settings.seed + SEEDS_APART,
        device=resources.device,
    )
    if settings.fixed is not None:
        check_fits(settings.fixed, rows.spectra)
        how = "the given design, not searched"
        return _tune_epochs(settings.fixed, validation, how, settings, resources)
    trials = _search(name, validation, settings, resources)
    trained = sum(t.state != "infeasible" for t in trials)
    if any(t.value is not None for t in trials):
        best = best_trial(trials)
        assert best.value is not None and best.best_epoch is not None
        return ChosenDesign(
            design=settings.space.decode(best.params),
            epochs=best.best_epoch,
            cv_rmse=best.value,
            trials=trained,
            how=f"the best of {trained} trained designs",
        )
    how = f"a small stand-in, as none of {trained} trained designs was completed"
    standin = small_design(rows.spectra.axis, settings.space)
    return replace(_tune_epochs(standin, validation, how, settings, resources), trials=trained)


def fit_networks(
    train: Spectra,
    chosen: ChosenDesign,
    settings: NetworkSettings,
    resources: Resources,
) -> Ensemble:
    """Fit the chosen design on all of `train`, one network a seed.

    Raises
    ------
    TrialFailed
        If a network cannot be trained.
    """
    return refit(train, chosen.design, chosen.epochs, settings.as_search(), resources.device)


def until(seconds: float, resources: Resources) -> EpochCallback:
    """Return what ends a training after so many seconds, with what it has learnt so far."""
    stop = _stop_rule(_clock(seconds, resources), resources)

    def after_epoch(epoch: int, mean_rmse: float) -> bool:
        why = stop()
        if why == "interrupt" or (why and resources.crew):
            raise StopSearch(why)
        return why is not None

    return after_epoch


def _clock(seconds: float, resources: Resources) -> Callable[[], float]:
    """Return how many seconds are left of `seconds` from now, and of the job.

    A worker of several has the job's only: what it does not finish is not cut short.
    """
    if resources.crew is not None:
        return resources.seconds_left
    end = time.monotonic() + seconds
    return lambda: min(end - time.monotonic(), resources.seconds_left())


def _stop_rule(
    seconds_left: Callable[[], float], resources: Resources
) -> Callable[[], Stopped | None]:
    def should_stop() -> Stopped | None:
        if resources.interrupted():
            return "interrupt"
        return "budget" if seconds_left() < 0 else None

    return should_stop


def _search(
    name: str, validation: CrossValidation, settings: NetworkSettings, resources: Resources
) -> tuple[TrialRecord, ...]:
    """Run a study within trials and seconds; return its finished trials."""
    seconds_left = _clock(settings.seconds, resources)

    def report(progress: Progress) -> None:
        said = f"{progress.trained} of {progress.total} trials"
        resources.on_step(f"{name}: {progress.message or said}")

    rows = validation.train
    split = SplitPlan(
        train=np.arange(rows.n),
        folds=validation.folds,
        n_folds=len(validation.folds),
        repeats=1,
        sealed=np.empty(0, dtype=np.int64),
    )
    plan = StudyPlan(
        validation=validation,
        settings=settings.as_search(),
        fingerprint={"data_digest": rows.digest, "split_digest": split.digest},
        should_stop=_stop_rule(seconds_left, resources),
        seconds_left=no_limit if resources.crew else seconds_left,
        report=report,
        crew=resources.crew if resources.together else None,
    )
    storage = resources.crew.storage if resources.crew else resources.storage
    study = open_study(storage, f"{resources.study}: {name}", plan)
    try:
        why = run_study(study, plan)
        if why == "interrupt" or (why == "budget" and resources.crew):
            raise StopSearch(why)
    except StudyFailed:  # ten designs in a row could not be trained: the caller has a stand-in
        resources.on_step(f"{name}: no design of the space could be trained")
    return trial_records(study)


def _tune_epochs(
    design: Design,
    validation: CrossValidation,
    how: str,
    settings: NetworkSettings,
    resources: Resources,
) -> ChosenDesign:
    training = validation.evaluate(design, until(settings.seconds, resources))
    return ChosenDesign(
        design=design, epochs=training.best_epoch, cv_rmse=training.score, trials=0, how=how
    )


def check_fits(design: Design, spectra: Spectra) -> None:
    """Refuse a given design whose layers need more bands than the spectra have.

    Raises
    ------
    UsageError
        With the number of bands.
    """
    if design.overrun(spectra.axis, Caps())["layers"] > 0:
        raise UsageError(
            f"the given design does not fit these spectra: a step of "
            f"{design.preprocessing.step:g} makes their {spectra.b} bands "
            f"{design.bands(spectra.axis)}. Use a smaller step, kernel or stride."
        )
