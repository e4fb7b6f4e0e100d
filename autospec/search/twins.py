"""The winner and PLSR with intervals and domain, from twins on the inner folds; no test row here.

A twin of the winner has its design and its number of epochs, which were chosen on all training
rows: a search in every fold would take as long as the search itself, times the folds. A twin of
PLSR chooses anew within its fold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.preprocess import make_pipeline
from autospec.data.spectra import Spectra
from autospec.data.splits import Fold, make_folds
from autospec.errors import TrialFailed
from autospec.evaluate.baselines import PLSRModel, plsr_recipes, tune_plsr
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.evaluate.fitted import Predictor
from autospec.search.design import Design
from autospec.search.settings import SearchSettings
from autospec.training.ensemble import Ensemble, fit_transform, with_epochs
from autospec.training.members import Member
from autospec.training.trainer import Device, resolve_device, train_members

MAX_TUNED_ROWS = 1000  # beyond them which of twelve recipes was chosen no longer moves an error


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Twins:
    """Gives fitted models their twins.

    Parameters
    ----------
    train : Spectra
        Training rows.
    folds : tuple of Fold
        Positions within `train`; every row is scored by exactly one.
    settings : SearchSettings
        Seed and folds.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    """

    train: Spectra
    folds: tuple[Fold, ...]
    settings: SearchSettings
    device: Device

    def calibrate_networks(self, model: Predictor, design: Design, epochs: int) -> CalibratedModel:
        """Calibrate networks of `design` that learned for `epochs`.

        Raises
        ------
        TrialFailed
            If a twin cannot be trained.
        """
        twins = dict(zip(self.folds, self._network_twins(design, epochs), strict=True))
        log = design.training.target_transform == "log1p"
        return calibrate(model, self.train, self.folds, twins.__getitem__, log=log)

    def calibrate_plsr(self, model: PLSRModel) -> CalibratedModel:
        """Calibrate a tuned PLSR.

        Raises
        ------
        TrialFailed
            If a fold leaves too few rows or groups to tune on.
        """

        def twin(fold: Fold) -> Predictor:
            return self._plsr_twin(self.train.rows(fold.fit), model)

        return calibrate(model, self.train, self.folds, twin, log=False)

    def _network_twins(self, design: Design, epochs: int) -> tuple[Ensemble, ...]:
        """Train one network a fold, all in step.

        One, where the model has several: with as many a fold, the file of the model would be
        several times as large. A single network errs a little more than the mean of several, so
        that the intervals err to the safe side.
        """
        seeds = np.random.SeedSequence([self.settings.seed, 2]).generate_state(len(self.folds))
        pipelines, members = [], []
        for fold, seed in zip(self.folds, seeds, strict=True):
            pipeline = make_pipeline(design.preprocessing, self.train.axis, self.train.quantity)
            x = fit_transform(pipeline, self.train.values[fold.fit])
            pipelines.append(pipeline)
            members.append(Member(x_fit=x, y_fit=self.train.target[fold.fit], seed=int(seed)))
        training = train_members(
            design.architecture,
            members,
            with_epochs(design.training, epochs),
            device=resolve_device(self.device),
        )
        return tuple(
            Ensemble(pipeline=pipeline, members=(member,))
            for pipeline, member in zip(pipelines, training.members, strict=True)
        )

    def _plsr_twin(self, rows: Spectra, model: PLSRModel) -> Predictor:
        """Tune PLSR on the rows of one fold, by folds of their own."""
        n_folds = min(self.settings.folds, len(set(rows.groups)))
        if n_folds < 2:
            raise TrialFailed("a fold leaves a single group to tune PLSR on")
        folds = make_folds(rows, n_folds, 1, self.settings.seed)
        if any(len(fold.fit) < 2 or not len(fold.score) for fold in folds):
            raise TrialFailed("a fold leaves too few rows to tune PLSR on")
        recipes = () if self.train.n <= MAX_TUNED_ROWS else (model.recipe,)
        (models,) = tune_plsr(rows, folds, (rows.target,), recipes)
        return min(models, key=lambda one: one.cv_rmse)


def plsr_twins_seconds(tuning_s: float, n: int, settings: SearchSettings) -> float:
    """Estimate how long the twins of PLSR take, from how long it took to tune it on n rows."""
    k = settings.folds
    each = tuning_s * (k + 1) / (k * settings.repeats + 1) * (k - 1) / k
    return k * each / (1 if n <= MAX_TUNED_ROWS else len(plsr_recipes()))
