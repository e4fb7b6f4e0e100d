"""From tiles to maps: the network of a kept model, built once; what is read lies elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from autospec.data.cubes.cubes import Float32Array
from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.scaling import NO_VALUE
from autospec.data.maps.tiles import Tile
from autospec.data.maps.tiling import Tiling
from autospec.evaluate.mapping import Band, map_problem
from autospec.predict.document import MapBundle
from autospec.predict.map_planning import MapPlan, plan_map
from autospec.training.map_network import MapNetwork, build_map_network
from autospec.training.trainer import Device, resolve_device


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapRunner:
    """A kept model that predicts tiles; cells that it can know nothing of are NaN.

    Parameters
    ----------
    network : MapNetwork
    """

    network: MapNetwork

    def predict(self, tile: Tile) -> Float32Array:
        """Return (t, k, h, w) in the targets' units.

        A cell without a value of any input on any date of the tile lies outside of the data, such
        as on the sea: it is NaN on all dates. A cell that lacks values on some dates is predicted.
        """
        out = self.network.predict(tile)
        outside = ~np.isfinite(tile.dynamic).any(axis=(0, 1))
        out[:, :, outside] = np.nan
        return out


def open_map_runner(bundle: MapBundle, device: Device = "cpu") -> MapRunner:
    """Set a kept model of maps up to predict tiles.

    Raises
    ------
    UsageError
        If CUDA is asked for and not there.
    """
    return MapRunner(network=open_map_network(bundle, resolve_device(device)))


def open_map_network(bundle: MapBundle, device: torch.device | None = None) -> MapNetwork:
    """Build the network of a kept model and load its weights."""
    place = torch.device("cpu") if device is None else device
    found = blank_network(bundle, place)
    state = {name: torch.tensor(array, device=place) for name, array in bundle.state.items()}
    found.network.load_state_dict(state)
    found.network.eval()
    return found


def blank_network(bundle: MapBundle, device: torch.device) -> MapNetwork:
    """Build the network of a kept model with weights that mean nothing."""
    return build_map_network(
        bundle.sizes,
        bundle.aims,
        bundle.scaler,
        bundle.gaps,
        n_static=len(bundle.static_channels),
        seed=0,
    ).on(device)


def run_plan(
    plan: MapPlan, runner: MapRunner, on_tile: Callable[[int, int], None] | None = None
) -> Iterator[Band]:
    """Yield a planned map band by band; see `autospec.evaluate.mapping.map_problem`.

    A network that was taught to say `NO_VALUE` where a target has none ("sentinel") is taken at its
    word: what lies nearer to that than to the lowest value that it learned from is NaN. That is
    asked of the map, not of tiles: one tile's no must not spoil its neighbour's answer.
    """
    scaler, taught = plan.bundle.scaler, plan.bundle.gaps == "sentinel"
    low, high = scaler.target_low, scaler.target_high
    least = (low + 0.5 * NO_VALUE * (high - low))[:, None, None]
    for band in map_problem(plan.problem, runner, plan.slots, plan.tiling, on_tile):
        if taught:
            band.values[band.values < least] = np.nan
        yield band


def map_stack(
    bundle: MapBundle,
    stack: RasterStack,
    *,
    tiling: Tiling | None = None,
    device: Device = "cpu",
) -> tuple[MapPlan, Float32Array]:
    """Map all dates of a stack that fits in memory.

    Parameters
    ----------
    bundle : MapBundle
    stack : RasterStack
        With the model's channels, by name, in any order.
    tiling : Tiling, optional
        By default tiles like those that the model learned from.
    device : {"auto", "cpu", "cuda"}

    Returns
    -------
    MapPlan
        Which dates the maps are of, and sentences on what was done.
    float32, shape (d, k, h, w)
        The maps, NaN where there is nothing to tell them from.

    Raises
    ------
    DataError
        If the stack lacks a channel, or has other cells or another time step.
    UsageError
        If CUDA is asked for and not there.
    """
    plan = plan_map(bundle, stack, tiling=tiling)
    out: Float32Array = np.full(plan.shape, np.nan, dtype=np.float32)
    for band in run_plan(plan, open_map_runner(bundle, device)):
        rows = slice(band.row, band.row + band.values.shape[2])
        out[plan.dates_of(band.slots), :, rows] = band.values
    return plan, out
