"""Baselines on flattened patches: tuned on the folds they are given, refitted on other rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import random_folds
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.data.splits import Fold
from autospec.evaluate import cube_baselines
from autospec.evaluate.cube_baselines import (
    PENALTIES,
    CubeBaseline,
    fit_cube_baselines,
    refit_baseline,
)

NAMES = ("gradient boosting", "random forest", "ridge", "mean")


@pytest.fixture(autouse=True)
def _few_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cube_baselines, "FOREST_TREES", 12)
    monkeypatch.setattr(cube_baselines, "TUNING_TREES", 12)
    monkeypatch.setattr(cube_baselines, "BOOSTING_ROUNDS", 25)


def made(n: int = 80, *, told: float = 4.0, seed: int = 0) -> Cubes:
    """Small windows; the target follows the mean of the first channel, and noise of sd 1."""
    small = SyntheticSettings(n=n, height=30, width=30, dates=12, window=3, steps=2)
    _, cubes = synthesise(replace(small, effect="none", no_value_percent=10.0), seed)
    signal = cubes.values[:, 3].mean(axis=(1, 2, 3))
    signal = (signal - signal.mean()) / signal.std()
    noise = np.random.default_rng(seed).standard_normal(n)
    return replace(cubes, target=20.0 + told * signal + noise)


def fitted(cubes: Cubes, seed: int = 0) -> dict[str, CubeBaseline]:
    return {b.name: b for b in fit_cube_baselines(cubes, random_folds(cubes.n, 4, 0), seed)}


def test_all_four_come_in_their_order() -> None:
    cubes = made()
    assert tuple(fitted(cubes)) == NAMES


def test_a_signal_in_the_cells_is_found_by_all_but_the_mean() -> None:
    found = fitted(made())
    new = made(200, seed=0)
    rmse = {n: np.sqrt(np.mean((b.model.predict(new) - new.target) ** 2)) for n, b in found.items()}
    assert max(rmse[name] for name in NAMES[:3]) < 0.7 * rmse["mean"]
    assert max(found[name].cv_rmse for name in NAMES[:3]) < 0.7 * found["mean"].cv_rmse


def test_noise_leaves_ridge_and_boosting_at_the_mean() -> None:
    found = fitted(made(told=0.0))
    for name in ("ridge", "gradient boosting"):
        assert found[name].cv_rmse == pytest.approx(found["mean"].cv_rmse, rel=0.05)


def test_the_mean_is_the_mean_and_its_error_that_of_the_folds() -> None:
    cubes = made()
    folds = random_folds(cubes.n, 4, 0)
    y = cubes.target
    direct = np.mean([np.sqrt(np.mean((y[f.score] - y[f.fit].mean()) ** 2)) for f in folds])
    mean = fitted(cubes)["mean"]
    assert mean.cv_rmse == pytest.approx(direct)
    assert mean.model.predict(cubes) == pytest.approx(np.full(cubes.n, y.mean()))


@pytest.mark.parametrize("n", [30, 120])  # fewer samples than the 90 cells, and more
def test_the_path_of_ridge_is_that_of_fits_one_by_one(n: int) -> None:
    rng = np.random.default_rng(n)
    x, y, new = rng.normal(size=(n, 90)), rng.normal(3.0, 1.0, n), rng.normal(size=(7, 90))
    seen = cube_baselines._Seen(x_fit=x, y_fit=y, x_score=new, y_score=np.zeros(7))
    direct = [Ridge(alpha=penalty * 90).fit(x, y).predict(new) for penalty in PENALTIES]
    assert cube_baselines._ridge_path(seen) == pytest.approx(np.array(direct), rel=1e-8)


@pytest.mark.parametrize("name", NAMES)
def test_the_score_of_the_folds_is_that_of_models_refitted_in_them(name: str) -> None:
    cubes = made()
    baseline = fitted(cubes)[name]
    each = []
    for fold in random_folds(cubes.n, 4, 0):
        model = refit_baseline(baseline, cubes.rows(fold.fit))
        off = model.predict(cubes.rows(fold.score)) - cubes.target[fold.score]
        each.append(np.sqrt(np.mean(off**2)))
    assert np.mean(each) == pytest.approx(baseline.cv_rmse, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_held_out_samples_leave_no_trace_in_a_refit(name: str) -> None:
    cubes = made()
    baseline = fitted(cubes)[name]
    kept = np.arange(60)
    other = cubes.values.copy()
    other[60:] = 1e6
    changed = replace(cubes, values=other, target=np.where(np.arange(80) < 60, cubes.target, 1e6))
    one, two = (refit_baseline(baseline, c.rows(kept)).predict(cubes) for c in (cubes, changed))
    assert np.array_equal(one, two)


def test_cells_without_a_value_are_not_read() -> None:
    cubes = made()
    assert not cubes.valid.all()
    poisoned = replace(cubes, values=np.where(cubes.valid, cubes.values, np.float32(-9999)))
    one, two = fitted(cubes), fitted(poisoned)
    assert [one[name].cv_rmse for name in NAMES] == [two[name].cv_rmse for name in NAMES]


def test_the_seed_fixes_every_prediction() -> None:
    cubes = made()
    one, again, other = fitted(cubes, 1), fitted(cubes, 1), fitted(cubes, 2)
    same = [
        np.array_equal(one[n].model.predict(cubes), again[n].model.predict(cubes)) for n in NAMES
    ]
    assert all(same)
    forests = [each["random forest"].model.predict(cubes) for each in (one, other)]
    assert not np.array_equal(*forests)


def test_folds_that_score_later_dates_only_will_do() -> None:
    cubes = made()
    forward = tuple(Fold(fit=np.arange(k), score=np.arange(k, k + 20)) for k in (20, 40, 60))
    assert len(fit_cube_baselines(cubes, forward, 0)) == 4


def test_some_of_the_baselines_are_what_they_are_among_all() -> None:
    cubes = made()
    every = fitted(cubes)
    some = fit_cube_baselines(cubes, random_folds(cubes.n, 4, 0), 0, ("ridge", "mean"))
    assert [(b.name, b.detail, b.cv_rmse) for b in some] == [
        (b.name, b.detail, b.cv_rmse) for b in (every["ridge"], every["mean"])
    ]


def one_cell_tells(n: int = 90) -> Cubes:
    """The target is one cell's value: a forest finds it when each node may look at all cells."""
    cubes = made(n)
    values = cubes.values.copy()
    values[:, 0, 1, 1, 0] = np.random.default_rng(1).normal(size=n)
    return replace(
        cubes,
        values=values,
        valid=np.ones_like(cubes.valid),
        target=values[:, 0, 1, 1, 0].astype(np.float64),
    )


