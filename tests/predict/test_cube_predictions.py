"""Predictions of cubes: intervals, domain, windows without values, blocks, and their file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import autospec
from autospec.data.cubes.cubes import Cubes
from autospec.errors import DataError, UsageError
from autospec.evaluate.cube_trust import cube_bounds
from autospec.predict import cube_predictions as module
from autospec.predict.answers import NO_NUMBER
from autospec.predict.cube_predictions import EMPTY, open_cube_runner
from autospec.predict.cube_streaming import predict_cubes_into
from autospec.predict.output import COLUMNS, refuse_to_lose
from autospec.predict.predictions import predict
from autospec.predict.streaming import Progress
from tests.conftest import made_spectra
from tests.evaluate.made_cubes import made_cubes
from tests.predict.made_bundles import tiny_bundle
from tests.predict.made_cube_bundles import cube_bundle, cube_model

NEW = made_cubes(12, seed=5)


def without(cubes: Cubes, rows: list[int]) -> Cubes:
    """Take every value of some samples away."""
    valid = cubes.valid.copy()
    valid[rows] = False
    return replace(cubes, valid=valid, values=np.where(valid, cubes.values, np.float32(0)))


def test_intervals_and_domain_are_those_of_the_calibrated_model() -> None:
    found, made = predict(cube_bundle(), NEW, level=0.8), cube_model()
    predicted = made.model.predict(NEW)
    lower, upper = cube_bounds(made, NEW, predicted, 0.8)
    assert np.array_equal(found.predicted, predicted)
    np.testing.assert_allclose(found.lower, lower, rtol=1e-12)
    np.testing.assert_allclose(found.upper, upper, rtol=1e-12)
    measured = made.domain.measure(NEW)
    assert found.reasons == measured.reasons
    assert found.in_domain.tolist() == list(measured.inside)
    assert found.ids == NEW.ids and found.level == 0.8


def test_without_a_level_there_are_no_intervals() -> None:
    found = predict(cube_bundle(), NEW, level=None)
    assert np.isnan(found.lower).all() and np.isfinite(found.predicted).all()


def test_a_level_that_the_rows_cannot_support_is_refused() -> None:
    with pytest.raises(UsageError, match=r"level 0\.99 wants at least 99 calibration rows"):
        predict(cube_bundle(), NEW, level=0.99)


def test_a_sample_without_values_is_no_number_and_costs_no_other() -> None:
    found, whole = predict(cube_bundle(), without(NEW, [0, 7])), predict(cube_bundle(), NEW)
    lost = np.isin(np.arange(12), [0, 7])
    assert np.array_equal(np.isnan(found.predicted), lost)
    assert np.isnan(found.lower[lost]).all() and np.isnan(found.q[lost]).all()
    assert [why == EMPTY for why in found.reasons] == lost.tolist()
    np.testing.assert_allclose(found.predicted[~lost], whole.predicted[~lost], rtol=1e-6)


def test_a_flood_of_gaps_is_predicted_and_put_outside_with_the_channel() -> None:
    valid = NEW.valid.copy()
    valid[:, 1, :, :, 1:] = False
    flooded = replace(NEW, valid=valid, values=np.where(valid, NEW.values, np.float32(0)))
    found = predict(cube_bundle(), flooded)
    assert np.isfinite(found.predicted).all() and not found.in_domain.any()
    assert all("ndvi: " in why and "% of its cells have no value" in why for why in found.reasons)


def test_values_beyond_all_numbers_give_no_number() -> None:
    values = NEW.values.copy()
    values[3] *= np.float32(1e35)
    found = predict(cube_bundle(), replace(NEW, values=values))
    assert np.isnan(found.predicted[3]) or not found.in_domain[3]
    assert found.reasons[3] and np.isfinite(np.delete(found.predicted, 3)).all()
    assert NO_NUMBER in found.reasons[3] or "above" in found.reasons[3]


def test_blocks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = predict(cube_bundle(), NEW)
    monkeypatch.setattr(module, "BLOCK_CELLS", 5 * 3 * 5 * 5 * 4)
    parts = predict(cube_bundle(), NEW)
    np.testing.assert_allclose(parts.predicted, whole.predicted, rtol=1e-6)  # float32 networks
    np.testing.assert_allclose(parts.upper, whole.upper, rtol=1e-6)
    assert parts.ids == whole.ids and parts.reasons == whole.reasons


def test_no_samples_give_no_predictions() -> None:
    found = predict(cube_bundle(), NEW.rows([]))
    assert found.ids == () and found.predicted.shape == (0,)


def test_a_model_and_samples_of_different_kinds_are_refused() -> None:
    words = r"want a ModelBundle, from load_model\(FILE\), and Spectra.* or a CubeBundle and Cubes"
    with pytest.raises(UsageError, match=words):
        predict(cube_bundle(), made_spectra(4))
    with pytest.raises(UsageError, match=r"predict\(ModelBundle, Cubes\): " + words):
        autospec.predict(tiny_bundle(), NEW)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_file_holds_every_sample_with_its_place(suffix: str, tmp_path: Path) -> None:
    path, told = tmp_path / f"out{suffix}", list[Progress]()
    cubes = without(NEW, [2])
    summary = predict_cubes_into(open_cube_runner(cube_bundle()), cubes, path, progress=told.append)
    table = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    found = predict(cube_bundle(), cubes)
    assert list(table) == ["id", "x", "y", *COLUMNS]
    assert np.array_equal(table["prediction"], found.predicted, equal_nan=True)
    assert np.array_equal(table["upper"], found.upper, equal_nan=True)
    assert np.array_equal(table["x"], NEW.x) and np.array_equal(table["y"], NEW.y)
    assert table["row"].tolist() == list(range(1, 13)) and tuple(table["id"]) == NEW.ids
    assert table["reason"][2] == f"not predicted: {EMPTY}"
    assert (summary.rows, summary.predicted, told[-1].rows) == (12, 11, 12)
    assert summary.bad[0].row_number == 3 and summary.bad[0].id == "p002"
    refuse_to_lose(path)  # an earlier file of predictions may be replaced


def test_rows_are_counted_through_all_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(module, "BLOCK_CELLS", 5 * 3 * 5 * 5 * 4)
    predict_cubes_into(open_cube_runner(cube_bundle()), NEW, tmp_path / "out.csv")
    table = pd.read_csv(tmp_path / "out.csv")
    assert table["row"].tolist() == list(range(1, 13)) and tuple(table["id"]) == NEW.ids


def test_a_file_of_nothing_is_not_written(tmp_path: Path) -> None:
    empty = without(NEW, list(range(12)))
    with pytest.raises(DataError, match="none of 12 rows can be predicted"):
        predict_cubes_into(open_cube_runner(cube_bundle()), empty, tmp_path / "out.csv")
    assert list(tmp_path.iterdir()) == []
