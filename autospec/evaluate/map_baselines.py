"""The models every map stands beside: mean, persistence, ridge and a forest. No networks.

Ridge (Hoerl & Kennard 1970, https://doi.org/10.1080/00401706.1970.10488634) and the random forest
(Breiman 2001, https://doi.org/10.1023/A:1010933404324), by scikit-learn, see a cell's inputs at a
date and the two slots before it, layers that do not change, and which values are missing; "on
patches" also those of the 8 cells around it. They learn from cells and dates drawn at random from
what is learned from. With a horizon they see the latest value of each target too, and say by how
much a target will differ from it: for a line the same as saying the level, for a forest better
where levels wander.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.scaling import MapScaler
from autospec.data.maps.splits import FIT, WATCH, MapSplitPlan
from autospec.data.maps.tiles import Tile
from autospec.data.spectra import FloatArray
from autospec.errors import DataError
from autospec.evaluate.map_names import MEAN, PATCH_FOREST, PATCH_RIDGE, PERSISTENCE, RIDGE
from autospec.evaluate.map_rows import (
    MOST_READ,
    TILE,
    Padded,
    draw_rows,
    latest_values,
    n_features,
)
from autospec.evaluate.mapping import MapPredictor

PENALTIES = np.logspace(-3, 5, 17)
RIDGE_ROWS = 200_000
RIDGE_CELLS = 10_000_000  # rows times features at most: 80 MB
FOREST_ROWS = 20_000
WATCH_ROWS = 5_000
FOREST_TREES = 100
TUNING_TREES = 15  # enough to tell leaves apart
FOREST_LEAVES = (4, 16, 64)  # rows
FOREST_SHARE = 0.1  # of the features, drawn anew at each node
FEWEST_ROWS = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapBaseline:
    """A fitted baseline.

    Parameters
    ----------
    name : str
        As in `fit_map_baselines`.
    detail : str
        Its tuned numbers, and what it predicts, in words.
    model : MapPredictor
    """

    name: str
    detail: str
    model: MapPredictor


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeanModel:
    """Each target's mean over the cells and dates that are learned from."""

    scaler: MapScaler

    def predict(self, tile: Tile) -> Float32Array:
        """Return the means, float32, shape (t, k, h, w)."""
        mean = self.scaler.target_mean.astype(np.float32)[:, None, None]
        return np.broadcast_to(mean, tile.last.shape).copy()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersistenceModel:
    """Each cell's latest value; the target's mean where it has none."""

    scaler: MapScaler

    def predict(self, tile: Tile) -> Float32Array:
        """Return the latest values, float32, shape (t, k, h, w)."""
        return latest_values(tile, self.scaler)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellModel:
    """Regressors on single cells, or on each with the cells around it.

    Parameters
    ----------
    scaler : MapScaler
        Its means stand in for missing inputs.
    radius : {0, 1}
        Cells around that are seen, in each direction; beyond the tile those at its edge.
    change : bool
        Whether a regressor says by how much a target differs from its latest value.
    regressors : tuple of k scikit-learn regressors
        Fitted on rows of `autospec.evaluate.map_rows`.
    """

    scaler: MapScaler
    radius: int
    change: bool
    regressors: tuple[Any, ...]

    def predict(self, tile: Tile) -> Float32Array:
        """Return predictions, float32, shape (t, k, h, w): latest values where none is present."""
        h, w = tile.static.shape[1:]
        rows, columns = (at.ravel() for at in np.indices((h, w)))
        out = latest_values(tile, self.scaler)
        padded = Padded.of(tile, self.scaler, radius=self.radius, last=self.change)
        for slot in np.flatnonzero(tile.present).tolist():
            x = padded.features(np.full(h * w, slot), rows, columns)
            for target, regressor in enumerate(self.regressors):
                said = regressor.predict(x).reshape(h, w).astype(np.float32)
                out[slot, target] = said + out[slot, target] if self.change else said
        return out


