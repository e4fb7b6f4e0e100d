"""Maps scored band by band: what the flat rows of the held-out cells and dates say."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.data.cubes.cubes import Float32Array
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import (
    FIT,
    LEFT_OUT,
    SEALED,
    WATCH,
    MapSplit,
    MapSplitKind,
    Roles,
    make_map_split,
    roles_at,
)
from autospec.data.maps.tiles import Tile
from autospec.data.maps.tiling import Tiling
from autospec.errors import DataError
from autospec.evaluate.map_scoring import compare_maps, edge_cells, places_in_tiles, score_maps
from autospec.evaluate.map_tally import SEASONS, MapTally
from autospec.evaluate.mapping import map_problem
from autospec.evaluate.metrics import METRICS, score
from tests.evaluate.made_maps import ConstantModel, NoisyModel, made_problem, made_values

TILING = Tiling(tile=8, margin=1)
MODEL = NoisyModel(gain=2.0)
Pair = tuple[Roles, Roles]


def gappy(seed: int = 0) -> np.ndarray:
    values = made_values(seed)
    values[np.random.default_rng(seed).uniform(size=values.shape) < 0.2] = np.nan
    values[20, 2] = np.nan  # a sealed date without any truth
    values[9, :2] = np.nan  # and a date without any input
    return values


def opened(problem: MapProblem, kind: MapSplitKind = "forward", block: int = 3) -> Pair:
    return make_map_split(problem, MapSplit(kind=kind, block=block, seed=1)).unseal()


def flat(problem: MapProblem, roles: Pair, target: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """All counted (observed, predicted), from whole maps in memory."""
    k, (h, w) = len(problem.targets), problem.stack.shape
    t = len(problem.slots)
    maps = np.full((t, k, h, w), np.nan)
    asked = problem.slots[problem.slots >= problem.aims.horizon]
    for band in map_problem(problem, MODEL, asked, TILING):
        rows = slice(band.row, band.row + band.values.shape[2])
        maps[problem.date_at(band.slots), :, rows] = band.values
    truth = problem.stack.dynamic[:, problem.targets[target]].astype(np.float64)
    said = maps[:, target]
    on = (roles_at(*roles) == SEALED) & np.isfinite(truth) & np.isfinite(said)
    return truth[on], said[on]


def tally_of(problem: MapProblem, roles: Pair, **models: object) -> dict[str, MapTally]:
    given = models or {"network": MODEL}
    return score_maps(problem, roles, SEALED, given, TILING, block=3)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["forward", "blocks"])
@pytest.mark.parametrize("horizon", [0, 1])
def test_scores_are_those_of_the_flat_rows(kind: MapSplitKind, horizon: int) -> None:
    problem = made_problem(gappy(), horizon=horizon)
    roles = opened(problem, kind)
    observed, predicted = flat(problem, roles)
    found = tally_of(problem, roles)["network"].scores(0)
    wanted = score(observed, predicted)
    assert found.pooled.n == len(observed) > 200
    for metric in METRICS:
        assert getattr(found.pooled, metric).value == pytest.approx(
            getattr(wanted, metric).value, rel=1e-9
        ), metric
    assert found.mae.value == pytest.approx(np.abs(predicted - observed).mean())
    assert found.pearson_r2.value == pytest.approx(np.corrcoef(observed, predicted)[0, 1] ** 2)


@pytest.mark.parametrize("target", [0, 1])
def test_each_of_two_targets_has_its_own_scores(target: int) -> None:
    problem = made_problem(gappy(), ("c", "b"))
    roles = opened(problem)
    model = NoisyModel(gain=2.0, k=2)
    found = score_maps(problem, roles, SEALED, {"m": model}, TILING, block=3)["m"].scores(target)
    channel = problem.targets[target]
    said = model.predict_all(problem)[:, target]
    truth = problem.stack.dynamic[:, channel]
    on = (roles_at(*roles) == SEALED) & np.isfinite(truth) & ~problem.empty[:, None, None]
    error = (said - truth)[on].astype(np.float64)
    assert found.pooled.n == on.sum()
    # maps are single precision, and sums of tapered tiles
    assert found.pooled.rmse.value == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)


def test_groups_are_whole_dates_where_dates_are_held_out() -> None:
    problem = made_problem(gappy())
    roles = opened(problem)
    tally = tally_of(problem, roles)["network"]
    wanted = set(np.flatnonzero(roles[0] == SEALED).tolist()) - {20}  # it has no truth
    assert set(tally.groups.tolist()) == wanted
    assert tally.scores(0).n_groups == len(wanted)


def test_groups_are_whole_squares_where_squares_are_held_out() -> None:
    problem = made_problem(made_values())
    roles = opened(problem, "blocks")
    tally = tally_of(problem, roles)["network"]
    rows, columns = np.nonzero(roles[1] == SEALED)
    assert tally.groups.tolist() == sorted(set((rows // 3 * 5 + columns // 3).tolist()))
    assert tally.sums[0, :, 0].tolist() == [
        24 * float(((rows // 3 * 5 + columns // 3) == square).sum()) for square in tally.groups
    ]


@pytest.mark.parametrize("kind", ["forward", "blocks"])
def test_few_dates_or_squares_settle_nothing_however_many_cells(kind: MapSplitKind) -> None:
    problem = made_problem(made_values())
    tallies = tally_of(problem, opened(problem, kind), good=MODEL, bad=ConstantModel(value=1e6))
    found = compare_maps(tallies["good"], tallies["bad"], 0)
    assert found.high < 0
    assert found.better == "cannot tell"


def test_a_date_without_truth_and_one_without_input_count_nothing() -> None:
    problem = made_problem(gappy())
    dates = np.full(24, LEFT_OUT, dtype=np.uint8)
    dates[[9, 20]] = SEALED
    everywhere = np.full(problem.stack.shape, FIT, dtype=np.uint8)
    with pytest.raises(DataError, match="'c': found no value in the held-out part"):
        tally_of(problem, (dates, everywhere))
    dates[21] = SEALED
    tally = tally_of(problem, (dates, everywhere))["network"]
    assert tally.groups.tolist() == [21]
    rmse = tally.scores(0).pooled.rmse
    assert rmse.value is not None and rmse.low is rmse.high is None  # of a single group


@pytest.mark.parametrize("role", [FIT, WATCH])
def test_other_roles_are_counted_too(role: int) -> None:
    problem = made_problem(made_values())
    roles = opened(problem, "blocks")
    found = score_maps(problem, roles, role, {"m": MODEL}, TILING, block=3)["m"].scores(0)
    assert found.pooled.n == 24 * (roles[1] == role).sum()


def test_efficiency_is_the_median_over_cells() -> None:
    problem = made_problem(made_values())
    roles = opened(problem)
    found = tally_of(problem, roles)["network"].scores(0).nse_median
    on = roles[0] == SEALED
    truth = problem.stack.dynamic[on, 2].astype(np.float64)
    error = MODEL.predict_all(problem)[on, 0] - truth
    spread = ((truth - truth.mean(axis=0)) ** 2).sum(axis=0)
    assert found == pytest.approx(np.median(1 - (error**2).sum(axis=0) / spread), rel=1e-5)


def test_fewer_than_three_dates_have_no_efficiency() -> None:
    problem = made_problem(made_values())
    dates = np.full(24, LEFT_OUT, dtype=np.uint8)
    dates[[4, 5]] = SEALED
    everywhere = np.full(problem.stack.shape, FIT, dtype=np.uint8)
    assert tally_of(problem, (dates, everywhere))["network"].scores(0).nse_median is None


def test_seasons_are_those_of_the_target_dates() -> None:
    problem = made_problem(made_values(), horizon=2)
    roles = opened(problem, "blocks")
    found = tally_of(problem, roles)["network"].by_season()
    months = problem.stack.times[2:].astype("datetime64[M]").astype(int) % 12
    n_cells = int((roles[1] == SEALED).sum())
    wanted = [int(np.isin(months, m).sum()) for m in ([11, 0, 1], [2, 3, 4], [5, 6, 7], [8, 9, 10])]
    assert [(season, n) for season, _, n, _ in found] == [
        (season, n * n_cells) for season, n in zip(SEASONS, wanted, strict=True)
    ]
    total = tally_of(problem, roles)["network"].scores(0).pooled
    squares = sum(n * rmse**2 for _, _, n, rmse in found)
    assert np.sqrt(squares / total.n) == pytest.approx(total.rmse.value)


def test_a_cell_is_near_a_border_of_a_core_on_either_side() -> None:
    # tiles of 12 with a margin of 1: cores of 10 from 0 and, moved back, from 4 on
    found = edge_cells(Tiling(tile=12, margin=1), (14, 14), near=1)
    on = {0, 3, 4, 9, 10, 13}
    assert set(np.flatnonzero(found[6]).tolist()) == on
    assert found[:, 6].tolist() == found[6].tolist()
    assert found[3].all() and found[:, 9].all()


@settings(deadline=None, max_examples=60)
@given(
    length=st.integers(1, 90),
    margin=st.integers(0, 4),
    core=st.integers(1, 30),
    near=st.integers(1, 7),
)
def test_cells_near_a_border_are_those_found_one_by_one(
    length: int, margin: int, core: int, near: int
) -> None:
    core += 2 * margin  # a margin is less than a quarter of a tile
    tiling = Tiling(tile=core + 2 * margin, margin=margin)
    borders = {
        border
        for start in tiling.starts(length).tolist()
        for border in (start, min(start + core, length))
    }
    wanted = [any(-near <= cell - border < near for border in borders) for cell in range(length)]
    found = edge_cells(tiling, (length, length), near)
    np.testing.assert_array_equal(found, np.logical_or.outer(wanted, wanted))


def test_borders_of_a_wide_raster_take_little_memory() -> None:
    tracemalloc.start()
    edge_cells(Tiling(tile=64, margin=8), (1, 200_000))
    assert tracemalloc.get_traced_memory()[1] < 32 * 2**20
    tracemalloc.stop()


def test_the_borders_of_a_single_tile_are_the_raster_s() -> None:
    found = edge_cells(Tiling(tile=128, margin=16), (17, 20))
    assert not found[5:12, 5:15].any()
    assert found.sum() == 17 * 20 - 7 * 10


def test_edge_and_interior_share_all_cells() -> None:
    problem = made_problem(made_values(shape=(24, 20, 20)))
    tally = score_maps(
        problem, opened(problem), SEALED, {"m": MODEL}, Tiling(tile=40, margin=4), block=3
    )["m"]
    n, ee = tally.borders[0].T
    assert n.tolist() == [6 * 100, 6 * 300]
    assert tally.edge_rmse[0] == pytest.approx(np.sqrt(ee[1] / n[1]))
    pooled = tally.scores(0).pooled
    assert np.sqrt(ee.sum() / n.sum()) == pytest.approx(pooled.rmse.value)


class Striped:
    """Says what was last, and more in the middle column of every tile."""

    def predict(self, tile: Tile) -> Float32Array:
        said = np.nan_to_num(tile.last)
        said[..., said.shape[-1] // 2] += 90.0
        return said


@pytest.mark.parametrize("model", [MODEL, Striped()])
def test_the_pattern_of_tiles_is_the_spread_of_mean_errors_over_them(model: object) -> None:
    problem = made_problem(gappy(), horizon=1)
    roles = opened(problem)
    tally = tally_of(problem, roles, network=model)["network"]
    places = places_in_tiles(TILING, problem.stack.shape)
    errors: dict[tuple[int, int], list[float]] = {}
    for band in map_problem(problem, model, problem.slots[problem.slots > 0], TILING):  # type: ignore[arg-type]
        for slot, maps in zip(band.slots, band.values, strict=True):
            (date,) = problem.date_at(np.array([slot]))
            for i, j in np.ndindex(maps.shape[1:]):
                truth = problem.stack.dynamic[date, problem.targets[0], band.row + i, j]
                error = float(maps[0, i, j]) - float(truth)
                if roles[0][date] == SEALED and np.isfinite(error):
                    errors.setdefault((0, int(places[0][band.row + i])), []).append(error)
                    errors.setdefault((1, int(places[1][j])), []).append(error)
    along = [[e for (axis, _), e in sorted(errors.items()) if axis == a] for a in (0, 1)]
    every = np.concatenate(along[0])
    spread = [
        np.sqrt(sum(len(e) * (np.mean(e) - every.mean()) ** 2 for e in parts) / len(every))
        for parts in along
    ]
    wanted = max(spread) / np.sqrt((every**2).mean())
    assert tally.tile_pattern[0] == pytest.approx(wanted, rel=1e-6)
    assert (wanted > 0.5) == isinstance(model, Striped)


def test_a_map_of_one_tile_has_no_pattern() -> None:
    problem = made_problem(made_values())
    roles = opened(problem)
    tiling = Tiling(tile=64, margin=0)
    tally = score_maps(problem, roles, SEALED, {"network": MODEL}, tiling, block=3)["network"]
    assert tally.tile_pattern == (None,)


def test_each_cell_has_a_place_in_the_core_of_a_tile() -> None:
    rows, columns = places_in_tiles(Tiling(tile=16, margin=2), (40, 24))
    np.testing.assert_array_equal(columns, np.arange(24) % 12)
    np.testing.assert_array_equal(rows, [*range(12), *range(12), *range(4), *range(12)])


def test_without_an_interior_there_is_no_such_error() -> None:
    problem = made_problem(made_values())
    tally = tally_of(problem, opened(problem))["network"]
    assert tally.interior_rmse == (None,)
    assert tally.edge_rmse[0] == pytest.approx(tally.scores(0).pooled.rmse.value)


def test_models_are_compared_on_the_same_groups() -> None:
    problem = made_problem(np.concatenate([gappy(seed) for seed in range(4)]))
    tallies = tally_of(
        problem, opened(problem), good=NoisyModel(gain=0.5), bad=ConstantModel(value=24)
    )
    found = compare_maps(tallies["good"], tallies["bad"], 0)
    good, bad = (tallies[name].scores(0).pooled.rmse.value for name in ("good", "bad"))
    assert good is not None and bad is not None
    assert found.difference == pytest.approx(good - bad)
    assert found.better == "first"
    assert compare_maps(tallies["bad"], tallies["good"], 0).better == "second"


def test_frames_are_the_maps_of_the_dates() -> None:
    problem = made_problem(made_values())
    roles = opened(problem)
    frames = tally_of(problem, roles)["network"].frames
    on = roles[0] == SEALED
    assert len(frames.dates) == on.sum()
    assert frames.dates[0] == str(problem.stack.times[on][0])
    np.testing.assert_array_equal(frames.observed, problem.stack.dynamic[on, 2:])
    np.testing.assert_allclose(frames.predicted, MODEL.predict_all(problem)[on], rtol=1e-5)


def test_wide_maps_are_thinned_whatever_the_bands() -> None:
    problem = made_problem(made_values(shape=(12, 150, 5)), length=2)
    roles = opened(problem)
    frames = tally_of(problem, roles)["network"].frames
    assert frames.step == 2
    on = roles[0] == SEALED
    np.testing.assert_array_equal(frames.observed, problem.stack.dynamic[on, 2:, ::2, ::2])
    assert np.isfinite(frames.predicted).all()


def test_every_tile_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    problem = made_problem(made_values())
    score_maps(
        problem,
        opened(problem),
        SEALED,
        {"a": MODEL, "b": MODEL},
        TILING,
        block=3,
        on_tile=lambda name, done, total: told.append((name, done, total)),
    )
    each = [(done, total) for name, done, total in told if name == "b"]
    assert each == [(i + 1, each[0][1]) for i in range(each[0][1])]
    assert len(told) == 2 * len(each)


def test_quartiles_of_a_sample_are_near_those_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = made_problem(made_values(shape=(24, 40, 40)))
    roles = opened(problem)
    whole = tally_of(problem, roles)["network"].scores(0).pooled.rpiq.value
    monkeypatch.setattr("autospec.evaluate.map_tally.SAMPLE", 3000)
    tally = tally_of(problem, roles)["network"]
    assert 2500 < len(tally.values[0]) < 3500
    # the interquartile range of 3000 normal values has a standard error of 2 %
    assert tally.scores(0).pooled.rpiq.value == pytest.approx(whole, rel=0.08)