def test_a_forest_may_choose_from_all_cells_where_that_is_best() -> None:
    assert "100% of the cells" in fitted(one_cell_tells())["random forest"].detail


def test_a_share_that_is_worse_ends_the_grid_of_the_forest(monkeypatch: pytest.MonkeyPatch) -> None:
    errors = {0.02: 3.0, 0.1: 2.0, 1 / 3: 2.5, 1.0: 1.0}
    asked: list[float] = []

    def scored(name: str, step: float, *rest: object) -> np.ndarray:
        asked.append(step)
        return np.array([errors[step]])

    monkeypatch.setattr(cube_baselines, "_fold_errors", scored)
    cubes = made()
    (forest,) = fit_cube_baselines(cubes, random_folds(cubes.n, 2, 0), 0, ("random forest",))
    assert asked == [0.02] * 2 + [0.1] * 2 + [1 / 3] * 2
    assert (forest.cv_rmse, forest.cut) == (2.0, False)
    assert "10% of the cells" in forest.detail


def counted(halts: int, word: cube_baselines.Halt) -> Callable[[], cube_baselines.Halt | None]:
    """Say nothing so often, and then `word`."""
    asked = iter(range(10_000))
    return lambda: word if next(asked) >= halts else None


def test_a_stop_leaves_out_what_is_not_tuned() -> None:
    cubes = made()
    folds = random_folds(cubes.n, 4, 0)
    none = fit_cube_baselines(cubes, folds, 0, halt=counted(0, "stop"))
    assert [b.name for b in none] == ["mean"]
    some = fit_cube_baselines(cubes, folds, 0, halt=counted(5, "stop"))
    assert [b.name for b in some] == ["ridge", "mean"]
    assert [b.cv_rmse for b in some] == [fitted(cubes)[b.name].cv_rmse for b in some]


def test_a_hurry_keeps_the_settings_that_are_scored() -> None:
    cubes = made()
    folds = random_folds(cubes.n, 4, 0)
    # four folds of ridge and four of the first depth are done
    found = {b.name: b for b in fit_cube_baselines(cubes, folds, 0, halt=counted(9, "hurry"))}
    assert tuple(found) == NAMES
    assert {name for name, b in found.items() if b.cut} == {"gradient boosting", "random forest"}
    assert found["gradient boosting"].detail.endswith("of depth 2")
    assert found["gradient boosting"].cv_rmse is not None
    assert found["random forest"].cv_rmse is None
    assert found["random forest"].detail == "12 trees, 10% of the cells a node"


def test_boosting_that_was_not_tuned_has_150_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cube_baselines, "BOOSTING_ROUNDS", 400)
    setting = cube_baselines.UNTUNED["gradient boosting"]
    assert cube_baselines._regressor("gradient boosting", setting, made(), 0)[1] == (
        "150 trees of depth 2"
    )
