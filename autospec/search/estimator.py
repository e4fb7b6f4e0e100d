"""`SpectralSearchCV`: a search with scikit-learn manners; fit searches, then refits on all rows."""

from __future__ import annotations

from dataclasses import replace
from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from autospec.data.spectra import FloatArray, Quantity
from autospec.data.splits import make_folds
from autospec.search.candidates import best_trial
from autospec.search.execution import SEEDS_APART
from autospec.search.final import refit
from autospec.search.objective import CrossValidation
from autospec.search.plan import StudyPlan
from autospec.search.progress import silent
from autospec.search.settings import SearchSettings
from autospec.search.study import open_study, run_study
from autospec.search.trials import trial_records
from autospec.training.estimator import as_spectra
from autospec.training.trainer import Device


class SpectralSearchCV(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """Bayesian search of a 1D-CNN by cross-validation on the given rows, refitted on all of them.

    There is no sealed test set here: as with scikit-learn's searches, the caller holds one out.

    Parameters
    ----------
    settings : SearchSettings, optional
        What to search; its `test_fraction` and `budget_s` do not apply, its `trials` and folds do.
    axis : array-like of shape (b,), optional
        Ascending band positions; by default 0, 1, 2, ...
    quantity : {"absorbance", "reflectance"}
        What the spectra are.
    random_state : int, optional
        Takes the place of the settings' seed.
    device : {"auto", "cpu", "cuda"}
        Where networks train.

    Attributes
    ----------
    best_design_ : Design
        The winner.
    best_score_ : float
        Its mean fold RMSE: tuned, so optimistic.
    trials_ : tuple of TrialRecord
        All trials.
    """

    def __init__(
        self,
        settings: SearchSettings | None = None,
        *,
        axis: FloatArray | None = None,
        quantity: Quantity = "absorbance",
        random_state: int | None = None,
        device: Device = "auto",
    ) -> None:
        self.settings = settings
        self.axis = axis
        self.quantity = quantity
        self.random_state = random_state
        self.device = device

    def fit(self, X: FloatArray, y: FloatArray, groups: FloatArray | None = None) -> Self:
        """Search, then fit the winner on all rows.

        Parameters
        ----------
        X : array-like of shape (n, b)
            Spectra.
        y : array-like of shape (n,)
            Lab values.
        groups : array-like of shape (n,), optional
            What a fold keeps whole.
        """
        settings = self.settings or SearchSettings()
        if self.random_state is not None:
            settings = replace(settings, seed=self.random_state)
        X, y = validate_data(
            self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2 * settings.folds
        )
        train = as_spectra(X, np.asarray(y, dtype=np.float64), self.axis, self.quantity, groups)
        plan = StudyPlan(
            validation=CrossValidation(
                train=train,
                folds=make_folds(train, settings.folds, settings.repeats, settings.seed),
                seed=settings.seed + SEEDS_APART,
                device=self.device,
            ),
            settings=settings,
            fingerprint={"data_digest": train.digest},
            should_stop=lambda: None,
            report=silent,
        )
        study = open_study(None, "search", plan)
        run_study(study, plan)
        self.trials_ = trial_records(study)
        best = best_trial(self.trials_)
        assert best.value is not None and best.best_epoch is not None
        self.best_design_ = settings.space.decode(best.params)
        self.best_score_ = best.value
        self.ensemble_ = refit(train, self.best_design_, best.best_epoch, settings, self.device)
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for spectra of shape (n, b)."""
        check_is_fitted(self)
        return self.ensemble_.predict(validate_data(self, X, dtype=np.float64, reset=False))
