"""The model of a farm as one predictor: raw spectra give the numbers that auto gives."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Spectra
from autospec.localisation.auto import fit_autos
from autospec.localisation.candidates import learn_library
from autospec.localisation.farm_model import FarmModel
from autospec.localisation.members import fit_members
from autospec.localisation.preparation import Prepared, prepare
from autospec.localisation.protocol import inner_folds
from tests.localisation.landscape import AXIS, QUICK, few_recipes, landscape

WORLD = landscape(rows=20, samples=24, unlabelled=5)
FINE = np.arange(360.0, 1400.0, 5.0)
WAVENUMBERS = 1e7 / AXIS[::-1]


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


def on_axis(farm: Spectra, axis: FloatArray) -> Spectra:
    """Interpolate a farm's spectra, level beyond the ends, with an instrument's noise.

    Without noise some derivatives are 0 but for rounding, which a standardisation would blow up.
    """
    values = np.stack([np.interp(axis, farm.axis, row) for row in farm.values])
    noise = 1e-4 * np.random.default_rng(0).normal(size=values.shape)
    return replace(farm, values=values + noise, axis=axis)


def mirrored(farm: Spectra) -> Spectra:
    return replace(farm, values=farm.values[:, ::-1], axis=WAVENUMBERS, axis_unit="cm-1")


FARMS = {
    "same bands": WORLD.farm,
    "finer and wider": on_axis(WORLD.farm, FINE),
    "fewer": on_axis(WORLD.farm, AXIS[3:44]),
    "wavenumbers": mirrored(WORLD.farm),
    "reflectance": replace(WORLD.farm, values=10**-WORLD.farm.values, quantity="reflectance"),
}


def fitted(farm: Spectra) -> tuple[Prepared, FarmModel]:
    prepared = prepare((WORLD.library,), farm, QUICK, None)
    train = prepared.farm.rows(np.arange(18))
    folds = inner_folds(train.own, 0).folds
    models = learn_library(prepared.narrow, 0)
    members, failures = fit_members(models, train, folds, None, only_auto=True)
    assert not failures
    return prepared, FarmModel(
        axis=prepared.raw.axis,
        quantity=prepared.raw.quantity,
        grid=prepared.networked.axis,
        auto=fit_autos(members, train.own.target)[0],
    )


@pytest.mark.parametrize("name", FARMS)
def test_raw_spectra_give_what_auto_gives_on_prepared_ones(name: str) -> None:
    prepared, model = fitted(FARMS[name])
    assert np.array_equal(model.axis, FARMS[name].axis)
    for raw, ready in ((prepared.raw, prepared.farm), (prepared.waiting, prepared.unlabelled)):
        # sums run in the same order; only block sizes of matrix products differ
        np.testing.assert_allclose(model.predict(raw.values), model.auto.predict(ready), rtol=1e-9)


def test_a_row_predicted_alone_is_the_same() -> None:
    prepared, model = fitted(FARMS["finer and wider"])
    together = model.predict(prepared.waiting.values)
    alone = [model.predict(row[None])[0] for row in prepared.waiting.values]
    np.testing.assert_allclose(alone, together, rtol=1e-9)
