"""The final evaluation: every choice is made, the sealed test rows are opened, once.

Here, and nowhere else in a search, `SplitPlan.unseal` is called. The winner, the published
architectures, the random control's winner, PLSR and the mean are fitted on the same training rows
and scored on the same test rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import StudyFailed, TrialFailed
from autospec.evaluate.baselines import fit_mean, fit_plsr
from autospec.evaluate.metrics import compare, score
from autospec.search.result import ModelKind, ModelResult, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.space import Design
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
class FinalEvaluation:
    """Fits and scores the candidates and the baselines on one split."""

    spectra: Spectra
    plan: SplitPlan
    settings: SearchSettings
    device: Device
    on_step: Callable[[str], None]

    def run(self, chosen: tuple[Candidate, ...]) -> tuple[ModelResult, ...]:
        """Return one row a model: the candidates, then PLSR and the mean."""
        train = self.spectra.rows(self.plan.train)
        self.on_step("tuning PLSR on the same folds")
        plsr, mean = fit_plsr(train, self.plan.folds), fit_mean(train)
        fitted: dict[str, Ensemble | str] = {}
        for candidate in chosen:
            twin = next((c for c in chosen if c.trial is candidate.trial), candidate)
            if twin.name not in fitted:
                fitted[twin.name] = self._refit(train, candidate)
            fitted[candidate.name] = fitted[twin.name]
        test = self.spectra.rows(self.plan.unseal())
        by_plsr = plsr.predict(test.values)
        rows = [self._row(test, c, fitted[c.name], by_plsr) for c in chosen]
        words = f"{plsr.components} components; {plsr.recipe.describe()}"
        rows.append(self._scored(test, PLSR, "baseline", by_plsr, None, words, plsr.cv_rmse))
        by_mean, words = mean.predict(test.values), "the mean of the training rows"
        rows.append(self._scored(test, MEAN, "baseline", by_mean, by_plsr, words, None))
        return tuple(rows)

    def _refit(self, train: Spectra, candidate: Candidate) -> Ensemble | str:
        """Return the refitted ensemble, or why there is none."""
        design = self.settings.space.decode(candidate.trial.params)
        epochs = candidate.trial.best_epoch
        assert epochs is not None
        members = self.settings.members

        def on_member(done: int) -> None:
            self.on_step(f"refitting {candidate.name}: network {done} of {members}")

        try:
            return refit(train, design, epochs, self.settings, self.device, on_member)
        except TrialFailed as error:
            return f"the refit failed: {error}"

    def _row(
        self, test: Spectra, candidate: Candidate, fit: Ensemble | str, by_plsr: FloatArray
    ) -> ModelResult:
        trial = candidate.trial
        design = self.settings.space.decode(trial.params)
        words = design.preprocessing.describe()
        if isinstance(fit, str):
            return ModelResult(
                name=candidate.name,
                kind=candidate.kind,
                detail=fit,
                cv_rmse=trial.value,
                predicted=(),
                scores=None,
                trial=trial.number,
            )
        predicted = fit.predict(test.values)
        row = self._scored(
            test, candidate.name, candidate.kind, predicted, by_plsr, words, trial.value
        )
        return _with_trial(row, trial)

    def _scored(
        self,
        test: Spectra,
        name: str,
        kind: ModelKind,
        predicted: FloatArray,
        by_plsr: FloatArray | None,
        detail: str,
        cv_rmse: float | None,
    ) -> ModelResult:
        seed = self.settings.seed
        versus = None
        if by_plsr is not None:
            versus = compare(test.target, predicted, by_plsr, seed=seed)
        return ModelResult(
            name=name,
            kind=kind,
            detail=detail,
            cv_rmse=cv_rmse,
            predicted=tuple(float(p) for p in predicted),
            scores=score(test.target, predicted, seed=seed),
            versus_plsr=versus,
        )


def refit(
    train: Spectra,
    design: Design,
    epochs: int,
    settings: SearchSettings,
    device: Device,
    on_member: Callable[[int], None] | None = None,
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
        on_member=on_member,
    )


def verdict(models: tuple[ModelResult, ...], unit: str) -> str:
    """Say in one sentence whether the winner beats PLSR beyond noise."""
    rows = {m.name: m for m in models}
    winner, plsr = rows[WINNER], rows[PLSR]
    if winner.scores is None or winner.versus_plsr is None or plsr.scores is None:
        return "The winner could not be refitted, so there is nothing to compare with PLSR."
    c = winner.versus_plsr
    words = {
        "first": "the CNN beats PLSR beyond noise",
        "second": "the CNN does not beat PLSR: PLSR is better beyond noise",
        "cannot tell": "whether the CNN or PLSR is better cannot be told from these rows",
    }[c.better]
    return (
        f"On the {winner.scores.n} sealed test rows the RMSE is "
        f"{winner.scores.rmse.value:.2f} {unit} for the CNN and "
        f"{plsr.scores.rmse.value:.2f} {unit} for PLSR (difference {c.difference:+.2f}, 95 % "
        f"interval {c.low:+.2f} to {c.high:+.2f}): {words}."
    )


def _with_trial(row: ModelResult, trial: TrialRecord) -> ModelResult:
    from dataclasses import replace

    return replace(
        row, epochs=trial.best_epoch, n_parameters=trial.n_parameters, trial=trial.number
    )
