"""`MapTally`: what the scores of a map need, added up band by band; it reads and predicts nothing.

Memory is that of the groups, of at most 1,024 by 1,024 cells over time, of a sample of values and
of a few thinned maps, whatever the raster's size.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from autospec.data.cubes.cubes import BoolArray, Float32Array
from autospec.data.maps.problem import MapProblem
from autospec.data.spectra import FloatArray, IntArray
from autospec.evaluate.map_frames import MapFrames, frame_dates, frame_extent, frame_step
from autospec.evaluate.map_metrics import (
    SAMPLE,
    SUMS,
    GroupSums,
    MapScores,
    nash_sutcliffe,
    score_groups,
    sums_of,
)

SEASONS = ("Dec–Feb", "Mar–May", "Jun–Aug", "Sep–Nov")
CELLS_ALONG = 1024  # rows and columns of cells that are followed over time
_N, _EE = SUMS.index("n"), SUMS.index("ee")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapTally:
    """What scores of one model's maps need, of the counted cells and dates.

    Parameters
    ----------
    targets : tuple of str, length k
    groups : int64, shape (g,)
        Positions of dates, or of squares, row by row: ascending, the same of every model.
    sums : float64, shape (k, g, 9)
        As in `GroupSums`; 0 where a target has no cell in a group.
    shift : float64, shape (k,)
    values, value_groups : tuple of k arrays
        A sample of observed values, ascending, and their groups as positions among `groups`.
    seasons : float64, shape (k, 4, 2)
        As in `SEASONS`: number of cells and sum of squared errors.
    borders : float64, shape (k, 2, 2)
        Number of cells and sum of squared errors: of cells that are not "edge", then of those.
    places : float64, shape (k, 2, p, 2)
        Number of cells and sum of errors by the row, and by the column, within the core of a tile;
        p = 0 where the map is one tile.
    cells : float64, shape (k, 4, rows, columns)
        Over time, of every few cells: number, sums of y, y² and squared errors.
    frames : MapFrames
    """

    targets: tuple[str, ...]
    groups: IntArray
    sums: FloatArray
    shift: FloatArray
    values: tuple[FloatArray, ...]
    value_groups: tuple[IntArray, ...]
    seasons: FloatArray
    borders: FloatArray
    places: FloatArray
    cells: FloatArray
    frames: MapFrames

    def scores(self, target: int, seed: int = 0) -> MapScores:
        """Return the scores of a target (its position); `seed` fixes the draws of groups.

        The median efficiency is that of all cells, or of every second, third, ... row and column
        of a raster with more than 1,024.
        """
        along = nash_sutcliffe(self.cells[target], float(self.shift[target]))
        known = along[np.isfinite(along)]
        median = float(np.median(known)) if len(known) else None
        return score_groups(self._groups(target), nse_median=median, seed=seed)

    def by_season(self) -> tuple[tuple[str, str, int, float], ...]:
        """Return (season, target, number of cells and dates, RMSE) of all that have any."""
        rows = []
        for target, sums in zip(self.targets, self.seasons.tolist(), strict=True):
            for season, (n, ee) in zip(SEASONS, sums, strict=True):
                if n:
                    rows.append((season, target, round(n), float(np.sqrt(ee / n))))
        return tuple(rows)

    @property
    def edge_rmse(self) -> tuple[float | None, ...]:
        """RMSE of each target over cells near a border of the tiles; None without any."""
        return tuple(_rmse(n, ee) for n, ee in self.borders[:, 1].tolist())

    @property
    def interior_rmse(self) -> tuple[float | None, ...]:
        """RMSE of each target over the other cells; None without any."""
        return tuple(_rmse(n, ee) for n, ee in self.borders[:, 0].tolist())

    @property
    def tile_pattern(self) -> tuple[float | None, ...]:
        """How much of each target's RMSE the place of a cell within its tile explains.

        The standard deviation, over the rows of a tile or over its columns, whichever is more, of
        the mean error there, as a share of the RMSE: 0 where tiles do not show. The pattern of the
        ground itself has some share too, as models that know no tiles tell. None where the map is
        one tile.
        """
        totals = self.borders.sum(axis=1)
        return tuple(
            _pattern(sums, n, ee) for sums, (n, ee) in zip(self.places, totals, strict=True)
        )

    def _groups(self, target: int) -> GroupSums:
        """Return the groups in which a target has a cell."""
        has = self.sums[target, :, _N] > 0
        return GroupSums(
            sums=self.sums[target, has],
            shift=float(self.shift[target]),
            values=self.values[target],
            group=(np.cumsum(has) - 1)[self.value_groups[target]],
        )


@dataclass(slots=True, kw_only=True, eq=False)
class Tallying:
    """The state of a tally under way: `add` every band, then `finish`.

    Parameters
    ----------
    problem : MapProblem
    dates : int64, shape (d,)
        Positions of all dates that will come.
    block : int or None
        Side in cells of the squares that are groups; None: dates are.
    edge : bool, shape (h, w)
        Which cells are near a border.
    within : pair of int64, shapes (h,) and (w,)
        Row and column of cells within the core of their tile; empty where the map is one tile.
    most : int
        Cells and dates that may be counted at most: how thin the sample must be.
    seed : int
        Fixes the sample.
    """

    problem: MapProblem
    dates: IntArray
    block: int | None
    edge: BoolArray
    within: tuple[IntArray, IntArray]
    most: int
    seed: int = 0
    _found: list[tuple[int, FloatArray, IntArray]] = field(default_factory=list)
    _shift: FloatArray = field(init=False)
    _sums: FloatArray = field(init=False)
    _seasons: FloatArray = field(init=False)
    _borders: FloatArray = field(init=False)
    _places: FloatArray = field(init=False)
    _cells: FloatArray = field(init=False)
    _observed: Float32Array = field(init=False)
    _predicted: Float32Array = field(init=False)
    _rng: np.random.Generator = field(init=False)

    def __post_init__(self) -> None:
        """Take the memory that is needed until the end."""
        k, (h, w) = len(self.problem.targets), self.problem.stack.shape
        step = frame_step((h, w))
        shown = (len(frame_dates(len(self.dates))), k, -(-h // step), -(-w // step))
        apart = frame_step((h, w), CELLS_ALONG)
        self._shift = np.full(k, np.nan)
        self._sums = np.zeros((k, self._n_groups, len(SUMS)))
        self._seasons = np.zeros((k, len(SEASONS), 2))
        self._borders = np.zeros((k, 2, 2))
        side = max((int(p.max()) + 1 for p in self.within if len(p)), default=0)
        self._places = np.zeros((k, 2, side, 2))
        self._cells = np.zeros((k, 4, -(-h // apart), -(-w // apart)))
        self._observed = np.full(shown, np.nan, dtype=np.float32)
        self._predicted = np.full(shown, np.nan, dtype=np.float32)
        self._rng = np.random.default_rng(self.seed)

    @property
    def _n_groups(self) -> int:
        """How many there may be."""
        if self.block is None:
            return len(self.problem.slots)
        h, w = self.problem.stack.shape
        return -(-h // self.block) * -(-w // self.block)

    def _group(self, date: int, rows: IntArray, columns: IntArray) -> IntArray:
        """Return the group of each of some cells of a date."""
        if self.block is None:
            return np.full(len(rows), date)
        return rows // self.block * -(-self.problem.stack.shape[1] // self.block) + (
            columns // self.block
        )

    def add(
        self, date: int, row: int, maps: tuple[Float32Array, Float32Array], role: BoolArray
    ) -> None:
        """Add some rows of one date.

        Parameters
        ----------
        date : int
            Its position.
        row : int
            The first row.
        maps : pair of float32, shape (k, rows, w)
            Observed and predicted; NaN: no value, and none is counted.
        role : bool, shape (rows, w)
            Cells that count.
        """
        self._show(date, row, maps)
        observed, predicted = maps
        counted = role & np.isfinite(observed) & np.isfinite(predicted)
        for target, has in enumerate(counted):
            if has.any():
                self._count(date, row, target, (observed[target], predicted[target], has))

    def _count(
        self, date: int, row: int, target: int, maps: tuple[Float32Array, Float32Array, BoolArray]
    ) -> None:
        """Add what one target has in some rows of a date."""
        y, p = (m[maps[2]].astype(np.float64) for m in maps[:2])
        if np.isnan(self._shift[target]):
            self._shift[target] = y[0]  # of a constant, squares are then exactly 0
        rows, columns = np.nonzero(maps[2])
        rows += row
        sums = sums_of(y, p, float(self._shift[target]))
        group = self._group(date, rows, columns)
        first, last = int(group.min()), int(group.max()) + 1
        added = [np.bincount(group - first, weights=s, minlength=last - first) for s in sums]
        self._sums[target, first:last] += np.stack(added, axis=-1)
        self._seasons[target, self._season(date)] += sums[[_N, _EE]].sum(axis=1)
        self._count_cells(target, rows, columns, sums)
        near = self.edge[rows, columns]
        for side, which in enumerate((~near, near)):
            self._borders[target, side] += sums[[_N, _EE]][:, which].sum(axis=1)
        for axis, place in enumerate((rows, columns)):
            if self._places.shape[2]:
                self._count_places(target, axis, place, p - y)
        self._keep(target, group, y)

    def _count_places(self, target: int, axis: int, place: IntArray, error: FloatArray) -> None:
        within, side = self.within[axis][place], self._places.shape[2]
        self._places[target, axis, :, 0] += np.bincount(within, minlength=side)
        self._places[target, axis, :, 1] += np.bincount(within, weights=error, minlength=side)

    def _season(self, date: int) -> int:
        month = int(self.problem.stack.times[date].astype("datetime64[M]").astype(np.int64)) % 12
        return (month + 1) % 12 // 3

    def _count_cells(
        self, target: int, rows: IntArray, columns: IntArray, sums: FloatArray
    ) -> None:
        apart = frame_step(self.problem.stack.shape, CELLS_ALONG)
        on = (rows % apart == 0) & (columns % apart == 0)
        names = [SUMS.index(name) for name in ("n", "y", "yy", "ee")]
        # a cell comes once a date, so that no place is written to twice
        self._cells[target][:, rows[on] // apart, columns[on] // apart] += sums[names][:, on]

    def _keep(self, target: int, group: IntArray, y: FloatArray) -> None:
        """Keep some of the values for the quartiles."""
        if self.most > SAMPLE:
            on = self._rng.random(len(y)) < SAMPLE / self.most
            group, y = group[on], y[on]
        self._found.append((target, y, group))

    def _show(self, date: int, row: int, maps: tuple[Float32Array, Float32Array]) -> None:
        """Keep the thinned rows, if this date is shown."""
        shown = self.dates[frame_dates(len(self.dates))]
        place = np.flatnonzero(shown == date)
        step = frame_step(self.problem.stack.shape)
        first = -row % step
        if not len(place) or first >= maps[0].shape[1]:
            return
        observed, predicted = (m[:, first::step, ::step] for m in maps)
        begin = (row + first) // step
        rows = slice(begin, begin + observed.shape[1])
        self._observed[place[0], :, rows] = observed
        self._predicted[place[0], :, rows] = predicted

    def finish(self) -> MapTally:
        """Return what was added up."""
        groups = np.flatnonzero((self._sums[..., _N] > 0).any(axis=0))
        samples = [self._sample(target, groups) for target in range(len(self._shift))]
        return MapTally(
            targets=self.problem.aims.targets,
            groups=groups,
            sums=self._sums[:, groups],
            shift=self._shift,
            values=tuple(values for values, _ in samples),
            value_groups=tuple(places for _, places in samples),
            seasons=self._seasons,
            borders=self._borders,
            places=self._places,
            cells=self._cells,
            frames=self._frames(),
        )

    def _sample(self, target: int, groups: IntArray) -> tuple[FloatArray, IntArray]:
        """Return the kept values of a target, ascending, and their groups' positions."""
        found = [(y, group) for which, y, group in self._found if which == target]
        values = np.concatenate([np.zeros(0), *(y for y, _ in found)])
        group = np.concatenate([np.zeros(0, dtype=np.int64), *(g for _, g in found)])
        order = np.argsort(values, kind="stable")
        return values[order], np.searchsorted(groups, group[order])

    def _frames(self) -> MapFrames:
        stack = self.problem.stack
        step = frame_step(stack.shape)
        shown = self.dates[frame_dates(len(self.dates))]
        return MapFrames(
            dates=tuple(np.datetime_as_string(stack.times[shown]).tolist()),
            targets=self.problem.aims.targets,
            observed=self._observed,
            predicted=self._predicted,
            step=step,
            crs=stack.crs,
            extent=frame_extent(stack, step),
            synthetic=stack.synthetic,
        )


def _rmse(n: float, ee: float) -> float | None:
    return float(np.sqrt(ee / n)) if n else None


def _pattern(sums: FloatArray, n: float, ee: float) -> float | None:
    """Return the larger of two standard deviations of mean errors, as a share of the RMSE."""
    if not sums.shape[1] or not n or not ee:
        return None
    spreads = []
    for counts, errors in sums.transpose(0, 2, 1):
        means = np.divide(errors, counts, out=np.zeros_like(errors), where=counts > 0)
        spreads.append(np.sqrt((counts * (means - errors.sum() / n) ** 2).sum() / n))
    return float(max(spreads) / np.sqrt(ee / n))
