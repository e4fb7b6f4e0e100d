"""The model file of cubes: whole or refused, bitwise the same predictions, sizes never believed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import autospec
from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray
from autospec.data.tensors import AnyArray, tensor_name
from autospec.errors import DataError, UsageError
from autospec.evaluate.cube_domain import fit_cube_domain
from autospec.predict.bundle import dump_model, load_model, pack, save_model
from autospec.predict.card import model_card
from autospec.predict.cube_bundle import deploy_cubes, usual_step_days
from autospec.predict.document import CubeBundle
from autospec.predict.document_text import write_document
from autospec.predict.predictions import predict
from autospec.report.schemas import json_schemas
from tests.evaluate.made_cubes import SHAPE, fit_level, made_cubes
from tests.evaluate.test_cube_trust import blocks
from tests.predict.made_bundles import tiny_bundle
from tests.predict.made_cube_bundles import cube_bundle, cube_model, kept_cubes

CONTENT = dump_model(cube_bundle())
HEADER_END = 8 + int.from_bytes(CONTENT[:8], "little")


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    """Return the message with which a file is refused; it names the file."""
    path = written(folder, content)
    with pytest.raises(DataError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def numbers(model: CubeBundle, cubes: Cubes) -> AnyArray:
    found = predict(model, cubes)
    return np.stack([found.predicted, found.lower, found.upper, found.q, found.nearest])


def test_a_model_comes_back_as_it_went_and_predicts_bitwise_the_same(tmp_path: Path) -> None:
    card = save_model(cube_bundle(), tmp_path / "model.safetensors")
    again = autospec.load_model(tmp_path / "model.safetensors")
    assert isinstance(again, CubeBundle) and card.name == "MODEL.md"
    assert write_document(again)[0] == write_document(cube_bundle())[0]
    assert dump_model(again) == (tmp_path / "model.safetensors").read_bytes()
    new = made_cubes(9, seed=5)
    assert np.array_equal(numbers(again, new), numbers(cube_bundle(), new))


FRESH = """
import sys, numpy as np, autospec
from tests.evaluate.made_cubes import made_cubes
from tests.predict.test_cube_bundle import numbers
np.save(sys.argv[2], numbers(autospec.load_model(sys.argv[1]), made_cubes(9, seed=5)))
"""


def test_a_fresh_process_predicts_bitwise_the_same(tmp_path: Path) -> None:
    save_model(cube_bundle(), tmp_path / "model.safetensors")
    args = [str(tmp_path / name) for name in ("model.safetensors", "y.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *args], check=True, timeout=120)
    assert np.array_equal(
        np.load(tmp_path / "y.npy"), numbers(cube_bundle(), made_cubes(9, seed=5))
    )


def test_the_bundle_predicts_what_the_fitted_model_does() -> None:
    model, train = cube_model().model, cube_model().train
    found = predict(cube_bundle(), train, level=None)
    assert np.array_equal(found.predicted, model.predict(train))


def test_a_file_with_any_byte_flipped_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    places = {*range(0, 40), *rng.integers(0, len(CONTENT), 150).tolist(), HEADER_END, -1}
    for place in places:
        changed = bytearray(CONTENT)
        changed[place] ^= 1 << int(rng.integers(8))
        refused(tmp_path, bytes(changed))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 0.999])
def test_a_file_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    refused(tmp_path, CONTENT[: int(share * len(CONTENT))])


def document() -> tuple[dict[str, Any], dict[str, AnyArray]]:
    text, tensors = write_document(cube_bundle())
    return json.loads(text), dict(tensors)


def put(*where: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        part: Any = data
        for step in where[:-1]:
            part = part[step]
        part[where[-1]] = value

    return change


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "spectra's version": (put("schema_version", value=1), "axis: Field required"),
    "newer": (put("schema_version", value=4), "made by a newer autospec"),
    "no version": (put("schema_version", value=None), "schema_version is None; want 1 to 3"),
    "other kind": (put("kind", value="spectra"), "kind: Input should be 'cubes'"),
    "unknown field": (put("more", value=1), "more: Unexpected"),
    "fewer channels": (put("channels", value=["rain", "ndvi"]), "channels: 2; want 3"),
    "a channel twice": (put("channels", value=["rain", "ndvi", "rain"]), "different channels: 2"),
    "other order": (put("channels", value=["ndvi", "rain", "height"]), "of other channels"),
    "other window": (put("shape", value=[3, 5, 5, 3]), "features|networks on windows|bands or"),
    "no cells": (put("shape", value=[3, 5, 0, 4]), "windows of"),
    "a giant window": (put("shape", value=[3, 10**6, 10**6, 4]), "windows of"),
    "a network's window": (put("model", "shape", value=[3, 6, 5, 4]), "networks on windows of"),
    "more filters": (put("model", "architecture", "conv", 0, "filters", value=5), "weights; the"),
    "too deep": (put("model", "architecture", "conv", 1, "kernel_space", value=9), "does not fit"),
    "giant padding": (
        put("model", "architecture", "conv", 0, "kernel_space", value=10**5),
        "a conv block makes",
    ),
    "a mask forgotten": (
        put("model", "scaler", "recipe", "mask_channel", value=False),
        "weights; the architecture has",
    ),
    "a masked domain": (
        put("domain", "scaler", "recipe", "mask_channel", value=True),
        "mask channels of the domain",
    ),
    "no members": (put("model", "members", value=[]), "members: 0; want 1|names no array"),
    "no twins": (put("twins", value=[]), "names twins 0 to 2; the model has 0|names no array"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_document_that_does_not_fit_together_is_refused(name: str, tmp_path: Path) -> None:
    change, words = CHANGES[name]
    data, tensors = document()
    change(data)
    message = refused(tmp_path, pack(json.dumps(data), tensors))
    assert re.search(words, message), message


def test_a_scaler_that_divides_by_nothing_is_refused(tmp_path: Path) -> None:
    data, tensors = document()
    nothing = np.zeros(3)
    tensors[tensor_name(nothing)] = nothing
    data["model"]["scaler"]["sd"] = tensor_name(nothing)
    assert "divides by 0" in refused(tmp_path, pack(json.dumps(data), tensors))


def test_the_document_satisfies_its_schema() -> None:
    schema = json.loads(json_schemas()["cube_model.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(json.loads(write_document(cube_bundle())[0]))


def test_a_model_of_spectra_written_before_cubes_still_loads() -> None:
    """The file was written by the version before this one, from `tiny_bundle`."""
    path = Path(__file__).with_name("version-1.safetensors")
    found, now = load_model(path), tiny_bundle()
    assert found.schema_version == 1 and found.name == "tiny"
    assert not isinstance(found, CubeBundle)
    np.testing.assert_allclose(found.axis, now.axis)
    assert dump_model(found) == path.read_bytes()


@dataclass(frozen=True)
class Other:
    def predict(self, cubes: Cubes) -> FloatArray:
        return np.zeros(cubes.n)


def test_only_networks_are_kept() -> None:
    with pytest.raises(UsageError, match="Other cannot be kept in a model file"):
        deploy_cubes(Other(), SHAPE)
    with pytest.raises(UsageError, match="LevelModel cannot be kept"):
        kept_cubes(replace(cube_model(), model=fit_level(cube_model().train)))


def test_a_domain_of_other_cubes_cannot_be_kept() -> None:
    other = made_cubes(20, (3, 5, 5, 3))
    domain = fit_cube_domain(other, blocks(20, 4))
    with pytest.raises(UsageError, match="the model 'cubes' cannot be kept: the domain's sizes"):
        kept_cubes(replace(cube_model(), domain=domain))


def test_the_card_tells_channels_window_and_that_the_samples_are_made_up() -> None:
    card = model_card(cube_bundle())
    assert "windows of 5 x 5 cells, 4 dates and 3 channels: rain, ndvi, height" in card
    assert "SYNTHETIC" in card and "| rain |" in card and "EPSG:4326" in card
    assert "autospec predict model.safetensors samples.npz" in card
    assert "spectr" not in card.lower().replace("autospec", "")


def test_no_sample_name_and_no_coordinate_is_in_the_file() -> None:
    train = cube_model().train
    text, tensors = write_document(cube_bundle())
    assert not any(name in text for name in train.ids)
    assert not any(np.isin(train.x, array).any() for array in tensors.values())


def test_the_usual_step_is_that_of_the_dates() -> None:
    assert usual_step_days(made_cubes(3)) == 30
    assert usual_step_days(made_cubes(3, (3, 5, 5, 1))) == 0
