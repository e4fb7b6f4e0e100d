"""Does a kept model fit together? Every size is followed by arithmetic before anything is computed.

A file may have been made to harm: its digests say only that it is whole. So no size that it states
is believed before it has been compared with the numbers that are there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from autospec.data.preprocess import SavitzkyGolay, band_grid, published_step
from autospec.data.spectra import FloatArray
from autospec.data.tables import MAX_COLUMNS
from autospec.data.tensors import AnyArray
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import Domain
from autospec.predict.cube_checks import MAX_ACTIVATIONS, check_cubes, check_space, same
from autospec.predict.document import Bundle, CubeBundle, MapBundle, ModelBundle
from autospec.predict.map_checks import check_maps
from autospec.predict.nodes import (
    Average,
    CubeNetworks,
    KernelExpansion,
    Linear,
    Msc,
    Networks,
    Node,
    OnScale,
    Resample,
    Savgol,
    Standardise,
    Step,
    Steps,
    Sum,
    parts,
)
from autospec.predict.running import Runner

SHARED_WEIGHTS = 1_000_000  # weights that networks of one file may have in common: biases of zeros


def check_bundle(bundle: Bundle, tensors: Mapping[str, AnyArray]) -> None:
    """Check that all parts of a bundle fit together, and predict one sample with it.

    Parameters
    ----------
    bundle : ModelBundle, CubeBundle or MapBundle
        Of the right types; nothing else is known of it.
    tensors : mapping of str to array
        Its arrays, each once.

    Raises
    ------
    ValueError
        If sizes differ, or the model cannot be computed.
    """
    held = sum(array.size for array in tensors.values())
    used = sum(_weights_of(bundle))
    if used > held + SHARED_WEIGHTS:
        raise ValueError(f"its networks want {used} weights; {held} numbers are there")
    try:
        with np.errstate(all="ignore"):
            if isinstance(bundle, MapBundle):
                check_maps(bundle)
                return
            _check_calibration(bundle.calibration, len(bundle.twins))
            if isinstance(bundle, CubeBundle):
                check_cubes(bundle)
            else:
                _check_spectra(bundle)
    except (RuntimeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"it cannot predict: {error}") from error


def _weights_of(bundle: Bundle) -> Iterator[int]:
    """Yield how many weights each array of a network is asked for, once for every use."""
    if isinstance(bundle, MapBundle):
        yield from (weights.size for weights in bundle.state.values())
        return
    for part in parts((bundle.model, *bundle.twins)):
        if isinstance(part, Networks | CubeNetworks):
            for member in part.members:
                yield from (weights.size for weights in member.state.values())


def _check_spectra(bundle: ModelBundle) -> None:
    b = _check_axis(bundle.axis, "axis")
    _check_domain(bundle.domain, bundle)
    nodes = (bundle.model, *bundle.twins)
    for node in nodes:
        _check_node(node, b)
    probe = 0.4 + 0.1 * np.sin(np.linspace(0.0, 6.0, b))
    Runner().predict(nodes, probe[None])


def _check_axis(axis: FloatArray, what: str) -> int:
    if not 0 < len(axis) <= MAX_COLUMNS:
        raise ValueError(f"{what}: {len(axis)} bands; want 1 to {MAX_COLUMNS}")
    if not bool(np.all(np.diff(axis) > 0)):
        raise ValueError(f"{what}: bands are not in ascending order")
    return len(axis)


def _check_calibration(calibration: Calibration, twins: int) -> None:
    low, high = min(calibration.twin_of), max(calibration.twin_of)
    if not 0 <= low <= high < twins:
        raise ValueError(f"the calibration names twins {low} to {high}; the model has {twins}")


def _check_domain(domain: Domain, bundle: ModelBundle) -> None:
    if not np.array_equal(domain.axis, bundle.axis) or domain.quantity != bundle.quantity:
        raise ValueError("the domain is of other spectra than the model")
    bands = _after(Average(axis=domain.axis, step=published_step(domain.axis)), len(domain.axis))
    check_space(domain.space, domain.limits, bands)


def _check_node(node: Node, bands: int) -> None:
    if isinstance(node, Linear):
        same(len(node.coefficients), _width(node.steps, bands), "coefficients")
    elif isinstance(node, Sum):
        same(bool(node.terms), True, "terms of a sum")
        for term in node.terms:
            _check_node(term, bands)
    elif isinstance(node, KernelExpansion):
        same(node.x.shape[1], sum(_width(view, bands) for view in node.views), "views")
        same(len(node.weights), len(node.x), "weights of rows")
    elif isinstance(node, Networks):
        same(node.bands, _width(node.steps, bands), "bands of networks")
        same(bool(node.members), True, "members")
        _check_activations(node)
    elif isinstance(node, OnScale):
        if node.log and node.root:
            raise ValueError("a scale is of cube roots or of logarithms; it says both")
        _check_node(node.node, bands)
    else:
        same(len(node.nodes), len(node.weights), "weights of a mixture")
        same(len(node.names), len(node.nodes), "names of a mixture")
        for part in node.nodes:
            _check_node(part, bands)


def _check_activations(node: Networks) -> None:
    length = node.bands
    for block in node.architecture.conv:
        made = block.filters * block.convolved(length)
        if made > MAX_ACTIVATIONS:
            raise ValueError(f"a conv block makes {made} numbers; want at most {MAX_ACTIVATIONS}")
        length = block.out_length(length)


def _width(steps: Steps, bands: int) -> int:
    """Return how many bands leave; each step is checked against those that arrive."""
    for step in steps:
        bands = _after(step, bands)
    return bands


def _after(step: Step, bands: int) -> int:
    if isinstance(step, Average):
        same(_check_axis(step.axis, "axis of an average"), bands, "bands")
        own = float(np.median(np.diff(step.axis))) if bands > 1 else 1.0
        if float(step.axis[-1] - step.axis[0]) / max(step.step, own) > MAX_COLUMNS:
            raise ValueError(f"an average to more than {MAX_COLUMNS} bands")
        return len(band_grid(step.axis, step.step))
    if isinstance(step, Resample):
        same(_check_axis(step.axis, "axis of resampling"), bands, "bands")
        same(min(len(step.axis), len(step.grid), 2), 2, "bands of resampling")
        return _check_axis(step.grid, "grid of resampling")
    if isinstance(step, Msc):
        same(len(step.reference), bands, "bands of a reference")
    elif isinstance(step, Savgol):
        SavitzkyGolay(window=step.window, order=step.order, derivative=step.derivative)
        same(min(step.window, bands), step.window, "bands of a filter's window")
    elif isinstance(step, Standardise):
        same(len(step.mean), bands, "means")
        same(len(step.scale), bands, "scales")
        if not bool(np.all(step.scale > 0)):
            raise ValueError("a standardisation divides by 0")
    return bands
