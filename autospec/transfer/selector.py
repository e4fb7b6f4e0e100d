"""`RSLocalSelector`: RS-Local with scikit-learn's manners, on plain arrays."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted, check_X_y, validate_data

from autospec.data.spectra import FloatArray, IntArray
from autospec.training.estimator import as_spectra
from autospec.transfer.rs_local import rs_local
from autospec.transfer.selection import RSLocalSettings

if TYPE_CHECKING:
    from autospec.training.trainer import Device


class RSLocalSelector(BaseEstimator):  # type: ignore[misc]
    """Selects library rows, where scikit-learn's own selectors select columns.

    Parameters
    ----------
    settings : RSLocalSettings, optional
        What RS-Local does.
    random_state : int
        Fixes every draw.
    device : {"auto", "cpu", "cuda"}
        Where draws are fitted.

    Attributes
    ----------
    support_ : bool, shape (n,)
        Which library rows were kept.
    selection_ : Selection
        The same with its trace.
    n_features_in_ : int
        Bands.
    """

    def __init__(
        self,
        settings: RSLocalSettings | None = None,
        *,
        random_state: int = 0,
        device: Device = "auto",
    ) -> None:
        self.settings = settings
        self.random_state = random_state
        self.device = device

    def fit(
        self,
        X: FloatArray,
        y: FloatArray,
        *,
        local: tuple[FloatArray, FloatArray],
        groups: FloatArray | None = None,
    ) -> Self:
        """Select rows of the library.

        Parameters
        ----------
        X : array-like of shape (n, b)
            Library spectra.
        y : array-like of shape (n,)
            Library lab values.
        local : pair of array-like, shapes (m, b) and (m,)
            Local spectra and lab values: training rows only.
        groups : array-like of shape (n,), optional
            Library groups, for ``RSLocalSettings(grouped=True)``.

        Raises
        ------
        ValueError
            If an array is not of the shape named.
        AutospecError
            As `rs_local`.
        """
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        X_local, y_local = check_X_y(*local, dtype=np.float64, y_numeric=True)
        if X_local.shape[1] != self.n_features_in_:
            raise ValueError(
                f"local has {X_local.shape[1]} bands, X has {self.n_features_in_}; want the same"
            )
        library = as_spectra(X, np.asarray(y, dtype=np.float64), None, "absorbance", groups)
        farm = as_spectra(X_local, np.asarray(y_local, dtype=np.float64), None, "absorbance")
        farm = replace(farm, ids=tuple(f"local {i}" for i in farm.ids))  # numbers name no sample
        self.selection_ = rs_local(
            library, farm, self.settings, seed=self.random_state, device=self.device
        )
        self.support_ = np.zeros(len(X), dtype=bool)
        self.support_[self.selection_.indices] = True
        return self

    def get_support(self, indices: bool = False) -> IntArray:
        """Return which library rows were kept, as a mask (n,) or as row numbers, ascending."""
        check_is_fitted(self)
        return np.flatnonzero(self.support_) if indices else self.support_

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the kept rows of the library that was fitted on, shape (n_selected, b).

        Raises
        ------
        ValueError
            If `X` has not as many rows and bands as that library.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        if len(X) != len(self.support_):
            raise ValueError(
                f"X has {len(X)} rows, the fitted library {len(self.support_)}; "
                "want that library: the rows of other tables were not judged"
            )
        return np.asarray(X[self.support_])