def fit_map_baselines(
    problem: MapProblem,
    plan: MapSplitPlan,
    scaler: MapScaler,
    names: Sequence[str],
    seed: int,
) -> tuple[MapBaseline, ...]:
    """Fit some of the baselines on cells and dates of role FIT.

    Parameters
    ----------
    problem : MapProblem
    plan : MapSplitPlan
        The forest's leaves are tuned on cells and dates of role WATCH; the penalties of ridge on
        role FIT alone, by leaving one row out.
    scaler : MapScaler
    names : sequence of str
        Of "mean", "persistence" (horizon from 1 on), "ridge", "ridge on patches", "random forest
        on patches".
    seed : int
        Fixes the rows that are drawn, and the trees.

    Returns
    -------
    tuple of MapBaseline
        In the order of `names`.

    Raises
    ------
    DataError
        If 2000 tiles have less than two values of a target, or the stack's file breaks.
    """
    change = problem.aims.horizon > 0
    assert change or PERSISTENCE not in names, "persistence wants a horizon"
    fitted = []
    for name in names:
        if name == MEAN:
            detail = "of the cells and dates that are learned from"
            fitted.append(MapBaseline(name=name, detail=detail, model=MeanModel(scaler=scaler)))
        elif name == PERSISTENCE:
            model = PersistenceModel(scaler=scaler)
            fitted.append(MapBaseline(name=name, detail="each cell's latest value", model=model))
        elif name in (RIDGE, PATCH_RIDGE):
            fitted.append(_ridge(name, (problem, plan), scaler, seed))
        else:
            assert name == PATCH_FOREST, name
            fitted.append(_forest((problem, plan), scaler, seed))
    return tuple(fitted)


def _ridge(
    name: str, posed: tuple[MapProblem, MapSplitPlan], scaler: MapScaler, seed: int
) -> MapBaseline:
    """Fit ridge for each target, with the penalty that leaving one row out finds best."""
    problem, change, radius = posed[0], posed[0].aims.horizon > 0, int(name == PATCH_RIDGE)
    n = min(RIDGE_ROWS, RIDGE_CELLS // n_features(problem, radius))
    drawn = draw_rows(posed, scaler, (FIT, radius, n), seed)
    regressors, penalties, fewest = [], [], n
    for target in range(len(problem.targets)):
        x, y = _enough(drawn.of(target, change), problem, target)
        pipeline = make_pipeline(StandardScaler(), RidgeCV(PENALTIES))
        regressors.append(pipeline.fit(x, y))
        penalties.append(f"{float(pipeline[-1].alpha_):.3g}")
        fewest = min(fewest, len(y))
    detail = f"penalty {', '.join(penalties)}; {fewest} rows{_says(change)}"
    model = CellModel(scaler=scaler, radius=radius, change=change, regressors=tuple(regressors))
    return MapBaseline(name=name, detail=detail, model=model)


def _forest(posed: tuple[MapProblem, MapSplitPlan], scaler: MapScaler, seed: int) -> MapBaseline:
    """Fit a forest for each target, with the leaves that watched cells and dates find best."""
    problem, change = posed[0], posed[0].aims.horizon > 0
    drawn = draw_rows(posed, scaler, (FIT, 1, FOREST_ROWS), seed)
    watched = draw_rows(posed, scaler, (WATCH, 1, WATCH_ROWS), seed)
    regressors, leaves, fewest = [], [], FOREST_ROWS
    for target in range(len(problem.targets)):
        seen = _enough(drawn.of(target, change), problem, target)
        told = _enough(watched.of(target, change), problem, target)
        errors = [
            np.mean((_trees(leaf, TUNING_TREES, seed).fit(*seen).predict(told[0]) - told[1]) ** 2)
            for leaf in FOREST_LEAVES
        ]
        leaf = FOREST_LEAVES[int(np.argmin(errors))]
        regressors.append(_trees(leaf, FOREST_TREES, seed).fit(*seen))
        leaves.append(str(leaf))
        fewest = min(fewest, len(seen[1]))
    detail = f"{FOREST_TREES} trees, leaves of {', '.join(leaves)}; {fewest} rows{_says(change)}"
    model = CellModel(scaler=scaler, radius=1, change=change, regressors=tuple(regressors))
    return MapBaseline(name=PATCH_FOREST, detail=detail, model=model)


def _enough(
    rows: tuple[FloatArray, FloatArray], problem: MapProblem, target: int
) -> tuple[FloatArray, FloatArray]:
    """Refuse rows that nothing can be learned from."""
    if len(rows[1]) < FEWEST_ROWS:
        raise DataError(
            f"target {problem.aims.targets[target]!r}: the baselines found {len(rows[1])} values "
            f"in up to {MOST_READ} tiles of {TILE} cells a side; want at least {FEWEST_ROWS}. Cut "
            "the stack to the part of the map that has values."
        )
    return rows


def _trees(leaf: int, trees: int, seed: int) -> RandomForestRegressor:
    return RandomForestRegressor(
        trees, max_features=FOREST_SHARE, min_samples_leaf=leaf, random_state=seed, n_jobs=1
    )


def _says(change: bool) -> str:
    return "; says the change from the latest value" if change else ""
