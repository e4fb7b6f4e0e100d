"""What a stack holds: its digest sees every value, axis and name, and its missing values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest

from autospec.data.cubes.cubes import TIME_TYPE
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps import facts
from autospec.data.maps.boxes import boxes
from autospec.data.maps.facts import stack_facts


def made() -> RasterStack:
    rng = np.random.default_rng(0)
    dynamic = rng.normal(size=(5, 2, 6, 7)).astype(np.float32)
    dynamic[1, 0, 2] = np.nan
    return RasterStack(
        dynamic=dynamic,
        static=rng.normal(size=(1, 6, 7)).astype(np.float32),
        channels=("ndvi", "rain"),
        static_channels=("height",),
        times=np.arange(5).astype("datetime64[D]").astype(TIME_TYPE),
        transform=(1.0, 0.0, 0.0, 0.0, -1.0, 6.0),
        crs="EPSG:32633",
        provenance=("made here",),
    )


def with_value(stack: RasterStack, at: tuple[int, ...]) -> RasterStack:
    changed = np.array(stack.dynamic[:])
    changed[at] += 1.0
    return replace(stack, dynamic=changed)


CHANGES: dict[str, Callable[[RasterStack], RasterStack]] = {
    "the last value": lambda s: with_value(s, (4, 1, 5, 6)),
    "a static value": lambda s: replace(s, static=s.static + 1.0),
    "a date": lambda s: replace(s, times=s.times + np.timedelta64(1, "s")),
    "a name": lambda s: replace(s, channels=("ndvi", "snow")),
    "the place": lambda s: replace(s, transform=(1.0, 0.0, 9.0, 0.0, -1.0, 6.0)),
    "the crs": lambda s: replace(s, crs="EPSG:32634"),
    "made up": lambda s: replace(s, synthetic=True),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_digest_sees(change: str) -> None:
    before = stack_facts(made(), ("ndvi",)).digest
    assert stack_facts(CHANGES[change](made()), ("ndvi",)).digest != before


def test_the_digest_does_not_see_where_it_came_from() -> None:
    moved = replace(made(), provenance=("copied",))
    assert stack_facts(moved, ("rain",)).digest == stack_facts(made(), ("ndvi",)).digest


def test_how_a_missing_value_is_written_does_not_matter() -> None:
    bits = np.array(made().dynamic[:]).view(np.uint32)
    bits[np.isnan(made().dynamic[:])] = 0xFFC00001  # another NaN
    other = replace(made(), dynamic=bits.view(np.float32))
    assert stack_facts(other, ("ndvi",)) == stack_facts(made(), ("ndvi",))


@pytest.mark.parametrize(
    ("targets", "percent"),
    [(("ndvi",), 100 * 7 / 210), (("rain",), 0.0), (("ndvi", "rain"), 100 * 7 / 420)],
    ids=str,
)
def test_missing_values_of_targets_are_counted(targets: tuple[str, ...], percent: float) -> None:
    assert stack_facts(made(), targets).missing_percent == pytest.approx(percent, rel=1e-12)


def test_every_value_is_read_once_whatever_the_boxes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts, "boxes", partial(boxes, read_bytes=40))
    found = stack_facts(made(), ("ndvi",))
    assert found.missing_percent == pytest.approx(100 * 7 / 210, rel=1e-12)
