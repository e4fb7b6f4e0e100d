"""`read_status`: how far a study is and who is at it, read from its storage; nothing is written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

import sqlalchemy
from optuna.storages import RDBStorage
from optuna.study import Study, get_all_study_names, load_study
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy.engine import make_url

from autospec.errors import UsageError
from autospec.search.claims import WORKER, heartbeat_ages, host_and_process
from autospec.search.crew import SETTINGS_KEY
from autospec.search.execution import CONTROL_SUFFIX
from autospec.search.origin import ORIGIN_KEY, no_study
from autospec.search.progress import Progress
from autospec.search.report_turn import REPORT_SUFFIX, report_of
from autospec.search.storage import hide_password, refuse_unsharable, storage_errors
from autospec.search.trials import trial_records

Report = Literal["none", "under way", "made"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialUnderWay:
    """A trial that some worker is at.

    Parameters
    ----------
    worker : str
        Host and process, as "node7-4711"; empty where it has only just begun, or runs alone.
    trial : int
    since_s : float
        Since it began, by the worker's clock: where the clocks of hosts differ, so does this.
    heartbeat_s : float or None
        Since its last sign of life, by the database's clock; None of a study run alone.
    """

    worker: str
    trial: int
    since_s: float
    heartbeat_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStatus:
    """How far a study is.

    Parameters
    ----------
    study : str
    unit : str
        Of the target, where the study says so.
    total : int
        Trials wanted; complete, pruned and failed ones count towards it.
    complete, pruned, infeasible, failed, running, waiting : int
        Trials by state; waiting are those that a search run alone has queued.
    best, best_trial : float or None, int or None
        Lowest mean fold RMSE and its trial.
    eta_s : float or None
        Seconds of trials to go, at as many at once as now; None before the first, or if none runs.
    under_way : tuple of TrialUnderWay
    why_failed : dict of str to int
        Reasons of the failed trials, and how many have each.
    report : {"none", "under way", "made"}
        Of the trials there are; of a shared study.
    """

    study: str
    unit: str
    total: int
    complete: int
    pruned: int
    infeasible: int
    failed: int
    running: int
    waiting: int
    best: float | None
    best_trial: int | None
    eta_s: float | None
    under_way: tuple[TrialUnderWay, ...]
    why_failed: dict[str, int]
    report: Report

    @property
    def trained(self) -> int:
        """Trials that count towards the total."""
        return self.complete + self.pruned + self.failed

    @property
    def ended(self) -> bool:
        """Whether no trial is left to do."""
        return self.trained >= self.total and not self.running


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OpenStudy:
    """A study that is only looked at."""

    storage: RDBStorage
    name: str


def open_to_read(url: str, name: str | None = None) -> OpenStudy:
    """Open a storage that is there, and make nothing in it.

    Parameters
    ----------
    url : str
    name : str, optional
        Of the study; by default the only one there.

    Raises
    ------
    UsageError
        If the address holds a password, or there is no such study.
    StorageError
        If it cannot be opened.
    """
    refuse_unsharable(url)
    place = make_url(url)
    if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
        raise UsageError(f"{place.database}: there is no study here; want the file of one.")
    with storage_errors(url):
        engine = sqlalchemy.create_engine(place)
        try:
            holds_studies = sqlalchemy.inspect(engine).has_table("studies")
        finally:
            engine.dispose()
        if not holds_studies:
            raise UsageError(f"the storage {hide_password(url)} holds no studies yet.")
        storage = RDBStorage(url, skip_table_creation=True)
        known = get_all_study_names(storage)
    if name is None:
        name = _only(known)
    elif name not in known:
        raise no_study(name, known)
    return OpenStudy(storage=storage, name=name)


def _only(known: list[str]) -> str:
    """Return the name of the only study, its companions left out."""
    names = [
        name
        for name in known
        if not any(
            name.removesuffix(suffix) in known
            for suffix in (CONTROL_SUFFIX, REPORT_SUFFIX)
            if name.endswith(suffix)
        )
    ]
    if len(names) != 1:
        raise UsageError(
            f"want the folder of one study; this one holds {len(names)}: {', '.join(names[:10])}"
        )
    return names[0]


def read_status(opened: OpenStudy) -> StudyStatus:
    """Return how far a study is.

    Raises
    ------
    UsageError
        If it is not one of autospec.
    StorageError
        If the storage cannot be read.
    """
    with storage_errors(None):
        study = load_study(study_name=opened.name, storage=opened.storage)
        settings = study.user_attrs.get(SETTINGS_KEY)
        if not isinstance(settings, dict) or not isinstance(settings.get("trials"), int):
            raise UsageError(f"study {opened.name!r} has not begun, or is not one of autospec.")
        origin = study.user_attrs.get(ORIGIN_KEY)
        unit = str(origin.get("unit", "")) if isinstance(origin, dict) else ""
        return _status(study, opened.storage, settings["trials"], unit)


def _status(study: Study, storage: RDBStorage, total: int, unit: str) -> StudyStatus:
    records, trials = trial_records(study), study.get_trials(deepcopy=False)
    running = [t for t in trials if t.state == TrialState.RUNNING]
    states = [r.state for r in records]
    best = min(((r.value, r.number) for r in records if r.value is not None), default=None)
    progress = Progress(
        stage="search",
        total=total,
        complete=states.count("complete"),
        pruned=states.count("pruned"),
        infeasible=states.count("infeasible"),
        failed=states.count("failed"),
        records=records,
        at_once=max(1, len(running)),
    )
    return StudyStatus(
        study=study.study_name,
        unit=unit,
        total=total,
        complete=progress.complete,
        pruned=progress.pruned,
        infeasible=progress.infeasible,
        failed=progress.failed,
        running=len(running),
        waiting=sum(t.state == TrialState.WAITING for t in trials),
        best=best and best[0],
        best_trial=best and best[1],
        eta_s=progress.eta_s if running else None,
        under_way=_under_way(running, heartbeat_ages(storage, [t._trial_id for t in running])),
        why_failed=dict(Counter(r.reason for r in records if r.state == "failed").most_common()),
        report=_report(storage, study.study_name + REPORT_SUFFIX, len(records)),
    )


def _under_way(running: list[FrozenTrial], ages: dict[int, float]) -> tuple[TrialUnderWay, ...]:
    now = datetime.now()
    return tuple(
        TrialUnderWay(
            worker=host_and_process(trial),
            trial=trial.number,
            since_s=max(0.0, (now - (trial.datetime_start or now)).total_seconds()),
            heartbeat_s=ages.get(trial._trial_id) if WORKER in trial.user_attrs else None,
        )
        for trial in running
    )


def _report(storage: RDBStorage, turns: str, n_records: int) -> Report:
    if turns not in get_all_study_names(storage):
        return "none"
    work = f"{n_records} trials"
    states = {
        trial.state
        for trial in load_study(study_name=turns, storage=storage).get_trials(deepcopy=False)
        if report_of(trial) == work
    }
    if TrialState.RUNNING in states:
        return "under way"
    return "made" if TrialState.COMPLETE in states else "none"
