"""Which trials are refitted and scored in the end, and how long it takes."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.errors import StudyFailed
from autospec.search.result import ModelKind, TrialRecord
from autospec.search.searched import Settings

WINNER, CONTROL, MEAN = "autospec winner", "random search", "mean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A trained trial that will be refitted and scored."""

    name: str
    kind: ModelKind
    trial: TrialRecord


def best_trial(trials: tuple[TrialRecord, ...]) -> TrialRecord:
    """Return the complete trial with the lowest score; the earlier one on a tie.

    Raises
    ------
    StudyFailed
        If no trial is complete.
    """
    complete = [t for t in trials if t.value is not None]
    if not complete:
        raise StudyFailed(
            "no trial was completed, so there is nothing to report. "
            "Give the search more time (--budget 10m); what is done is kept."
        )
    return min(complete, key=lambda t: (t.value, t.number))


def candidates(
    trials: tuple[TrialRecord, ...], control: tuple[TrialRecord, ...]
) -> tuple[Candidate, ...]:
    """Return what is refitted: the winner, the published designs, the random control's winner.

    A control of which no trial is complete has none.
    """
    found = [Candidate(name=WINNER, kind="winner", trial=best_trial(trials))]
    found += [
        Candidate(name=t.label, kind="published", trial=t)
        for t in trials
        if t.label and t.value is not None
    ]
    if any(t.value is not None for t in control):
        found.append(Candidate(name=CONTROL, kind="control", trial=best_trial(control)))
    return tuple(found)


def refit_seconds(
    trials: tuple[TrialRecord, ...], settings: Settings, folds_total: int, *, twin_sets: int = 1
) -> float:
    """Estimate how long the refits and the winner's twins will take, from what the trials took."""
    if not any(t.value is not None for t in trials):
        return 0.0
    total, chosen = 0.0, candidates(trials, ())
    for t in {c.trial.number: c.trial for c in chosen}.values():
        total += _members_s(t, settings, folds_total)
    twins_s = _network_s(chosen[0].trial, folds_total) * settings.folds
    return total + twins_s * twin_sets


def published_seconds(
    trials: tuple[TrialRecord, ...], settings: Settings, folds_total: int
) -> float:
    """Estimate how long the refits of the published designs will take."""
    done = [t for t in trials if t.label and t.value is not None]
    return sum(_members_s(t, settings, folds_total) for t in done)


def _members_s(trial: TrialRecord, settings: Settings, folds_total: int) -> float:
    """Return the seconds of a refit: its networks learn from the rows of all folds.

    Where one part is watched it stays so: at most, the trial's own network is trained again.
    """
    if settings.folds == 1:
        return trial.seconds
    whole = settings.folds / (settings.folds - 1)
    return _network_s(trial, folds_total) * settings.members * whole


def _network_s(trial: TrialRecord, folds_total: int) -> float:
    """Return the seconds of one fold's network up to its best epoch; 0 if nobody measured."""
    if not (trial.seconds and trial.curve and trial.best_epoch):
        return 0.0
    return trial.seconds / len(trial.curve) / folds_total * trial.best_epoch
