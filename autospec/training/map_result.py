"""`MapTraining`: what the training of a network of maps found; plain values, no torch."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.evaluate.map_metrics import MapScores
from autospec.evaluate.metrics import Comparison
from autospec.training.cube_training import Ended, TrainEpoch
from autospec.training.map_settings import MapSettings

MAP_SCHEMA_VERSION = 1
NETWORK = "network"  # beside those of `autospec.evaluate.map_names`


@dataclass(frozen=True, slots=True, kw_only=True)
class MapData:
    """What the stack was.

    Parameters
    ----------
    shape : tuple of 4 int
        (t, c, h, w) of what changes; c all channels of the stack.
    static_channels, channels, inputs, targets : tuple of str
        Names; `inputs` are those of the channels that the network is given.
    first_time, last_time : str
        ISO 8601.
    step_s : float
        Seconds from slot to slot.
    n_gaps, n_empty : int
        Slots without a date; dates without a value.
    missing_percent : float
        Share of target cells and dates without a value.
    cell : tuple of 2 float
        Width and height of a cell in units of the crs.
    crs : str
    synthetic : bool
    provenance : tuple of str
    digest : str
        SHA-256 of the stack's axes and names and of the values that were read for the range.
    """

    shape: tuple[int, int, int, int]
    static_channels: tuple[str, ...]
    channels: tuple[str, ...]
    inputs: tuple[str, ...]
    targets: tuple[str, ...]
    first_time: str
    last_time: str
    step_s: float
    n_gaps: int
    n_empty: int
    missing_percent: float
    cell: tuple[float, float]
    crs: str
    synthetic: bool
    provenance: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSplitRecord:
    """How much was learned from, watched, sealed and left out between.

    Parameters
    ----------
    kind : {"forward", "blocks"}
    fit_dates, watch_dates, test_dates : tuple of str
        Target dates, ISO 8601; "blocks": all dates in each.
    fit_cells, watch_cells, test_cells : int
        Cells of the map.
    block : int
        Side of a square in cells.
    digest : str
    roles : tuple of str
        "blocks": the map of roles, thinned (`autospec.data.maps.role_rows`); else empty.
    """

    kind: str
    fit_dates: tuple[str, ...]
    watch_dates: tuple[str, ...]
    test_dates: tuple[str, ...]
    fit_cells: int
    watch_cells: int
    test_cells: int
    block: int
    digest: str
    roles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapModel:
    """One model's scores on the sealed cells and dates.

    Parameters
    ----------
    name : str
        "network", "mean", "persistence", "ridge", "ridge on patches", "random forest on patches".
    detail : str
        Sizes or tuned numbers in words.
    scores : tuple of MapScores, length k
        One a target, in its unit.
    seasons : tuple of (season, target, n, RMSE)
        "Dec–Feb", "Mar–May", "Jun–Aug", "Sep–Nov"; those that have counted cells.
    edge_rmse, interior_rmse : tuple of float or None, length k
        Of the cells at most 5 cells from a border of the tiles in which the map was made, and of
        the others; None where there is no such cell.
    tile_pattern : tuple of float or None, length k
        How much of the RMSE the place of a cell within its tile explains, 0 to 1
        (`MapTally.tile_pattern`); None where the map is one tile.
    """

    name: str
    detail: str
    scores: tuple[MapScores, ...]
    seasons: tuple[tuple[str, str, int, float], ...]
    edge_rmse: tuple[float | None, ...]
    interior_rmse: tuple[float | None, ...]
    tile_pattern: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MapTraining:
    """Everything that the training of a network of maps found out.

    Parameters
    ----------
    name : str
        Of the stack: the file's stem.
    n_parameters : int
    epochs : tuple of TrainEpoch
        `watched_rmse`: of the watched cells and dates; of targets in units of their range, their
        mean over the targets.
    models : tuple of MapModel
        The network first, then the others on the same cells and dates.
    rival : str
        The best of the others by RMSE on the first target.
    versus_rival : Comparison
        First: the network; of the first target.
    verdict : str
    notes : tuple of str
    """

    schema_version: int = MAP_SCHEMA_VERSION
    name: str
    settings: MapSettings
    data: MapData
    split: MapSplitRecord
    n_parameters: int
    epochs: tuple[TrainEpoch, ...]
    best_epoch: int
    steps: int
    models: tuple[MapModel, ...]
    rival: str
    versus_rival: Comparison
    verdict: str
    notes: tuple[str, ...]
    ended: Ended
    device: str
    precision: str
    torch: str
    processes: int
