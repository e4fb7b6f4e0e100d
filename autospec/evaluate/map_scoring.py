"""`score_maps`: maps of held-out cells and dates against the truth; and two models compared.

A raster is mapped, read and counted band by band: memory is that of a band.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from autospec.data.cubes.cubes import BoolArray
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.splits import FIT, LEFT_OUT, Roles, roles_at
from autospec.data.maps.tiles import read_slots
from autospec.data.maps.tiling import Tiling
from autospec.data.spectra import IntArray
from autospec.errors import DataError
from autospec.evaluate.map_metrics import compare_groups
from autospec.evaluate.map_tally import MapTally, Tallying
from autospec.evaluate.mapping import Band, MapPredictor, map_problem
from autospec.evaluate.metrics import Comparison

__all__ = ["MapTally", "compare_maps", "edge_cells", "score_maps"]

EDGE_CELLS = 5
_DATES_AT_ONCE = 16


def score_maps(
    problem: MapProblem,
    roles: tuple[Roles, Roles],
    role: int,
    models: Mapping[str, MapPredictor],
    tiling: Tiling,
    *,
    block: int,
    on_tile: Callable[[str, int, int], None] | None = None,
) -> dict[str, MapTally]:
    """Map the dates of a role with every model, and count the cells of that role.

    A cell counts at a date if one of the two has the role and neither is left out, if the target
    has a value, and if its input slot has a date with values: where it has none there is no map.

    Parameters
    ----------
    problem : MapProblem
    roles : pair of uint8, shapes (t,) and (h, w)
        Of dates and cells; `MapSplitPlan.unseal()` for `SEALED`.
    role : {FIT, WATCH, SEALED}
    models : dict of str to MapPredictor
    tiling : Tiling
        How maps are made; it also says which cells are near a border.
    block : int
        Side in cells of the split's squares. The bootstrap draws what was held out: these, or
        whole dates where no cell was.
    on_tile : callable (model, done, total) -> None, optional
        Told after every tile.

    Returns
    -------
    dict of str to MapTally
        In the order of `models`; all count the same cells and dates.

    Raises
    ------
    DataError
        If a target has no cell that counts.
    """
    dates = _dates_of(roles, role)
    by_squares = bool((roles[1] != FIT).any())
    cells = int((roles[1] == role).sum()) or roles[1].size
    tallies = {}
    for name, model in models.items():
        state = Tallying(
            problem=problem,
            dates=dates,
            block=block if by_squares else None,
            edge=edge_cells(tiling, problem.stack.shape),
            within=places_in_tiles(tiling, problem.stack.shape),
            most=len(dates) * cells,
        )
        told = None if on_tile is None else _told(on_tile, name)
        for band in map_problem(problem, model, problem.slots[dates], tiling, told):
            _add(state, band, roles, role)
        tallies[name] = state.finish()
        _check(tallies[name], len(dates))
    return tallies


def compare_maps(first: MapTally, second: MapTally, target: int, *, seed: int = 0) -> Comparison:
    """Compare two models on the same cells and dates by a paired bootstrap over groups.

    Parameters
    ----------
    first, second : MapTally
        Of one call of `score_maps`.
    target : int
        Its position.
    seed : int
        Fixes the 2000 draws.
    """
    assert np.array_equal(first.groups, second.groups), "both models on the same groups"
    has = first.sums[target, :, 0] > 0
    return compare_groups(first.sums[target, has], second.sums[target, has], seed=seed)


def edge_cells(tiling: Tiling, shape: tuple[int, int], near: int = EDGE_CELLS) -> BoolArray:
    """Say which cells are among the `near` next to a border of the tiles, on either side.

    A tile's border is that of its core: what stays when its margin is cropped. The cores cover
    the raster; where it is one tile, its borders are the raster's.

    Parameters
    ----------
    tiling : Tiling
    shape : tuple of int
        (h, w).
    near : int

    Returns
    -------
    bool, shape (h, w)
    """
    rows, columns = (_near_border(tiling, length, near) for length in shape)
    return np.asarray(rows[:, None] | columns[None, :])


def places_in_tiles(tiling: Tiling, shape: tuple[int, int]) -> tuple[IntArray, IntArray]:
    """Return the row of each row of a raster, and the column of each column, within a tile's core.

    The last tile of a row or column is moved back: what two cores share counts for the later.
    Both are empty where the raster is one tile.

    Parameters
    ----------
    tiling : Tiling
    shape : tuple of int
        (h, w).
    """
    if tiling.tiles(shape) == 1:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    return _places_along(tiling, shape[0]), _places_along(tiling, shape[1])


def _places_along(tiling: Tiling, length: int) -> IntArray:
    starts = np.minimum(tiling.starts(length), length)
    at = np.arange(length)
    return np.asarray(at - starts[np.searchsorted(starts, at, side="right") - 1])


def _near_border(tiling: Tiling, length: int, near: int) -> BoolArray:
    starts = tiling.starts(length)
    ends = np.minimum(starts + tiling.tile - 2 * tiling.margin, length)
    borders = np.concatenate([starts, ends])
    begun = np.bincount(np.maximum(borders - near, 0), minlength=length + 1)
    ended = np.bincount(np.minimum(borders + near, length), minlength=length + 1)
    return np.asarray(np.cumsum(begun - ended)[:length] > 0)


def _dates_of(roles: tuple[Roles, Roles], role: int) -> IntArray:
    """Return the dates at which a cell may have the role."""
    dates, cells = roles
    wanted = dates == role
    if (cells == role).any():
        wanted |= (dates != LEFT_OUT) & (dates < role)
    return np.flatnonzero(wanted)


def _told(on_tile: Callable[[str, int, int], None], name: str) -> Callable[[int, int], None]:
    return lambda done, total: on_tile(name, done, total)


def _add(state: Tallying, band: Band, roles: tuple[Roles, Roles], role: int) -> None:
    """Read the truth of a band, some dates at once, and count it."""
    problem = state.problem
    _, _, height, width = band.values.shape
    rows = slice(band.row, band.row + height)
    for first in range(0, len(band.slots), _DATES_AT_ONCE):
        slots = band.slots[first : first + _DATES_AT_ONCE]
        truth = read_slots(problem, slots, problem.targets, (rows, slice(0, width)))
        for i, date in enumerate(problem.date_at(slots).tolist()):
            counted = roles_at(roles[0][date : date + 1], roles[1][rows])[0] == role
            state.add(date, band.row, (truth[i], band.values[first + i]), counted)


def _check(tally: MapTally, n_dates: int) -> None:
    """Refuse a target of which nothing can be scored."""
    counted = tally.sums[..., 0].sum(axis=1)
    lacking = [name for name, n in zip(tally.targets, counted, strict=True) if n == 0]
    if lacking:
        raise DataError(
            f"target {lacking[0]!r}: found no value in the held-out part ({n_dates} dates) that "
            "has inputs to be predicted from; want at least one. Hold out more dates or squares, "
            "or other ones (--seed)."
        )
