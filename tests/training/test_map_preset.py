"""Presets of networks of maps: names, parts of an object, an earlier result, and mistakes."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import pytest

from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.training.map_preset import MapPreset, map_preset
from autospec.training.map_settings import MapTerms

SIZES = CNNTransformerSizes(widths=(8, 8, 16, 16), embedding=32, depth=2, heads=4, refine=True)
TERMS = MapTerms(edge=True, season=(1.0,) * 11 + (2.0,), tau=0.6)


@pytest.mark.parametrize("name", PRESETS)
def test_a_name_is_a_network_with_the_plain_loss(name: str) -> None:
    assert map_preset(name) == MapPreset(sizes=PRESETS[name])


@pytest.mark.parametrize(
    ("data", "preset"),
    [
        ({"sizes": asdict(SIZES)}, MapPreset(sizes=SIZES)),
        ({"sizes": "small"}, MapPreset(sizes=PRESETS["small"])),
        ({"terms": asdict(TERMS)}, MapPreset(sizes=PRESETS["tiny"], terms=TERMS)),
        (
            {"settings": {"sizes": asdict(SIZES), "terms": asdict(TERMS), "tile": 64}},
            MapPreset(sizes=SIZES, terms=TERMS),
        ),
    ],
    ids=["sizes", "a name", "terms", "an earlier result"],
)
def test_parts_that_are_left_out_have_their_defaults(data: Any, preset: MapPreset) -> None:
    assert map_preset(json.loads(json.dumps(data))) == preset


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("huge", "'huge': no such preset; want tiny, small, v8"),
        ([1], "want an object with sizes and terms"),
        ({}, "nothing in it"),
        ({"size": {}}, "'size': no such part"),
        ({"sizes": {"width": [8, 8, 8, 8], "embedding": 32}}, "sizes.width: "),
        ({"sizes": {"widths": [8, 8, 8], "embedding": 32}}, "sizes.widths"),
        ({"sizes": {"widths": [8] * 4, "embedding": 33}}, "want a multiple of 16"),
        ({"terms": {"tau": 2}}, "terms.tau"),
        ({"terms": {"season": [1, 2]}}, "want 12 weights above 0"),
    ],
    ids=str,
)
def test_a_mistake_is_named(data: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        map_preset(data)
