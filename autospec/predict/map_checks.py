"""Does a kept model of maps fit together? No size is believed before the numbers are counted."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from autospec.data.maps.tiles import Tile
from autospec.data.spectra import FloatArray
from autospec.data.tensors import AnyArray
from autospec.predict.cube_checks import same
from autospec.predict.document import MapBundle
from autospec.predict.map_running import blank_network, open_map_network

MAX_CHANNELS = 4096
MAX_WIDTH = 8192  # of a level, or of the transformer
MAX_LAYERS = 64
PROBE = 16  # cells on each side: a network of maps pads to as many
MAX_PROBE = 100_000_000  # numbers that a layer may make of the probe


def check_maps(bundle: MapBundle) -> None:
    """Check that all parts of a bundle of maps fit together, and predict one tile with it.

    Raises
    ------
    ValueError
        If sizes differ, or the model cannot be computed.
    """
    _check_names(bundle)
    _check_scaler(bundle)
    _check_sizes(bundle)
    with torch.device("meta"):  # no number of it takes memory
        wanted = blank_network(bundle, torch.device("meta")).network.state_dict()
    check_state({name: tuple(tensor.shape) for name, tensor in wanted.items()}, bundle.state)
    out = open_map_network(bundle).predict(_probe(bundle))
    shape = (bundle.aims.length, len(bundle.aims.targets), PROBE, PROBE)
    if out.shape != shape:
        raise ValueError(f"a map of {out.shape}; want {shape}")


def check_state(wanted: Mapping[str, tuple[int, ...]], state: Mapping[str, AnyArray]) -> None:
    """Refuse weights of another network than the one whose shapes are `wanted`.

    Raises
    ------
    ValueError
        Naming some of those that differ.
    """
    odd = sorted(wanted.keys() ^ state.keys())
    if odd:
        raise ValueError(f"weights of another network: {odd[:3]}")
    for name, shape in wanted.items():
        if state[name].shape != shape:
            raise ValueError(f"weights {name!r} have shape {state[name].shape}; want {shape}")


def _check_names(bundle: MapBundle) -> None:
    aims, names = bundle.aims, (*bundle.inputs, *bundle.static_channels)
    same(len(set(names)), len(names), "different channels")
    same(len(set(aims.targets)), len(aims.targets), "different targets")
    if not 0 < len(bundle.inputs) <= MAX_CHANNELS or len(names) > MAX_CHANNELS:
        raise ValueError(f"{len(names)} channels; want 1 to {MAX_CHANNELS}")
    if not aims.targets:
        raise ValueError("no target")
    known = [name for name in aims.targets if name in names]
    if aims.horizon and (len(known) < len(aims.targets) or set(known) & {*bundle.static_channels}):
        raise ValueError("a target is no input: want all channels, for what comes later")
    if not aims.horizon and known:
        raise ValueError(f"target {known[0][:80]!r} is an input too, of the same date")


def _check_scaler(bundle: MapBundle) -> None:
    scaler = bundle.scaler
    inputs = len(bundle.inputs) + len(bundle.static_channels)
    for numbers, wanted, what in (
        (scaler.low, inputs, "lowest values of inputs"),
        (scaler.high, inputs, "highest values of inputs"),
        (scaler.mean, inputs, "means of inputs"),
        (scaler.target_low, len(bundle.aims.targets), "lowest values of targets"),
        (scaler.target_high, len(bundle.aims.targets), "highest values of targets"),
        (scaler.target_mean, len(bundle.aims.targets), "means of targets"),
    ):
        same(len(numbers), wanted, what)
    _check_ascending(scaler.low, scaler.high)
    _check_ascending(scaler.target_low, scaler.target_high)


def _check_ascending(low: FloatArray, high: FloatArray) -> None:
    if not bool(np.all(high > low)):
        raise ValueError("a highest value is not above the lowest: scaling divides by 0")


def _check_sizes(bundle: MapBundle) -> None:
    sizes = bundle.sizes
    widths = (*sizes.widths, sizes.embedding)
    if min(widths) < 1 or max(widths) > MAX_WIDTH:
        raise ValueError(f"widths of {widths}; want 1 to {MAX_WIDTH}")
    if not (1 <= sizes.heads <= MAX_LAYERS and 1 <= sizes.depth <= MAX_LAYERS):
        raise ValueError(
            f"{sizes.depth} layers of {sizes.heads} heads; want 1 to {MAX_LAYERS} of each"
        )
    most = max(width // 4**level for level, width in enumerate(sizes.widths))
    made = bundle.aims.length * PROBE**2 * max(most, len(bundle.inputs))
    if made > MAX_PROBE:
        raise ValueError(f"a level makes {made} numbers of a small tile; want at most {MAX_PROBE}")


def _probe(bundle: MapBundle) -> Tile:
    """Return one small tile whose values are those of a wave."""
    t, c, s = bundle.aims.length, len(bundle.inputs), len(bundle.static_channels)
    k = len(bundle.aims.targets)

    def wave(layers: int) -> FloatArray:
        cells = np.sin(np.linspace(0.0, 6.0, layers * PROBE**2))
        return cells.reshape(layers, PROBE, PROBE)

    shape = (t, k, PROBE, PROBE)
    return Tile(
        dynamic=wave(t * c).reshape(t, c, PROBE, PROBE).astype(np.float32),
        static=wave(s).astype(np.float32),
        present=np.ones(t, dtype=bool),
        last=wave(t * k).reshape(shape).astype(np.float32),
        target=np.full(shape, np.nan, dtype=np.float32),
        counted=np.zeros((t, PROBE, PROBE), dtype=bool),
        months=np.zeros(t, dtype=np.int64),
    )
