"""The final evaluation of a search on cubes: the sealed test samples are opened, once a run.

Here, and nowhere else in such a search, `SplitPlan.unseal` is called. The winner, Small3DCNN, the
random control's winner, the baselines and the mean are fitted on the same training samples and
scored on the same test samples. The winner gets intervals and a domain beforehand, from the
training samples alone, and, when asked, all models their scores under folds that leak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold, SplitPlan
from autospec.errors import TrialFailed
from autospec.evaluate.cube_baselines import CubeBaseline
from autospec.evaluate.cube_metrics import mean_absolute_error, squared_correlation
from autospec.evaluate.cube_trust import (
    CalibratedCubes,
    CubePredictor,
    calibrate_cubes,
    cube_bounds,
)
from autospec.evaluate.metrics import compare, score
from autospec.evaluate.verdict import say_verdict
from autospec.search.candidates import WINNER, Candidate
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.leakage import OutOfFold, measure_leakage, refits_of
from autospec.search.cubes.result import CubeModel, LeakageRow
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.twins import predict_missed, train_twins
from autospec.search.result import TrialRecord
from autospec.search.trusting import measure_intervals
from autospec.training.cube_ensemble import CubeEnsemble, fit_cube_ensemble
from autospec.training.ensemble import with_epochs
from autospec.training.trainer import Device

NOT_AS_PUBLISHED = (
    "the published layers, trained by autospec's recipe and not as published: five times the "
    "learning rate, fewer epochs"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubesEvaluated:
    """What the final evaluation found.

    Parameters
    ----------
    test : Cubes
        The test samples.
    models : tuple of CubeModel
        The candidates, then the baselines.
    in_domain : tuple of bool, length n_test
        Whether each test sample is inside the applicability domain; empty if it was not measured.
    calibrated : CalibratedCubes or None
        The winner, if its twins could be trained.
    out_of_fold : float64, shape (n_train,), or None
        Predictions of the winner's twins; NaN where no fold scores a sample.
    leakage : tuple of LeakageRow
        Empty unless it was asked for.
    notes : tuple of str
        What is missing, and why.
    """

    test: Cubes
    models: tuple[CubeModel, ...]
    in_domain: tuple[bool, ...]
    calibrated: CalibratedCubes | None
    out_of_fold: FloatArray | None
    leakage: tuple[LeakageRow, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Winner:
    """The best design, to be trained once a fold."""

    train: Cubes
    design: CubeDesign
    epochs: int
    seed: int
    device: Device

    def train_twins(self, folds: tuple[Fold, ...]) -> tuple[CubeEnsemble, ...]:
        return train_twins(
            self.train, folds, self.design, self.epochs, seed=self.seed, device=self.device
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubesFinalEvaluation:
    """Fits the candidates on the training samples, and scores all models on the sealed.

    Parameters
    ----------
    cubes : Cubes
        All labelled samples.
    plan : SplitPlan
        Which of them are sealed.
    baselines : tuple of CubeBaseline
        Tuned and fitted on the training samples.
    settings : CubeSettings
        Space, seed and members of the refits.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    on_step : callable (str) -> None
        Told what is under way.
    """

    cubes: Cubes
    plan: SplitPlan
    baselines: tuple[CubeBaseline, ...]
    settings: CubeSettings
    device: Device
    on_step: Callable[[str], None]

    def run(self, chosen: tuple[Candidate, ...]) -> CubesEvaluated:
        """Fit and calibrate on the training samples, then score on the test samples."""
        train = self.cubes.rows(self.plan.train)
        rows, predictors = self._refits(train, chosen)
        notes: list[str] = []
        assert chosen[0].name == WINNER
        design, epochs = self._design(chosen[0].trial)
        seed, device = self.settings.seed, self.device
        winner = _Winner(train=train, design=design, epochs=epochs, seed=seed, device=device)
        calibrated, missed = self._calibrate(train, winner, predictors[WINNER], notes)
        leakage: tuple[LeakageRow, ...] = ()
        if self.settings.show_leakage:
            leakage = self._leakage(train, winner, missed, notes)
        test = self.cubes.rows(self.plan.unseal())
        for baseline in self.baselines:
            rows.append(_row_of(baseline))
            predictors[baseline.name] = baseline.model
        rows = self._scored(rows, predictors, test)
        inside = calibrated.domain.measure(test).inside if calibrated else ()
        if calibrated is not None:
            rows[0] = _with_intervals(rows[0], calibrated, test, inside, notes)
        return CubesEvaluated(
            test=test,
            models=tuple(rows),
            in_domain=inside,
            calibrated=calibrated,
            out_of_fold=missed,
            leakage=leakage,
            notes=tuple(notes),
        )

    def _refits(
        self, train: Cubes, chosen: tuple[Candidate, ...]
    ) -> tuple[list[CubeModel], dict[str, CubePredictor | None]]:
        """Refit each candidate; one that is the same trial as another is fitted once."""
        rows: list[CubeModel] = []
        predictors: dict[str, CubePredictor | None] = {}
        done: dict[int, tuple[CubeModel, CubePredictor | None]] = {}
        for candidate in chosen:
            trial = candidate.trial
            row, model = done.get(id(trial)) or self._refit(train, candidate)
            done[id(trial)] = row, model
            rows.append(replace(row, name=candidate.name, kind=candidate.kind))
            predictors[candidate.name] = model
        return rows, predictors

    def _refit(self, train: Cubes, candidate: Candidate) -> tuple[CubeModel, CubePredictor | None]:
        trial, members = candidate.trial, self.settings.members
        design, epochs = self._design(trial)
        detail = design.preprocessing.describe()
        if trial.label:  # the winner too, where Small3DCNN won
            detail = f"{detail}; {NOT_AS_PUBLISHED}"
        row = CubeModel(
            name=candidate.name,
            kind=candidate.kind,
            detail=detail,
            cv_rmse=trial.value,
            predicted=(),
            scores=None,
            epochs=epochs,
            n_parameters=trial.n_parameters,
            trial=trial.number,
        )
        self.on_step(f"refitting {candidate.name}: {members} networks, {epochs} epochs")
        try:
            return row, refit(train, design, epochs, self.settings, self.device)
        except TrialFailed as error:
            return replace(row, detail=f"the refit failed: {error}"), None

    def _design(self, trial: TrialRecord) -> tuple[CubeDesign, int]:
        assert trial.best_epoch is not None
        return self.settings.space.decode(trial.params), trial.best_epoch

    def _calibrate(
        self,
        train: Cubes,
        winner: _Winner,
        model: CubePredictor | None,
        notes: list[str],
    ) -> tuple[CalibratedCubes | None, FloatArray | None]:
        """Train the winner's twins, and calibrate it; where that fails, note why."""
        if model is None:
            return None, None
        folds = self.plan.folds
        self.on_step(f"calibrating {WINNER}: {len(folds)} twins")
        try:
            twins = winner.train_twins(folds)
            missed = predict_missed(train, folds, twins)
            of_fold = dict(zip(folds, twins, strict=True))
            log = winner.design.training.target_transform == "log1p"
            return calibrate_cubes(model, train, folds, of_fold.__getitem__, log=log), missed
        except TrialFailed as error:
            notes.append(f"{WINNER} has no intervals and cannot be kept: {error}.")
            return None, None

    def _leakage(
        self, train: Cubes, winner: _Winner, missed: FloatArray | None, notes: list[str]
    ) -> tuple[LeakageRow, ...]:
        """Score all models under random folds too; the winner's honest twins are trained."""
        honest = self.plan.folds

        def by_twins(folds: tuple[Fold, ...]) -> FloatArray:
            if folds is honest and missed is not None:
                return missed
            return predict_missed(train, folds, winner.train_twins(folds))

        self.on_step("scoring the models under random folds too, to show what leaks")
        models: dict[str, OutOfFold] = {WINNER: by_twins}
        models |= {b.name: refits_of(train, b) for b in self.baselines}
        try:
            return measure_leakage(train, honest, models, seed=self.settings.seed)
        except TrialFailed as error:
            notes.append(f"The scores under random folds are missing: {error}.")
            return ()

    def _scored(
        self, rows: list[CubeModel], predictors: dict[str, CubePredictor | None], test: Cubes
    ) -> list[CubeModel]:
        """Add predictions and scores of the test samples, against the best baseline."""
        predicted = {name: m.predict(test) for name, m in predictors.items() if m is not None}
        rival = best_baseline(self.baselines).name
        seed = self.settings.seed

        def scored(row: CubeModel) -> CubeModel:
            if row.name not in predicted:
                return row
            own, other = predicted[row.name], predicted[rival]
            same = row.name == rival
            return replace(
                row,
                predicted=tuple(float(p) for p in own),
                scores=score(test.target, own, seed=seed),
                versus_baseline=None if same else compare(test.target, own, other, seed=seed),
                mae=mean_absolute_error(test.target, own, seed=seed),
                pearson_r2=squared_correlation(test.target, own, seed=seed),
            )

        return [scored(row) for row in rows]


