"""A realistic training on maps, made by hand: no network is trained, nothing is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec.data.maps.problem import MapAims
from autospec.data.maps.role_rows import role_rows
from autospec.data.maps.splits import MapSplit, MapSplitKind
from autospec.evaluate.cube_metrics import mean_absolute_error, squared_correlation
from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.map_metrics import MapScores
from autospec.evaluate.map_names import MEAN, PERSISTENCE, RIDGE
from autospec.evaluate.metrics import compare, score
from autospec.training.cube_training import TrainEpoch
from autospec.training.map_result import (
    NETWORK,
    MapData,
    MapModel,
    MapSplitRecord,
    MapTraining,
)
from autospec.training.map_settings import MapSettings

TARGETS = ("ndvi", "evaporation")
DETAILS = {
    NETWORK: "3.4 M parameters",
    PERSISTENCE: "the last value, the mean where there is none",
    RIDGE: "the change from the last value, of single cells; alpha = 10",
    MEAN: "of what was learned from",
}
ERRORS = {NETWORK: 0.05, PERSISTENCE: 0.08, RIDGE: 0.065}
SEASONS = ("Mar–May", "Jun–Aug", "Sep–Nov")
N = 300


def made_dates(n: int, start: str = "2020-01-01") -> tuple[str, ...]:
    """Return n dates every 16 days."""
    times = np.datetime64(start, "s") + np.arange(n) * np.timedelta64(16 * 86400, "s")
    return tuple(str(time) for time in times)


def made_models(targets: tuple[str, ...], seed: int = 5) -> tuple[MapModel, ...]:
    """Return four models, scored on N made-up values of each target."""
    rng = np.random.default_rng(seed)
    observed = {name: rng.normal(0.5, 0.2, N) for name in targets}
    noise = rng.normal(0, 1, (len(DETAILS), N))
    models = []
    for row, name in enumerate(DETAILS):
        scores = []
        for target in targets:
            guess = observed[target] + ERRORS.get(name, 0) * noise[row]
            guess = np.full(N, 0.5) if name == MEAN else guess
            scores.append(map_scores(observed[target], guess))
        rmse = [s.pooled.rmse.value or 0.0 for s in scores]
        models.append(
            MapModel(
                name=name,
                detail=DETAILS[name],
                scores=tuple(scores),
                seasons=tuple(
                    (season, target, 100, rmse[k] * (0.8 + 0.2 * i))
                    for k, target in enumerate(targets)
                    for i, season in enumerate(SEASONS)
                ),
                edge_rmse=tuple(1.03 * value for value in rmse),
                interior_rmse=tuple(rmse),
                tile_pattern=tuple(0.05 for _ in rmse),
            )
        )
    return tuple(models)


def map_scores(observed: np.ndarray, guess: np.ndarray) -> MapScores:  # type: ignore[type-arg]
    """Return scores with the intervals of single values: near enough to look at."""
    return MapScores(
        pooled=score(observed, guess),
        mae=mean_absolute_error(observed, guess),
        pearson_r2=squared_correlation(observed, guess),
        n_groups=48,
        nse_median=0.41,
    )


def make_map_training(
    *,
    targets: tuple[str, ...] = ("ndvi",),
    kind: MapSplitKind = "forward",
    horizon: int = 1,
    synthetic: bool = True,
) -> MapTraining:
    """Return a finished training."""
    dates = made_dates(60)
    cells = np.ones((40, 56), np.uint8)
    if kind == "blocks":
        cells[:16, 16:32], cells[24:, 40:] = 3, 3
        cells[16:24, 16:32], cells[:8, :8] = 0, 2
    rng = np.random.default_rng(3)
    forward = kind == "forward"
    return MapTraining(
        name="sinop",
        settings=MapSettings(
            aims=MapAims(targets=targets, horizon=horizon),
            split=MapSplit(kind=kind, buffer=1),
        ),
        data=MapData(
            shape=(60, 4, 40, 56),
            static_channels=("elevation",),
            channels=("ndvi", "evaporation", "rain", "temperature"),
            inputs=("ndvi", "evaporation", "rain", "temperature"),
            targets=targets,
            first_time=dates[0],
            last_time=dates[-1],
            step_s=16 * 86400.0,
            n_gaps=3,
            n_empty=1,
            missing_percent=12.5,
            cell=(0.05, 0.05),
            crs="EPSG:4326",
            synthetic=synthetic,
            provenance=("Made for a test.",),
            digest="c1" * 32,
        ),
        split=MapSplitRecord(
            kind=kind,
            fit_dates=dates[:36] if forward else dates,
            watch_dates=dates[37:45] if forward else dates,
            test_dates=dates[45:] if forward else dates,
            fit_cells=int((cells == 1).sum()),
            watch_cells=40 * 56 if forward else int((cells == 2).sum()),
            test_cells=40 * 56 if forward else int((cells == 3).sum()),
            block=8,
            digest="5b" * 32,
            roles=() if forward else role_rows(cells),
        ),
        n_parameters=3_412_345,
        epochs=tuple(
            TrainEpoch(
                epoch=i,
                learning_rate=1e-3,
                loss=0.02 * float(np.exp(-i / 6)) + 0.002,
                watched_rmse=0.09 + 0.1 * float(np.exp(-i / 4)) + 0.004 * float(rng.random()),
                seconds=11.0,
            )
            for i in range(1, 25)
        ),
        best_epoch=17,
        steps=24 * 40,
        models=made_models(targets),
        rival=RIDGE,
        versus_rival=compare(
            np.linspace(0, 1, N), np.linspace(0.05, 1.05, N), np.linspace(0.07, 1.07, N)
        ),
        verdict="The network beats ridge on the sealed cells and dates: RMSE 0.050 against 0.065.",
        notes=("3 of 60 steps of time have no date.",),
        ended="patience",
        device="cpu",
        precision="float32",
        torch="2.9",
        processes=1,
    )


def make_frames(
    *,
    targets: tuple[str, ...] = ("ndvi",),
    n: int = 12,
    shape: tuple[int, int] = (40, 56),
    observed: bool = True,
) -> MapFrames:
    """Return maps that drift over time, with gaps."""
    rng = np.random.default_rng(7)
    y, x = np.mgrid[: shape[0], : shape[1]] / 12
    waves = [np.sin(x + 0.4 * i) * np.cos(y - 0.2 * i) for i in range(n)]
    scales = [1 + 20 * k for k in range(len(targets))]
    seen = np.stack([[scale * wave for scale in scales] for wave in waves]).astype(np.float32)
    guess = seen + 0.08 * seen.std(axis=(0, 2, 3), keepdims=True) * rng.normal(0, 1, seen.shape)
    seen[rng.random(seen.shape) < 0.04] = np.nan
    seen[:, :, 4:12, 30:42] = np.nan
    guess = guess.astype(np.float32)
    guess[:, :, -6:, :8] = np.nan
    frames = MapFrames(
        dates=made_dates(n, "2022-01-05"),
        targets=targets,
        observed=seen,
        predicted=guess,
        step=2,
        crs="EPSG:4326",
        extent=(-55.9, -12.8, -53.1, -10.8),
        synthetic=True,
    )
    return frames if observed else replace(frames, observed=None)


def with_rmse(result: MapTraining, factor: float) -> MapTraining:
    """Return the result with the RMSE of the first model in another unit."""
    first, *others = result.models
    scores, pooled = first.scores[0], first.scores[0].pooled
    rmse = replace(
        pooled.rmse,
        **{k: (getattr(pooled.rmse, k) or 1.0) * factor for k in ("value", "low", "high")},
    )
    pooled = replace(pooled, rmse=rmse, ccc=replace(pooled.ccc, value=-0.0001))
    model = replace(first, scores=(replace(scores, pooled=pooled), *first.scores[1:]))
    return replace(result, models=(model, *others))
