"""Tiles as a task of the loop: what an epoch draws, what is watched, and that a network learns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps import tiles as reading
from autospec.data.maps.asking import pose
from autospec.data.maps.problem import MapAims, MapProblem
from autospec.data.maps.scaling import MapScaler, fit_map_scaler
from autospec.data.maps.splits import (
    FIT,
    WATCH,
    MapSplit,
    MapSplitPlan,
    make_map_split,
    roles_at,
)
from autospec.data.maps.tiles import Place, Tile
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.training.distributed import Processes
from autospec.training.fit import FitRun, fit
from autospec.training.fit_config import FitConfig
from autospec.training.map_network import MapNetwork, build_map_network
from autospec.training.map_settings import MapSettings, MapTerms
from autospec.training.map_task import MapTask

CPU = torch.device("cpu")
SIDE, LENGTH, DATES, SIDES = 8, 3, 9, (16, 24)
SIZES = CNNTransformerSizes(widths=(4, 4, 8, 8), embedding=16, depth=1, heads=2, dropout=0.0)
AIMS = MapAims(targets=("y",), length=LENGTH)
SCALER = MapScaler(
    low=np.zeros(2),
    high=np.ones(2),
    mean=np.full(2, 0.5),
    target_low=np.array([-2.0]),
    target_high=np.array([2.0]),
    target_mean=np.array([0.0]),
    gappy=False,
)
FIT_PLACES = tuple(
    Place(slot=slot, row=row, column=column, height=SIDE, width=SIDE)
    for slot in range(DATES - 2 - LENGTH)
    for row in range(0, SIDES[0] - SIDE + 1, SIDE // 2)
    for column in range(0, SIDES[1] - SIDE + 1, SIDE // 2)
)
WATCH_PLACES = tuple(
    Place(slot=DATES - LENGTH, row=row, column=column, height=SIDE, width=SIDE)
    for row in range(0, SIDES[0], SIDE)
    for column in range(0, SIDES[1], SIDE)
)


def problem() -> MapProblem:
    """Two channels and y = 2·(first − second), at dates a day apart."""
    rng = np.random.default_rng(0)
    values = rng.random((DATES, 3, *SIDES), dtype=np.float32)
    values[:, 2] = 2 * (values[:, 0] - values[:, 1])
    stack = RasterStack(
        dynamic=values,
        static=np.zeros((0, *SIDES), dtype=np.float32),
        channels=("a", "b", "y"),
        static_channels=(),
        times=np.datetime64("2020-01-01", "s") + np.arange(DATES) * np.timedelta64(1, "D"),
        transform=(1.0, 0.0, 0.0, 0.0, -1.0, 0.0),
        crs="EPSG:32632",
    )
    empty = np.zeros(DATES, dtype=bool)
    return MapProblem(stack=stack, aims=AIMS, slots=np.arange(DATES), step_s=86400.0, empty=empty)


def cut(problem: MapProblem, plan: MapSplitPlan | None, place: Place, role: int) -> Tile:
    """Read a tile; the watched ones count where the row is even."""
    dates = slice(place.slot, place.slot + LENGTH)
    rows = slice(place.row, place.row + place.height)
    columns = slice(place.column, place.column + place.width)
    values = problem.stack.dynamic[dates, :, rows, columns]
    counted = np.ones((LENGTH, place.height, place.width), dtype=bool)
    if role == WATCH:
        counted[:, 1::2] = False
    target = np.where(counted[:, None], values[:, 2:], np.float32(np.nan))
    return Tile(
        dynamic=values[:, :2],
        static=problem.stack.static[:, rows, columns],
        present=np.ones(LENGTH, dtype=bool),
        last=np.full_like(target, np.nan),
        target=target,
        counted=counted,
        months=np.zeros(LENGTH, dtype=np.int64),
    )


@pytest.fixture
def _places(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read, and where, is of `autospec.data.maps.tiles`: here are simple ones."""
    monkeypatch.setattr(reading, "read_tile", cut)
    monkeypatch.setattr(reading, "fit_places", lambda *_: FIT_PLACES)
    monkeypatch.setattr(reading, "watch_places", lambda *_: WATCH_PLACES)


