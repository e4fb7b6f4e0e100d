"""What the fields of a library say about the slopes of any farm (R: our construction).

On views of the spectra, a Gaussian process with a linear kernel is a linear regression with a
normal prior on its coefficients. Here the library alone is read: its fields are each centred,
spectra and lab values, so that instruments and levels of fields drop out and only slopes are
learned. What is left, a mean and a covariance of the slope function, is one *source*. All fields
together are a source, and so is each large field: which of them a farm is to believe is for its
own rows to say (`autospec.transfer.prior_regression`). Rasmussen & Williams 2006, Gaussian
Processes for Machine Learning, chapter 2, has the algebra.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, solve_triangular
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.evaluate.kernels import JITTER, amplitudes, linear_kernel
from autospec.evaluate.views import FOUR_VIEWS, Views, fit_views

TUNING_ROWS = 250  # of a source, for the kernel's settings; its time grows with their cube
PRIOR_ROWS = 1500  # of a source, that its posterior holds; likewise
SOURCE_ROWS = 30  # a field of fewer rows is no source of its own
SOURCES = 8  # fields that are: the largest
EVERYTHING = "all fields"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """What some rows of the library say: the posterior of the slopes of centred views.

    Parameters
    ----------
    name : str
        "all fields", or the field's.
    slope : float64, shape (bands,)
        Mean of the slope function: coefficients, in standard deviations `LibraryPrior.scale`.
    amplitude : float
        Prior variance of each coefficient.
    told : float64, shape (rows, bands)
        What the rows take from that: the covariance of the coefficients is
        amplitude·I − toldᵀ·told.
    """

    name: str
    slope: FloatArray
    amplitude: float
    told: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LibraryPrior:
    """What the slopes of the library's fields say about any farm; knows nothing of the farm.

    Parameters
    ----------
    views : Views
        Fitted on the library.
    recipes : tuple of Preprocessing
        Of the views.
    spread : float64, shape (bands,)
        Standard deviation of each band of the views within the library's fields.
    sources : tuple of Source
        All fields first, then single ones, the largest first.
    scale : float
        Standard deviation of the library's centred lab values, on the model's scale.
    root : bool
        Whether lab values are cube roots.
    """

    views: Views
    recipes: tuple[Preprocessing, ...]
    spread: FloatArray
    sources: tuple[Source, ...]
    scale: float
    root: bool

    @property
    def rows(self) -> int:
        """Library rows that its first source holds."""
        return len(self.sources[0].told)

    def see(self, values: FloatArray, centre: FloatArray) -> FloatArray:
        """Return raw spectra (n, b) under `views`, less `centre` (bands,), of unit length."""
        return unit_length(self.views.transform(values) - centre, self.spread)

    def condition(self, source: Source, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return mean (n,) and covariance (n, n) of a source's slope function.

        Parameters
        ----------
        source : Source
            One of `sources`.
        x : float64, shape (n, bands)
            Spectra of a farm as `see` returns them, `centre` the mean of its training rows.
        """
        known = x @ source.told.T
        covariance = source.amplitude * (x @ x.T) - known @ known.T
        return x @ source.slope * self.scale, covariance * self.scale**2


def fit_library_prior(
    library: Spectra,
    *,
    root: bool,
    recipes: Sequence[Preprocessing] = FOUR_VIEWS,
    seed: int = 0,
) -> LibraryPrior:
    """Learn the slopes that the library's fields share, and those of each large field.

    Parameters
    ----------
    library : Spectra
        Labelled rows, the farm's own purged.
    root : bool
        Learn cube roots: slopes of fields of different level compare better.
    recipes : sequence of Preprocessing
        The views.
    seed : int
        Fixes which rows are used, where a source has more than 1500.
    """
    views = fit_views(library, recipes)
    x = views.transform(library.values)
    z = np.cbrt(library.target) if root else library.target.copy()
    names = np.asarray(library.fields)
    for name in np.unique(names):
        rows = names == name
        x[rows] -= x[rows].mean(axis=0)
        z[rows] -= z[rows].mean()
    spread, scale = x.std(axis=0), float(z.std()) or 1.0
    x, z = unit_length(x, spread), z / scale
    order = np.random.default_rng(seed).permutation(len(z))
    return LibraryPrior(
        views=views,
        recipes=tuple(recipes),
        spread=spread,
        sources=tuple(_learn(name, x[rows], z[rows]) for name, rows in _parts(names, order)),
        scale=scale,
        root=root,
    )


def _parts(
    names: np.ndarray[tuple[int], np.dtype[np.str_]], order: IntArray
) -> list[tuple[str, IntArray]]:
    """Return each source's name and its rows, in `order`."""
    fields, sizes = np.unique(names, return_counts=True)
    largest = np.argsort(-sizes, kind="stable")[:SOURCES]
    alone = [i for i in largest if sizes[i] >= SOURCE_ROWS] if len(fields) > 1 else []
    single = [(str(fields[i]), order[names[order] == fields[i]]) for i in alone]
    return [(EVERYTHING, order), *single]


def _learn(name: str, x: FloatArray, z: FloatArray) -> Source:
    """Return the posterior of the slopes, given centred views (n, bands) and lab values (n,)."""
    tuned = GaussianProcessRegressor(linear_kernel(), alpha=JITTER, random_state=0)
    with warnings.catch_warnings():  # a setting at the end of its range is no fault
        warnings.simplefilter("ignore", ConvergenceWarning)
        tuned.fit(x[:TUNING_ROWS], z[:TUNING_ROWS])
    amplitude = amplitudes(tuned.kernel_)[0]
    noise = float(tuned.kernel_.k2.noise_level) + JITTER
    x, z = x[:PRIOR_ROWS], z[:PRIOR_ROWS]
    root, _ = cho_factor(amplitude * (x @ x.T) + noise * np.eye(len(z)), lower=True)
    told = solve_triangular(root, amplitude * x, lower=True)
    return Source(
        name=name,
        slope=told.T @ solve_triangular(root, z, lower=True),
        amplitude=amplitude,
        told=told,
    )


def unit_length(x: FloatArray, spread: FloatArray) -> FloatArray:
    """Return centred views with bands of one spread and rows of length about 1."""
    # A band that never varies within a field of the library says nothing, however a farm's does.
    known = np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    return np.asarray(x / known / np.sqrt(x.shape[1]))
