"""Standardised channels do not depend on the unit that a channel is in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import CubePreprocessing, fit_scaler
from tests.search.cubes.made_study import made_cubes

MADE = made_cubes(20)


def scaled(cubes: Cubes) -> np.ndarray:
    return fit_scaler(CubePreprocessing(), cubes).transform(cubes)


def in_unit(factor: float) -> Cubes:
    values = (MADE.values.astype(np.float64) * factor).astype(np.float32)
    return replace(MADE, values=values)


@settings(max_examples=25, deadline=None)
@given(st.floats(-11, 11))
def test_a_channel_in_another_unit_is_the_same_to_a_network(power: float) -> None:
    other = scaled(in_unit(10.0**power))
    # values of about 10 and a spread of 3 are rounded to float32 once more
    np.testing.assert_allclose(other, scaled(MADE), atol=1e-5)


@pytest.mark.parametrize("level", [0.0, 0.1, 273.15, 1e-11, 1e11])
def test_a_channel_that_does_not_vary_is_only_centred(level: float) -> None:
    values = np.where(MADE.valid, np.float32(level), np.float32(0))
    flat = replace(MADE, values=values)
    assert fit_scaler(CubePreprocessing(), flat).sd == pytest.approx(1.0)
    assert np.abs(scaled(flat)).max() <= 1e-6 * max(level, 1.0)
