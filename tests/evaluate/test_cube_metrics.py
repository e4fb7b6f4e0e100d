"""MAE and squared correlation: what scikit-learn and numpy say, and where there is none."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import mean_absolute_error as reference_mae

from autospec.evaluate.cube_metrics import mean_absolute_error, squared_correlation
from autospec.evaluate.metrics import score


def pair(seed: int, n: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    observed = rng.normal(20, 5, n)
    return observed, observed + rng.normal(1, 3, n)


@pytest.mark.parametrize("seed", range(3))
def test_both_are_what_others_compute(seed: int) -> None:
    observed, predicted = pair(seed)
    mae = mean_absolute_error(observed, predicted)
    r2 = squared_correlation(observed, predicted)
    assert mae.value == pytest.approx(reference_mae(observed, predicted))
    assert r2.value == pytest.approx(np.corrcoef(observed, predicted)[0, 1] ** 2)
    for estimate in (mae, r2):
        assert None not in (estimate.low, estimate.value, estimate.high)
        assert estimate.low < estimate.value < estimate.high  # type: ignore[operator]


def test_correlation_is_blind_to_bias_and_scale_where_r2_is_not() -> None:
    observed, _ = pair(0)
    predicted = 2 * observed + 7
    assert squared_correlation(observed, predicted).value == pytest.approx(1.0)
    r2 = score(observed, predicted).r2.value
    assert r2 is not None
    assert r2 < 0


@pytest.mark.parametrize("which", [0, 1])
def test_a_constant_has_no_correlation(which: int) -> None:
    both = list(pair(0))
    both[which] = np.full(40, 3.0)
    found = squared_correlation(*both)
    assert found.value is None
    assert ("observed", "predicted")[which] in found.reason


def test_the_seed_fixes_the_interval() -> None:
    observed, predicted = pair(1)
    one, again, other = (mean_absolute_error(observed, predicted, seed=s) for s in (1, 1, 2))
    assert one == again != other