def best_baseline(baselines: tuple[CubeBaseline, ...]) -> CubeBaseline:
    """Return the baseline that the inner folds found best; no test sample has a say."""
    tuned = [(b.cv_rmse, i) for i, b in enumerate(baselines) if b.cv_rmse is not None]
    return baselines[min(tuned)[1]]  # the mean, at least, is scored by the folds


def _row_of(baseline: CubeBaseline) -> CubeModel:
    return CubeModel(
        name=baseline.name,
        kind="baseline",
        detail=baseline.detail,
        cv_rmse=baseline.cv_rmse,
        predicted=(),
        scores=None,
    )


def _with_intervals(
    row: CubeModel,
    calibrated: CalibratedCubes,
    test: Cubes,
    inside: tuple[bool, ...],
    notes: list[str],
) -> CubeModel:
    """Add intervals and how they did, or note why there are none."""
    bounds = partial(cube_bounds, calibrated, test)
    found = measure_intervals(bounds, test.target, np.array(row.predicted), inside)
    if isinstance(found, str):
        notes.append(f"{row.name} has no intervals: {found}")
        return row
    return replace(row, lower=found.lower, upper=found.upper, trust=found.trust)


def refit(
    train: Cubes, design: CubeDesign, epochs: int, settings: CubeSettings, device: Device
) -> CubeEnsemble:
    """Fit a design on all training samples with ``settings.members`` seeds."""
    seeds = np.random.SeedSequence([settings.seed, 1]).generate_state(settings.members)
    return fit_cube_ensemble(
        train,
        design.preprocessing,
        design.architecture,
        with_epochs(design.training, epochs),
        seeds=tuple(int(seed) for seed in seeds),
        device=device,
    )


def verdict(models: tuple[CubeModel, ...], baseline: str, unit: str) -> str:
    """Say in one sentence whether the winner beats the best baseline beyond noise."""
    rows = {m.name: m for m in models}
    winner, rival = rows[WINNER], rows[baseline]
    words = "the mean of the training samples" if baseline == "mean" else baseline
    if winner.scores is None or winner.versus_baseline is None or rival.scores is None:
        return f"The winner could not be refitted, so there is nothing to compare with {words}."
    return say_verdict(
        winner.scores, winner.versus_baseline, rival.scores, names=("the 3D-CNN", words), unit=unit
    )
