"""`SpectralRegressor`: one fixed design with scikit-learn's manners."""

from __future__ import annotations

from typing import Self

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import FloatArray, Quantity, Spectra
from autospec.nets.architecture import PUBLISHED, Architecture
from autospec.training.config import TrainingConfig
from autospec.training.ensemble import fit_ensemble, with_epochs
from autospec.training.trainer import Device


class SpectralRegressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """A 1D-CNN of fixed architecture, fitted as an ensemble.

    Parameters
    ----------
    architecture : Architecture, optional
        What to train; by default the published one of the site Sweden.
    preprocessing : Preprocessing, optional
        What is done to the spectra first; by default only per-band standardisation at the
        spectra's own step.
    training : TrainingConfig, optional
        How it learns.
    axis : array-like of shape (b,), optional
        Ascending band positions; by default 0, 1, 2, ...
    quantity : {"absorbance", "reflectance"}
        What the spectra are.
    epochs : int
        Epochs to train; nothing is held out to stop earlier.
    members : int
        Networks in the ensemble.
    random_state : int
        Fixes weights, dropout and the order of batches.
    device : {"auto", "cpu", "cuda"}
        Where networks train.
    """

    def __init__(
        self,
        architecture: Architecture | None = None,
        preprocessing: Preprocessing | None = None,
        training: TrainingConfig | None = None,
        *,
        axis: FloatArray | None = None,
        quantity: Quantity = "absorbance",
        epochs: int = 60,
        members: int = 5,
        random_state: int = 0,
        device: Device = "auto",
    ) -> None:
        self.architecture = architecture
        self.preprocessing = preprocessing
        self.training = training
        self.axis = axis
        self.quantity = quantity
        self.epochs = epochs
        self.members = members
        self.random_state = random_state
        self.device = device

    def fit(self, X: FloatArray, y: FloatArray) -> Self:
        """Fit preprocessing and networks.

        Parameters
        ----------
        X : array-like of shape (n, b)
            Spectra.
        y : array-like of shape (n,)
            Lab values.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        spectra = as_spectra(X, np.asarray(y, dtype=np.float64), self.axis, self.quantity)
        recipe = self.preprocessing or Preprocessing(quantity=self.quantity, step=1e-9)
        seeds = np.random.SeedSequence(self.random_state).generate_state(self.members)
        self.ensemble_ = fit_ensemble(
            spectra,
            recipe,
            self.architecture or PUBLISHED["sweden"],
            with_epochs(self.training or TrainingConfig(), self.epochs),
            seeds=tuple(int(seed) for seed in seeds),
            device=self.device,
        )
        return self

    def predict(self, X: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for spectra of shape (n, b)."""
        check_is_fitted(self)
        return self.ensemble_.predict(validate_data(self, X, dtype=np.float64, reset=False))


def as_spectra(
    X: FloatArray,
    y: FloatArray,
    axis: FloatArray | None,
    quantity: Quantity,
    groups: FloatArray | None = None,
) -> Spectra:
    """Wrap plain arrays, shapes (n, b) and (n,), as spectra whose rows are their own groups."""
    ids = tuple(str(i) for i in range(len(X)))
    positions = np.arange(X.shape[1], dtype=np.float64) if axis is None else np.array(axis, float)
    if positions.shape != (X.shape[1],) or not np.all(np.diff(positions) > 0):
        raise ValueError(f"axis: want {X.shape[1]} ascending band positions")
    return Spectra(
        values=X.copy(),
        axis=positions,
        axis_unit="nm",
        quantity=quantity,
        ids=ids,
        groups=ids if groups is None else tuple(str(g) for g in groups),
        fields=("",) * len(X),
        target=y.copy(),
        target_name="y",
        target_unit="",
    )