def made(**changes: Any) -> tuple[MapNetwork, MapTask]:
    settings = replace(MapSettings(aims=AIMS, sizes=SIZES, tile=SIDE), **changes)
    network = build_map_network(SIZES, AIMS, SCALER, "mask", n_static=0, seed=0)
    plan = MapSplitPlan(
        kind="forward",
        dates=np.full(DATES, FIT, dtype=np.uint8),
        cells=np.full(SIDES, FIT, dtype=np.uint8),
        block=SIDE,
        digest="made",
        _sealed=(np.full(DATES, FIT, dtype=np.uint8), np.full(SIDES, FIT, dtype=np.uint8)),
    )
    task = MapTask(problem=problem(), plan=plan, settings=settings, network=network, device=CPU)
    return network, task


@pytest.mark.usefixtures("_places")
@pytest.mark.parametrize(("asked", "drawn"), [(None, 64), (1, 1), (20, 20), (999, 999)])
def test_an_epoch_draws_what_is_asked_or_16_steps_of_a_few_places(
    asked: int | None, drawn: int
) -> None:
    task = made(tiles_an_epoch=asked)[1]
    assert (task.n_fit, task.n_epoch, task.n_watch) == (len(FIT_PLACES), drawn, len(WATCH_PLACES))


@pytest.mark.usefixtures("_places")
@pytest.mark.parametrize(("batch", "accumulate"), [(4, 4), (4, 8), (3, None)])
def test_by_default_a_small_stack_has_16_steps_an_epoch(batch: int, accumulate: int | None) -> None:
    config = FitConfig(batch_size=batch, accumulate_to=accumulate)
    assert config.windows(made(config=config)[1].n_epoch) == 16


