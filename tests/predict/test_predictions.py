"""Predictions of a kept model: aligned by value, in blocks, with intervals, domain and reasons."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, Spectra
from autospec.errors import DataError, UsageError
from autospec.evaluate.conformal import cv_plus
from autospec.predict import predictions as module
from autospec.predict.answers import Predictions
from autospec.predict.bundle import save_model
from autospec.predict.predictions import open_runner, predict
from autospec.predict.running import Runner
from tests.conftest import made_spectra
from tests.predict.made_bundles import bundle_of, plsr_model

KINDS = ("plsr", "networks", "auto")
NUMBERS = ("predicted", "lower", "upper", "q", "t2", "nearest")


def spectra_for(kind: str, n: int, seed: int = 5) -> FloatArray:
    bands = len(bundle_of(kind).axis)
    rng = np.random.default_rng(seed)
    smooth = np.cumsum(rng.normal(size=(n, bands)), axis=1) / 100
    return np.asarray(0.5 + smooth)


def same(one: Predictions, other: Predictions) -> bool:
    return one.reasons == other.reasons and all(
        np.array_equal(getattr(one, name), getattr(other, name), equal_nan=True) for name in NUMBERS
    )


@pytest.mark.parametrize("kind", KINDS)
def test_numbers_are_those_of_nodes_intervals_and_domain(kind: str) -> None:
    bundle, values = bundle_of(kind), spectra_for(kind, 9)
    found = open_runner(bundle, level=0.8).predict_values(values)
    point, *twins = Runner().predict((bundle.model, *bundle.twins), values)
    lower, upper = cv_plus(bundle.calibration, np.stack(twins), 0.8)
    distances = bundle.domain.measure(values)
    np.testing.assert_allclose(found.predicted, point, rtol=1e-12)
    np.testing.assert_allclose(found.lower, np.minimum(lower, point), rtol=1e-12)
    np.testing.assert_allclose(found.upper, np.maximum(upper, point), rtol=1e-12)
    np.testing.assert_allclose(found.t2, distances.t2, rtol=1e-9)
    assert found.reasons == distances.reasons
    assert found.in_domain.tolist() == [not reason for reason in distances.reasons]
    assert found.ids == tuple(f"row {i}" for i in range(1, 10)) and found.level == 0.8


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_hold_their_prediction_and_widen_with_the_level(kind: str) -> None:
    bundle, values = bundle_of(kind), spectra_for(kind, 20)
    narrow, wide = (open_runner(bundle, level=at).predict_values(values) for at in (0.5, 0.9))
    for found in (narrow, wide):
        assert (found.lower <= found.predicted).all() and (found.predicted <= found.upper).all()
    assert (wide.lower <= narrow.lower).all() and (narrow.upper <= wide.upper).all()


def test_training_rows_are_mostly_inside_their_intervals_and_domain() -> None:
    train = plsr_model().train
    found = predict(bundle_of("plsr"), train)
    covered = (found.lower <= train.target) & (train.target <= found.upper)
    assert covered.mean() >= 0.8 and found.in_domain.mean() >= 0.8
    assert found.ids == train.ids and found.notes == ()


@pytest.mark.parametrize("kind", KINDS)
def test_the_size_of_blocks_changes_rounding_only(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, values = bundle_of(kind), spectra_for(kind, 23)
    whole = open_runner(bundle).predict_values(values)
    monkeypatch.setattr(module, "BLOCK_ROWS", 5)
    parts = open_runner(bundle).predict_values(values)
    # Matrix products of other sizes add in another order; networks do so in float32.
    rtol = 1e-4 if kind == "networks" else 1e-8
    np.testing.assert_allclose(parts.predicted, whole.predicted, rtol=rtol)
    assert parts.ids == whole.ids


@pytest.mark.parametrize("kind", KINDS)
def test_the_number_of_workers_changes_no_bit(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK_ROWS", 7)
    runner, values = open_runner(bundle_of(kind)), spectra_for(kind, 50)
    one, four = (replace(runner, workers=n).predict_values(values) for n in (1, 4))
    assert same(one, four)


THREADS = """
import sys, numpy as np, autospec
from autospec.predict.predictions import open_runner
runner = open_runner(autospec.load_model(sys.argv[1]))
found = runner.predict_values(np.load(sys.argv[2]))
np.save(sys.argv[3], np.stack([found.predicted, found.lower, found.upper, found.q]))
"""


@pytest.mark.parametrize("kind", ["networks", "auto"])
def test_the_number_of_threads_of_a_process_changes_no_bit(kind: str, tmp_path: Path) -> None:
    save_model(bundle_of(kind), tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", spectra_for(kind, 3000))
    found = []
    for threads in ("1", "4"):
        args = [str(tmp_path / name) for name in ("model.safetensors", "x.npy", f"{threads}.npy")]
        env = {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        subprocess.run([sys.executable, "-c", THREADS, *args], check=True, timeout=120, env=env)
        found.append(np.load(args[2]))
    assert np.array_equal(*found)


def test_without_a_level_there_are_no_intervals() -> None:
    found = open_runner(bundle_of("plsr"), level=None).predict_values(spectra_for("plsr", 3))
    assert np.isfinite(found.predicted).all()
    assert np.isnan(found.lower).all() and np.isnan(found.upper).all() and found.level is None


@pytest.mark.parametrize("level", [0.99, 1.0, 0.0])
def test_a_level_that_the_rows_cannot_support_is_refused(level: float) -> None:
    with pytest.raises(UsageError, match="level"):
        predict(bundle_of("plsr"), made_spectra(3), level=level)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [0.5, np.nan, np.inf, 1e200])
def test_a_row_that_is_no_spectrum_costs_no_other_row(kind: str, bad: float) -> None:
    bundle, values = bundle_of(kind), spectra_for(kind, 6)
    spoilt = values.copy()
    spoilt[2] = bad
    runner = open_runner(bundle)
    found, alone = runner.predict_values(spoilt), runner.predict_values(np.delete(values, 2, 0))
    assert np.isnan(found.predicted[2]) and np.isnan(found.lower[2]) and not found.in_domain[2]
    assert found.reasons[2] == "flat, or no spectrum"
    np.testing.assert_array_equal(np.delete(found.predicted, 2), alone.predicted)


def test_no_rows_are_predicted_as_none() -> None:
    found = open_runner(bundle_of("plsr")).predict_values(spectra_for("plsr", 6)[:0])
    assert found.predicted.shape == (0,) and found.ids == () and found.reasons == ()


def turned(spectra: Spectra) -> Spectra:
    return replace(
        spectra,
        values=spectra.values[:, ::-1].copy(),
        axis=1e7 / spectra.axis[::-1],
        axis_unit="cm-1",
    )


def as_reflectance(spectra: Spectra) -> Spectra:
    return replace(spectra, values=10**-spectra.values, quantity="reflectance")


@pytest.mark.parametrize("change", [turned, as_reflectance])
def test_spectra_are_brought_to_the_model_by_value(change: object) -> None:
    assert callable(change)
    spectra, bundle = made_spectra(8), bundle_of("plsr")
    found, wanted = predict(bundle, change(spectra)), predict(bundle, spectra)
    # 1e7 / (1e7 / x), and log10 of a power of ten, are rounded
    np.testing.assert_allclose(found.predicted, wanted.predicted, rtol=1e-6)


def test_spectra_on_finer_bands_are_averaged_and_it_is_told() -> None:
    spectra, bundle = made_spectra(8), bundle_of("plsr")
    axis = np.arange(spectra.axis[0], spectra.axis[-1] + 1.0, 5.0)
    values = np.stack([np.interp(axis, spectra.axis, row) for row in spectra.values])
    found = predict(bundle, replace(spectra, values=values, axis=axis))
    wanted = predict(bundle, spectra)
    assert found.notes
    # the mean over a band's step, of straight lines between bands, is a little smoother
    assert np.corrcoef(found.predicted, wanted.predicted)[0, 1] > 0.99


def test_spectra_of_half_the_range_are_refused() -> None:
    spectra = made_spectra(8)
    half = replace(spectra, values=spectra.values[:, :20].copy(), axis=spectra.axis[:20])
    with pytest.raises(DataError, match="bands"):
        predict(bundle_of("plsr"), half)


def test_far_spectra_are_out_of_the_domain_and_say_why() -> None:
    spectra = made_spectra(8)
    far = replace(spectra, values=spectra.values * 3.0 + np.linspace(0.0, 1.0, spectra.b))
    found = predict(bundle_of("plsr"), far)
    assert not found.in_domain.any() and all("above" in reason for reason in found.reasons)


def test_arguments_of_another_kind_are_named() -> None:
    with pytest.raises(UsageError, match=r"want a ModelBundle, from load_model"):
        predict("model.safetensors", None)  # type: ignore[arg-type]
