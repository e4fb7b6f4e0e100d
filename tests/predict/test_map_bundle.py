"""The model file of maps: whole or refused, bitwise the same maps, sizes never believed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

import autospec
from autospec.data.tensors import AnyArray, tensor_name
from autospec.errors import DataError, UsageError
from autospec.predict.bundle import dump_model, load_model, pack, save_model, settled
from autospec.predict.card import model_card
from autospec.predict.document import MapBundle
from autospec.predict.document_text import write_document
from autospec.predict.map_running import map_stack
from autospec.report.schemas import json_schemas
from tests.predict.made_map_bundles import made_stack, map_bundle

CONTENT = dump_model(map_bundle())


def refused(folder: Path, content: bytes) -> str:
    """Return the message with which a file is refused; it names the file."""
    path = folder / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        load_model(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


@pytest.mark.parametrize("horizon", [0, 1])
def test_a_model_comes_back_as_it_went_and_maps_bitwise_the_same(
    horizon: int, tmp_path: Path
) -> None:
    bundle = map_bundle(horizon)
    card = save_model(bundle, tmp_path / "model.safetensors")
    again = autospec.load_model(tmp_path / "model.safetensors")
    assert isinstance(again, MapBundle) and card.name == "MODEL.md"
    assert dump_model(again) == (tmp_path / "model.safetensors").read_bytes()
    _, maps = map_stack(bundle, made_stack())
    _, same = map_stack(again, made_stack())
    assert np.isfinite(maps).all() and np.ptp(maps) > 0
    np.testing.assert_array_equal(maps, same)


def test_a_file_with_any_byte_flipped_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for place in [0, 9, 60, *rng.integers(0, len(CONTENT), 60).tolist(), -1]:
        changed = bytearray(CONTENT)
        changed[place] ^= 1 << int(rng.integers(8))
        refused(tmp_path, bytes(changed))


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_a_file_cut_short_is_refused(share: float, tmp_path: Path) -> None:
    refused(tmp_path, CONTENT[: int(share * len(CONTENT))])


def put(*where: str | int, value: object) -> Callable[[dict[str, Any]], None]:
    def change(data: dict[str, Any]) -> None:
        part: Any = data
        for step in where[:-1]:
            part = part[step]
        part[where[-1]] = value

    return change


def forget(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda data: data["state"].pop(name)


CHANGES: dict[str, tuple[Callable[[dict[str, Any]], None], str]] = {
    "newer": (put("schema_version", value=4), "made by a newer autospec"),
    "cubes' version": (put("schema_version", value=2), "kind: Input should be 'cubes'"),
    "unknown field": (put("more", value=1), "more: Unexpected"),
    "fewer channels": (put("inputs", value=["rain", "ndvi"]), "lowest values of inputs: 4; want 3"),
    "a channel twice": (put("inputs", value=["rain", "ndvi", "ndvi"]), "different channels: 3"),
    "no target": (put("aims", "targets", value=[]), "no target"),
    "a target unseen": (put("aims", "targets", value=["snow"]), "a target is no input"),
    "a target static": (put("aims", "targets", value=["height"]), "a target is no input"),
    "the same date": (put("aims", "horizon", value=0), "target 'ndvi' is an input too"),
    "endless": (put("aims", "length", value=10**9), "aims.length: Input should be less"),
    "no steps": (put("step_s", value=0.0), "step_s: Input should be greater"),
    "wider": (put("sizes", "widths", value=[5, 4, 4, 8]), "have shape"),
    "giant": (put("sizes", "widths", value=[10**9, 4, 4, 8]), "widths of"),
    "negative": (put("sizes", "widths", value=[-4, 4, 4, 8]), "widths of at least 1"),
    "endless layers": (put("sizes", "depth", value=10**9), "1000000000 layers of"),
    "no heads": (put("sizes", "heads", value=0), "want heads, depth"),
    "deeper": (put("sizes", "depth", value=2), "weights of another network"),
    "sentinel": (put("gaps", value="sentinel"), "have shape"),
    "weights forgotten": (forget("head.bias"), "weights of another network|names no array"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_document_that_does_not_fit_together_is_refused(name: str, tmp_path: Path) -> None:
    change, words = CHANGES[name]
    text, tensors = write_document(map_bundle())
    data = json.loads(text)
    change(data)
    message = refused(tmp_path, pack(json.dumps(data), dict(tensors)))
    assert re.search(words, message), message


def test_a_scaler_that_divides_by_nothing_is_refused(tmp_path: Path) -> None:
    text, tensors = write_document(map_bundle())
    data, more = json.loads(text), dict(tensors)
    flat: AnyArray = np.array([-2.0])
    del more[data["scaler"]["target_high"]]
    more[tensor_name(flat)] = flat
    data["scaler"]["target_high"] = tensor_name(flat)
    assert "divides by 0" in refused(tmp_path, pack(json.dumps(data), more))


def test_one_array_under_many_names_does_not_fill_memory(tmp_path: Path) -> None:
    text, tensors = write_document(map_bundle())
    data, more = json.loads(text), dict(tensors)
    large: AnyArray = np.zeros(600_000, dtype=np.float32)
    more[tensor_name(large)] = large
    data["state"] |= {f"w{i}": tensor_name(large) for i in range(5)}
    assert "its networks want" in refused(tmp_path, pack(json.dumps(data), more))


def test_the_document_satisfies_its_schema() -> None:
    schema = json.loads(json_schemas()["map_model.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(json.loads(write_document(map_bundle())[0]))


def test_what_does_not_fit_cannot_be_kept() -> None:
    with pytest.raises(UsageError, match="the model 'maps' cannot be kept: lowest values of"):
        settled(replace(map_bundle(), static_channels=()))


def test_the_card_tells_what_it_wants_and_how_it_is_used() -> None:
    card = model_card(replace(map_bundle(), synthetic=True))
    assert "Maps of **ndvi** 16 days after each date" in card
    assert "rain, ndvi, heat, and without dates height" in card
    assert "SYNTHETIC" in card and "| ndvi (target) | -2 | 2.5 | 0.25 |" in card
    assert "autospec map --model model.safetensors --stack stack.nc -o map.nc" in card
    assert "twin" not in card and "Made waves know no land." in card
    assert "autospec.map_stack(model, " in card and "NaN" not in card


def test_the_card_of_a_sentinel_model_says_what_is_nan() -> None:
    card = model_card(replace(map_bundle(), gaps="sentinel"))
    assert "It was taught to say, by a value 1 % of the range below the lowest" in card
    assert "NaN where a target truly is lower" in card


def test_predicting_samples_with_it_says_what_to_use() -> None:
    with pytest.raises(UsageError, match="Use autospec map"):
        autospec.predict(map_bundle(), None)  # type: ignore[operator]
