"""Does a kept model of cubes fit together? The checks that models of spectra share are here too.

As in `autospec.predict.checks`, no size that a file states is believed before it has been compared
with the numbers that are there.
"""

from __future__ import annotations

import math

import numpy as np

from autospec.data.cubes.cubes import TIME_TYPE, Cubes
from autospec.data.cubes.scaling import ChannelScaler
from autospec.data.spectra import FloatArray
from autospec.evaluate.cube_domain import CubeDomain
from autospec.evaluate.domain import Space
from autospec.predict.cube_running import CubeRunner
from autospec.predict.document import CubeBundle
from autospec.predict.nodes import CubeNetworks

MAX_ACTIVATIONS = 20_000_000  # numbers that a conv block may make of one sample
MAX_CELLS = 20_000_000  # of one sample, all channels and dates


def check_cubes(bundle: CubeBundle) -> None:
    """Check that all parts of a bundle of cubes fit together, and predict one sample with it.

    Raises
    ------
    ValueError
        If sizes differ, or the model cannot be computed.
    """
    c, cells = bundle.shape[0], math.prod(bundle.shape)
    if min(bundle.shape) < 1 or cells > MAX_CELLS:
        raise ValueError(f"windows of {bundle.shape}; want at most {MAX_CELLS} cells")
    same(len(set(bundle.channels)), c, "different channels")
    same(len(bundle.channels), c, "channels")
    _check_domain(bundle.domain, bundle)
    nodes = (bundle.model, *bundle.twins)
    for node in nodes:
        _check_networks(node, bundle)
    CubeRunner().predict(nodes, _probe(bundle))


def _check_domain(domain: CubeDomain, bundle: CubeBundle) -> None:
    if domain.channels != bundle.channels:
        raise ValueError("the domain is of other channels than the model")
    c, _, _, t = bundle.shape
    _check_scaler(domain.scaler, c)
    same(domain.scaler.recipe.mask_channel, False, "mask channels of the domain")
    check_space(domain.space, domain.limits, c * t + c)
    for name in ("most_missing", "low", "high"):
        same(len(getattr(domain, name)), c, f"channels of the domain's {name}")


def check_space(space: Space, limits: FloatArray, width: int) -> None:
    """Check a principal component space of rows of `width` numbers, and its three limits.

    Raises
    ------
    ValueError
        If sizes differ, or a component does not vary.
    """
    k = len(space.sd)
    sizes = (space.mean.shape, space.loadings.shape, space.scores.shape[1:], limits.shape)
    if sizes != ((width,), (k, width), (k,), (3,)) or not len(space.scores):
        raise ValueError(f"the domain's sizes are {sizes}; want {width} bands or features")
    if not bool(np.all(space.sd > 0)):
        raise ValueError("the domain has a component that does not vary")


def _check_scaler(scaler: ChannelScaler, c: int) -> None:
    same(len(scaler.mean), c, "means of channels")
    same(len(scaler.sd), c, "standard deviations of channels")
    if not bool(np.all(scaler.sd > 0)):
        raise ValueError("a standardisation divides by 0")


def _check_networks(node: CubeNetworks, bundle: CubeBundle) -> None:
    if node.shape != bundle.shape:
        raise ValueError(f"networks on windows of {node.shape}; the model has {bundle.shape}")
    _check_scaler(node.scaler, bundle.shape[0])
    same(bool(node.members), True, "members")
    volume, channels = node.arriving[1:], node.arriving[0]
    for block in node.architecture.conv:
        padded = [n + sum(pads) for n, pads in zip(volume, block.pads(volume), strict=True)]
        made = max(math.prod(padded) * channels, math.prod(block.convolved(volume)) * block.filters)
        if made > MAX_ACTIVATIONS:
            raise ValueError(f"a conv block makes {made} numbers; want at most {MAX_ACTIVATIONS}")
        volume, channels = block.out_volume(volume), block.filters


def _probe(bundle: CubeBundle) -> Cubes:
    """Return one sample of the model's shape, its values those of a wave."""
    shape = (1, *bundle.shape)
    wave = np.sin(np.linspace(0.0, 6.0, math.prod(shape))).reshape(shape)
    nothing = np.zeros(1)
    return Cubes(
        values=wave.astype(np.float32),
        valid=np.ones(shape, dtype=bool),
        channels=bundle.channels,
        times=np.arange(bundle.shape[3]).astype(TIME_TYPE)[None],
        x=nothing,
        y=nothing,
        crs=bundle.crs,
        ids=("probe",),
        target=nothing,
        target_name="",
        target_unit="",
    )


def same(found: int, wanted: int, what: str) -> None:
    """Refuse a number that is not the one wanted.

    Raises
    ------
    ValueError
        Saying what it is of.
    """
    if found != wanted:
        raise ValueError(f"{what}: {int(found)}; want {int(wanted)}")
