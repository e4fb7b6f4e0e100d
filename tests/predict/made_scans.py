"""A kept model of made soil reflectance, and scans to predict as tables; no tests here."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from autospec.data.spectra import FloatArray, Spectra
from autospec.data.splits import make_folds
from autospec.evaluate.baselines import fit_plsr
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.evaluate.fitted import Predictor
from autospec.predict.bundle import make_bundle
from autospec.predict.document import ModelBundle, describe_provenance
from tests.data.soil_tables import AXIS, soil_reflectance
from tests.localisation.landscape import few_recipes


def soil_spectra(n: int = 30, seed: int = 0, first: int = 0) -> Spectra:
    """Reflectance of soils that are darker the more carbon they hold, from the first band on."""
    values = soil_reflectance(n, seed)[:, first:]
    ids = tuple(f"S-{i}" for i in range(n))
    rng = np.random.default_rng(seed + 100)
    return Spectra(
        values=values,
        axis=np.array(AXIS[first:], dtype=np.float64),
        axis_unit="nm",
        quantity="reflectance",
        ids=ids,
        groups=ids,
        fields=("made",) * n,
        target=40 - 80 * values.mean(axis=1) + rng.normal(0, 0.5, n),
        target_name="soc",
        target_unit="g/kg",
        provenance=("made by the tests",),
    )


@cache
def soil_model(first: int = 0) -> CalibratedModel:
    """PLSR of 30 rows, with five twins."""
    train = soil_spectra(first=first)

    def fit(rows: Spectra) -> Predictor:
        return fit_plsr(rows, make_folds(rows, 3, 1, 0))

    with few_recipes():
        folds = make_folds(train, 5, 1, 0)
        return calibrate(fit(train), train, folds, lambda f: fit(train.rows(f.fit)), log=False)


@cache
def soil_bundle(first: int = 0) -> ModelBundle:
    """PLSR of 30 rows, 350 (or the first band) to 2490 nm."""
    calibrated = soil_model(first)
    return make_bundle(
        calibrated,
        name="soil",
        model_kind="PLSR",
        provenance=describe_provenance("api", calibrated.train),
    )


def scans(n: int = 12, seed: int = 7) -> pd.DataFrame:
    """A table of scans, ids first, one column a band; fractions of six decimals."""
    return frame(np.round(soil_reflectance(n, seed), 6), AXIS)


def frame(values: FloatArray, axis: object) -> pd.DataFrame:
    """Name rows and bands."""
    table = pd.DataFrame(values, columns=[f"{band:.10g}" for band in np.asarray(axis)])
    table.insert(0, "sample", [f"N-{i}" for i in range(len(values))])
    return table


def as_csv(table: pd.DataFrame, path: Path) -> Path:
    """Write a table and return its path."""
    table.to_csv(path, index=False)
    return path
