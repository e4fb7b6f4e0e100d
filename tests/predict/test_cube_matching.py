"""Cubes onto a model: channels by name, the window as it is, differences told."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.data.cubes.cubes import Cubes
from autospec.errors import DataError
from autospec.predict.cube_matching import fit_cubes
from autospec.predict.predictions import predict
from tests.evaluate.made_cubes import made_cubes
from tests.predict.made_cube_bundles import cube_bundle

BUNDLE = replace(cube_bundle(), synthetic=False)
NEW = replace(made_cubes(6, seed=5), synthetic=False)


def reordered(cubes: Cubes, place: list[int], names: tuple[str, ...] | None = None) -> Cubes:
    return replace(
        cubes,
        values=cubes.values[:, place],
        valid=cubes.valid[:, place],
        channels=names or tuple(cubes.channels[i] for i in place),
    )


def test_the_models_own_channels_are_passed_on_as_they_are() -> None:
    assert fit_cubes(NEW, BUNDLE) == (NEW, ())


@pytest.mark.parametrize("place", [[2, 0, 1], [1, 0, 2]])
def test_the_order_of_channels_does_not_matter(place: list[int]) -> None:
    other = reordered(NEW, place)
    found = predict(cube_bundle(), other)
    assert np.array_equal(found.predicted, predict(cube_bundle(), NEW).predicted)
    assert "channels put into the model's order by their names" in found.notes


def test_more_channels_are_left_out_and_said() -> None:
    more = reordered(NEW, [0, 1, 1, 2], ("rain", "ndvi", "night light", "height"))
    matched, notes = fit_cubes(more, BUNDLE)
    assert np.array_equal(matched.values, NEW.values) and matched.channels == NEW.channels
    assert notes == ("channels that the model does not know, left out: night light",)


WRONG: dict[str, tuple[Cubes, str]] = {
    "missing": (reordered(NEW, [0, 2]), "channel 'ndvi' is missing: found rain, height; the model"),
    "misspelt": (replace(NEW, channels=("rain", "NDVI ", "height")), "channel 'ndvi' is missing"),
    "near": (replace(NEW, channels=("rain", "ndvi2", "height")), "Did you mean 'ndvi2'?"),
    "twice": (reordered(NEW, [0, 1, 2, 1]), "channel 'ndvi' is there 2 times; want it once"),
    "larger": (
        made_cubes(3, (3, 7, 7, 4)),
        "windows of 7 x 7 cells and 4 dates; the",
    ),
    "fewer dates": (made_cubes(3, (3, 5, 5, 3)), "extract ... --window 5 --steps 4"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_the_model_cannot_use_is_refused_with_what_it_wants(name: str) -> None:
    cubes, words = WRONG[name]
    with pytest.raises(DataError) as caught:
        fit_cubes(cubes, BUNDLE)
    assert words in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(DataError) as caught:
        fit_cubes(made_cubes(3, (1, 6, 6, 2)), BUNDLE)
    assert len(caught.value.problems) == 3


SOME: dict[str, tuple[Cubes, str]] = {
    "crs": (replace(NEW, crs="EPSG:32633"), "coordinates are in EPSG:32633, those that the model"),
    "daily": (
        replace(NEW, times=NEW.times[:, :1] + np.arange(4) * np.timedelta64(86400, "s")),
        "dates are 1 days apart, those that the model learned from 30",
    ),
    "synthetic": (replace(NEW, synthetic=True), "the samples are SYNTHETIC"),
}


@pytest.mark.parametrize("name", SOME)
def test_a_difference_that_the_model_cannot_see_is_told(name: str) -> None:
    cubes, words = SOME[name]
    _, notes = fit_cubes(cubes, BUNDLE)
    assert len(notes) == 1 and words in notes[0]


def test_a_model_of_made_up_samples_says_so() -> None:
    _, notes = fit_cubes(NEW, cube_bundle())
    assert notes == ("the model learned from SYNTHETIC samples: it knows nothing of real ones",)