@pytest.mark.usefixtures("_places")
@pytest.mark.parametrize(("side", "slots"), [((64, 64), 40), ((60, 33), 17), ((8, 80), 101)])
def test_by_default_an_epoch_covers_what_is_learned_from_once(
    monkeypatch: pytest.MonkeyPatch, side: tuple[int, int], slots: int
) -> None:
    def starts(n: int) -> list[int]:
        return sorted({*range(0, n - SIDE, SIDE // 2), n - SIDE})

    places = tuple(
        Place(slot=slot, row=row, column=column, height=SIDE, width=SIDE)
        for slot in range(slots - LENGTH + 1)
        for row in starts(side[0])
        for column in starts(side[1])
    )
    monkeypatch.setattr(reading, "fit_places", lambda *_: places)
    tiles = side[0] * side[1] * slots / (SIDE * SIDE * LENGTH)
    assert made()[1].n_epoch == int(np.ceil(tiles))


@pytest.mark.usefixtures("_places")
def test_what_is_judged_is_the_squared_error_of_counted_cells() -> None:
    network, task = made()
    with torch.no_grad():
        network.network.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    network.network.eval()
    rows = np.array([0, 2, 5])
    with torch.no_grad():
        judged = task.judge(network.network, rows).numpy()
    assert judged.shape == (3, 2)
    for row, (squares, count) in zip(rows, judged, strict=True):
        tile = cut(task.problem, task.plan, WATCH_PLACES[row], WATCH)
        off = (network.predict(tile) - tile.target)[:, 0][tile.counted] / 4.0
        assert count == tile.counted.sum() == LENGTH * SIDE * SIDE / 2
        assert squares == pytest.approx((off.astype(np.float64) ** 2).sum(), rel=1e-4)


@pytest.mark.usefixtures("_places")
def test_metric_is_the_mean_rmse_of_targets_that_have_values() -> None:
    judged = np.array([[4.0, 1.0, 7.0, 1.0, 1.0, 0.0], [5.0, 3.0, 2.0, 0.0, 3.0, 0.0]])
    assert made()[1].metric(judged) == pytest.approx((3.0 + 1.0) / 2)
    assert np.isnan(made()[1].metric(np.zeros((2, 2))))


@pytest.mark.usefixtures("_places")
def test_loss_is_that_of_the_terms() -> None:
    network, task = made(terms=MapTerms(edge=True))
    tile = cut(task.problem, task.plan, FIT_PLACES[3], FIT)
    off = tile.target / 4.0  # untrained, it says the mean: the middle of the range
    found = task.loss(network.network, np.array([3])).item()
    assert found == pytest.approx((off**2).mean() + 0.5 * np.abs(off).mean(), rel=0.02)


@pytest.mark.usefixtures("_places")
def test_a_network_learns_what_its_inputs_tell() -> None:
    network, task = made(tiles_an_epoch=16)
    config = FitConfig(
        optimiser="adamw", learning_rate=1e-2, batch_size=4, accumulate_to=4, max_epochs=8
    )
    state, ended = fit(network.network, task, config, FitRun(processes=Processes(device=CPU)))
    assert (ended, state.steps) == ("complete", 8 * 4)
    assert state.best is not None and state.best < 0.6 * state.history[0].metric
    tile = cut(task.problem, task.plan, WATCH_PLACES[0], FIT)
    assert np.corrcoef(network.predict(tile).ravel(), tile.target.ravel())[0, 1] > 0.9


@pytest.mark.usefixtures("_places")
def test_the_same_settings_give_the_same_bits() -> None:
    config = FitConfig(learning_rate=1e-2, batch_size=3, accumulate_to=4, max_epochs=2)
    runs = []
    for _ in range(2):
        network, task = made(tiles_an_epoch=8)
        fit(network.network, task, config, FitRun(processes=Processes(device=CPU)))
        runs.append(network.predict(cut(task.problem, task.plan, WATCH_PLACES[0], FIT)))
    np.testing.assert_array_equal(*runs)


@pytest.mark.usefixtures("_places")
@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
@pytest.mark.parametrize("refine", [True, False])
def test_half_precision_learns_alike(precision: Any, refine: bool) -> None:
    config = FitConfig(learning_rate=1e-2, batch_size=4, accumulate_to=4, max_epochs=2)
    sizes, best = replace(SIZES, refine=refine), []
    for each in ("float32", precision):
        network = build_map_network(sizes, AIMS, SCALER, "mask", n_static=0, seed=0)
        task = replace(made(tiles_an_epoch=8)[1], network=network)
        run = FitRun(processes=Processes(device=CPU))
        state, _ = fit(network.network, task, replace(config, precision=each), run)
        best.append(state.best)
    assert best[1] == pytest.approx(best[0], rel=0.1)


@pytest.mark.parametrize("kind", ["forward", "blocks"])
@pytest.mark.parametrize("horizon", [1, 2])
def test_untrained_it_is_watched_as_persistence_of_every_watched_cell(
    kind: Any, horizon: int
) -> None:
    """As told by the stack itself: dates, cells and values that have a role, each once."""
    asked = problem()
    values = np.asarray(asked.stack.dynamic).copy()
    values[:, 2][np.random.default_rng(1).random(values[:, 2].shape) < 0.2] = np.nan
    aims = MapAims(targets=("y",), horizon=horizon, length=LENGTH)
    asked = pose(replace(asked.stack, dynamic=values), aims)
    split = MapSplit(kind=kind, block=4)
    plan = make_map_split(asked, split)
    scaler = fit_map_scaler(asked, plan)
    network = build_map_network(SIZES, aims, scaler, "mask", n_static=0, seed=0)
    settings = MapSettings(aims=aims, sizes=SIZES, split=split, tile=SIDE + 3)
    task = MapTask(problem=asked, plan=plan, settings=settings, network=network, device=CPU)
    network.network.eval()
    with torch.no_grad():
        judged = task.judge(network.network, np.arange(task.n_watch)).numpy()

    y, span = values[:, 2], scaler.target_high - scaler.target_low
    off = []
    for date in range(horizon, DATES):
        roles = roles_at(plan.dates[date : date + 1], plan.cells)[0]
        before = np.full(SIDES, np.nan)
        for past in y[max(date - horizon - 2 * LENGTH, 0) : date - horizon + 1]:
            before = np.where(np.isnan(past), before, past)
        before = np.where(np.isnan(before), scaler.target_mean[0], before)
        told = (roles == WATCH) & ~np.isnan(y[date])
        off.extend((y[date] - before)[told] / span)
    assert judged[:, 1].sum() == len(off) > 0
    assert task.metric(judged) == pytest.approx(np.sqrt(np.mean(np.square(off))), rel=1e-3)
