"""The final evaluation: every choice is made, the sealed rows are opened, once a run.

Here, and nowhere else in a search, `SplitPlan.unseal` is called. The winner, the published
architectures, the random control's winner, PLSR and the mean are fitted on the same training rows
and scored on the same test rows. The winner and PLSR get intervals and a domain beforehand, from
the training rows alone; what these hold is counted on the test rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import TrialFailed
from autospec.evaluate.baselines import PLSRModel, fit_mean
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.fitted import Predictor
from autospec.evaluate.metrics import compare, score
from autospec.evaluate.trust import bounds
from autospec.evaluate.verdict import say_verdict
from autospec.search.candidates import MEAN, WINNER, Candidate
from autospec.search.design import Design
from autospec.search.result import ModelKind, ModelResult, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.search.trusting import measure_intervals
from autospec.search.twins import Twins
from autospec.training.ensemble import Ensemble, fit_ensemble, with_epochs
from autospec.training.trainer import Device

PLSR = "PLSR"
KEPT = {WINNER: "winner", PLSR: "plsr"}  # what gets intervals, and can be kept as a file


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Fitted:
    """A model that is ready to be scored, or why it is not."""

    name: str
    kind: ModelKind
    detail: str
    cv_rmse: float | None = None
    trial: TrialRecord | None = None
    model: Predictor | None = None
    calibrated: CalibratedModel | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluated:
    """What the final evaluation found.

    Parameters
    ----------
    test : Spectra
        The test rows.
    models : tuple of ModelResult
        The candidates, then PLSR and the mean.
    in_domain : tuple of bool, length n_test
        Whether each test row is inside the applicability domain; empty if none was measured.
    calibrated : dict of str to CalibratedModel
        "winner" and "plsr", as far as their twins could be trained.
    notes : tuple of str
        What is missing, and why.
    """

    test: Spectra
    models: tuple[ModelResult, ...]
    in_domain: tuple[bool, ...]
    calibrated: dict[str, CalibratedModel]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FinalEvaluation:
    """Fits the candidates and the baselines on the training rows, and scores them on the sealed.

    Parameters
    ----------
    spectra : Spectra
        All labelled rows.
    plan : SplitPlan
        Which of them are sealed.
    plsr : PLSRModel
        Tuned and fitted on the training rows.
    settings : SearchSettings
        Space, seed and members of the refits.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    on_step : callable (str) -> None
        Told what is under way.
    """

    spectra: Spectra
    plan: SplitPlan
    plsr: PLSRModel
    settings: SearchSettings
    device: Device
    on_step: Callable[[str], None]

    def run(self, chosen: tuple[Candidate, ...]) -> Evaluated:
        """Fit and calibrate on the training rows, then score on the test rows."""
        train, plsr = self.spectra.rows(self.plan.train), self.plsr
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
        notes: list[str] = []
        fitted = [self._calibrated(one, train, notes) for one in fitted]
        test = self.spectra.rows(self.plan.unseal())
        by_plsr = plsr.predict(test.values)
        found = {KEPT[f.name]: f.calibrated for f in fitted if f.calibrated is not None}
        domain = next((c.domain for c in found.values()), None)  # of the rows, not of a model
        inside = domain.measure(test.values).inside if domain else ()
        return Evaluated(
            test=test,
            models=tuple(self._trusted(one, test, by_plsr, inside, notes) for one in fitted),
            in_domain=inside,
            calibrated=found,
            notes=tuple(notes),
        )

    def _calibrated(self, one: _Fitted, train: Spectra, notes: list[str]) -> _Fitted:
        """Give the winner and PLSR their twins; where that fails, note why."""
        if one.name not in KEPT or one.model is None:
            return one
        # The folds of the first repeat: each row is scored by one of them.
        folds = self.plan.folds[: self.plan.n_folds]
        twins = Twins(train=train, folds=folds, settings=self.settings, device=self.device)
        self.on_step(f"calibrating {one.name}: {len(folds)} twins")
        try:
            if one.trial is None:
                return replace(one, calibrated=twins.calibrate_plsr(self.plsr))
            design, epochs = self.settings.space.decode(one.trial.params), one.trial.best_epoch
            assert epochs is not None
            return replace(one, calibrated=twins.calibrate_networks(one.model, design, epochs))
        except TrialFailed as error:
            notes.append(f"{one.name} has no intervals and cannot be kept: {error}.")
            return one

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

    def _trusted(
        self,
        one: _Fitted,
        test: Spectra,
        by_plsr: FloatArray,
        inside: tuple[bool, ...],
        notes: list[str],
    ) -> ModelResult:
        """Score a model, and its intervals if it has any."""
        row = self._score(one, test, by_plsr)
        if one.calibrated is None or row.scores is None:
            return row
        found = measure_intervals(
            partial(bounds, one.calibrated, test.values),
            test.target,
            np.array(row.predicted),
            inside,
        )
        if isinstance(found, str):
            notes.append(f"{one.name} has no intervals: {found}")
            return row
        return replace(row, lower=found.lower, upper=found.upper, trust=found.trust)

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
    return say_verdict(
        winner.scores, winner.versus_plsr, plsr.scores, names=("the CNN", PLSR), unit=unit
    )
