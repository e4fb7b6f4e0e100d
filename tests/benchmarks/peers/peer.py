"""`Peer`: another program's way from a farm's training rows to predictions, and how it is fitted.

Peers see what our baselines of the farm's rows see, and nothing more: spectra averaged to about
216 bands (reflectance), lab values, and which rows are replicates of one sample.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol

import numpy as np

from autospec.data.spectra import FloatArray, IntArray

Predict = Callable[[FloatArray], FloatArray]
SEED = 0
FOLDS = 5


class Fit(Protocol):
    """Tunes and fits on training rows; all its choices are made from them."""

    def __call__(self, values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
        """Return what predicts rows of spectra.

        It is called, and what it returns is called, in an empty folder where files may be left.

        Parameters
        ----------
        values : float64, shape (n, b)
            Reflectance, 0 to 1.
        target : float64, shape (n,)
            Lab values.
        groups : sequence of str
            Of each row; replicates of a sample share one.
        """


def nothing_lacks() -> str:
    """Say that a peer needs nothing beside its package."""
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One peer.

    Parameters
    ----------
    name : str
        Its row in the table.
    about : str
        How it is used, in one line.
    package : str
        What has to be installed; its version is kept with each line.
    fit : Fit
    install : str
        What pip is given, if it is not the package's name.
    lacks : callable () -> str
        What else is missing here, in words; "" if nothing. Asked only if the package is there.
    """

    name: str
    about: str
    package: str
    fit: Fit
    install: str = ""
    lacks: Callable[[], str] = nothing_lacks

    def version(self) -> str | None:
        """Return the package's version, or None where it is not installed."""
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None

    def missing(self) -> str:
        """Say in one line why it cannot run here, and what helps; "" if it can."""
        if self.version() is None:
            wanted = self.install or self.package
            return f"{self.package} is not installed. Run: pip install {wanted}"
        return self.lacks()


def number_folds(groups: Sequence[str]) -> IntArray:
    """Deal groups to five folds at random, whole; the number of each row's fold, shape (n,)."""
    names, of_row = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(SEED).permutation(len(names))
    return np.asarray((order % FOLDS)[of_row], dtype=np.int64)
