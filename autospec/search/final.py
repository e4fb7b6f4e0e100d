"""The final evaluation: every choice is made, the sealed test rows are opened, once.

Here, and nowhere else in a search, `SplitPlan.unseal` is called. The winner, the published
architectures, the random control's winner, PLSR and the mean are fitted on the same training rows
and scored on the same test rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import StudyFailed, TrialFailed
from autospec.evaluate.baselines import fit_mean, fit_plsr
from autospec.evaluate.fitted import Predictor
from autospec.evaluate.metrics import VERDICT_ROWS, compare, score
from autospec.search.design import Design
from autospec.search.result import ModelKind, ModelResult, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.training.ensemble import Ensemble, fit_ensemble, with_epochs
from autospec.training.trainer import Device

WINNER, CONTROL, PLSR, MEAN = "autospec winner", "random search", "PLSR", "mean"


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
    """Return what is refitted: the winner, the published designs, the random control's winner."""
    found = [Candidate(name=WINNER, kind="winner", trial=best_trial(trials))]
    found += [
        Candidate(name=t.label, kind="published", trial=t)
        for t in trials
        if t.label and t.value is not None
    ]
    if control:
        found.append(Candidate(name=CONTROL, kind="control", trial=best_trial(control)))
    return tuple(found)


def refit_seconds(
    trials: tuple[TrialRecord, ...], settings: SearchSettings, folds_total: int
) -> float:
    """Estimate how long the final refits will take, from what the trials took."""
    if not any(t.value is not None for t in trials):
        return 0.0
    total = 0.0
    for t in {c.trial.number: c.trial for c in candidates(trials, ())}.values():
        if t.seconds and t.curve and t.best_epoch:
            one_network = t.seconds / len(t.curve) / folds_total * t.best_epoch
            total += one_network * settings.members * settings.folds / (settings.folds - 1)
    return total


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fitted:
    """A model that is ready to be scored, or why it is not."""

    name: str
    kind: ModelKind
    detail: str
    cv_rmse: float | None = None
    trial: TrialRecord | None = None
    model: Predictor | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinalEvaluation:
    """Fits the candidates and the baselines on the training rows, and scores them on the sealed.

    Parameters
    ----------
    spectra : Spectra
        All labelled rows.
    plan : SplitPlan
        Which of them are sealed.
    settings : SearchSettings
        Space, seed and members of the refits.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    on_step : callable (str) -> None
        Told what is under way.
    """

    spectra: Spectra
    plan: SplitPlan
    settings: SearchSettings
    device: Device
    on_step: Callable[[str], None]

    def run(self, chosen: tuple[Candidate, ...]) -> tuple[Spectra, tuple[ModelResult, ...]]:
        """Return the test rows, and one row a model: the candidates, then PLSR and the mean."""
        train = self.spectra.rows(self.plan.train)
        self.on_step("tuning PLSR on the same folds")
        plsr = fit_plsr(train, self.plan.folds)
        words = f"{plsr.components} components; {plsr.recipe.describe()}"
        fitted = self._refits(train, chosen)
        fitted += [
            _Fitted(name=PLSR, kind="baseline", detail=words, cv_rmse=plsr.cv_rmse, model=plsr),
            _Fitted(
                name=MEAN,
                kind="baseline",
                detail="the mean of the training rows",
                model=fit_mean(train),
            ),
        ]
        test = self.spectra.rows(self.plan.unseal())
        by_plsr = plsr.predict(test.values)
        return test, tuple(self._score(one, test, by_plsr) for one in fitted)

    def _refits(self, train: Spectra, chosen: tuple[Candidate, ...]) -> list[_Fitted]:
        """Refit each candidate; one that is the same trial as another is fitted once."""
        fitted: list[_Fitted] = []
        for candidate in chosen:
            twin = next((f for f in fitted if f.trial is candidate.trial), None)
            one = twin or self._refit(train, candidate)
            fitted.append(replace(one, name=candidate.name, kind=candidate.kind))
        return fitted

    def _refit(self, train: Spectra, candidate: Candidate) -> _Fitted:
        trial, members = candidate.trial, self.settings.members
        design = self.settings.space.decode(trial.params)
        one = _Fitted(
            name=candidate.name,
            kind=candidate.kind,
            detail=design.preprocessing.describe(),
            cv_rmse=trial.value,
            trial=trial,
        )
        assert trial.best_epoch is not None
        self.on_step(f"refitting {candidate.name}: {members} networks, {trial.best_epoch} epochs")
        try:
            model = refit(train, design, trial.best_epoch, self.settings, self.device)
        except TrialFailed as error:
            return replace(one, detail=f"the refit failed: {error}")
        return replace(one, model=model)

    def _score(self, one: _Fitted, test: Spectra, by_plsr: FloatArray) -> ModelResult:
        row = ModelResult(
            name=one.name,
            kind=one.kind,
            detail=one.detail,
            cv_rmse=one.cv_rmse,
            predicted=(),
            scores=None,
        )
        if one.trial is not None:
            t = one.trial
            row = replace(row, epochs=t.best_epoch, n_parameters=t.n_parameters, trial=t.number)
        if one.model is None:
            return row
        predicted, seed = one.model.predict(test.values), self.settings.seed
        return replace(
            row,
            predicted=tuple(float(p) for p in predicted),
            scores=score(test.target, predicted, seed=seed),
            versus_plsr=None
            if one.name == PLSR
            else compare(test.target, predicted, by_plsr, seed=seed),
        )


def refit(
    train: Spectra,
    design: Design,
    epochs: int,
    settings: SearchSettings,
    device: Device,
) -> Ensemble:
    """Fit a design on all training rows with ``settings.members`` seeds."""
    seeds = np.random.SeedSequence([settings.seed, 1]).generate_state(settings.members)
    return fit_ensemble(
        train,
        design.preprocessing,
        design.architecture,
        with_epochs(design.training, epochs),
        seeds=tuple(int(seed) for seed in seeds),
        device=device,
    )


def verdict(models: tuple[ModelResult, ...], unit: str) -> str:
    """Say in one sentence whether the winner beats PLSR beyond noise."""
    rows = {m.name: m for m in models}
    winner, plsr = rows[WINNER], rows[PLSR]
    if winner.scores is None or winner.versus_plsr is None or plsr.scores is None:
        return "The winner could not be refitted, so there is nothing to compare with PLSR."
    c = winner.versus_plsr
    few = f" (a verdict wants at least {VERDICT_ROWS})" if winner.scores.n < VERDICT_ROWS else ""
    words = {
        "first": "the CNN beats PLSR beyond noise",
        "second": "the CNN does not beat PLSR: PLSR is better beyond noise",
        "cannot tell": "whether the CNN or PLSR is better cannot be told from these rows",
    }[c.better]
    return (
        f"On the {winner.scores.n} sealed test rows the RMSE is "
        f"{winner.scores.rmse.value:.2f} {unit} for the CNN and "
        f"{plsr.scores.rmse.value:.2f} {unit} for PLSR (difference {c.difference:+.2f}, 95 % "
        f"interval {c.low:+.2f} to {c.high:+.2f}): {words}{few}."
    )
