"""Does a kept model fit together? Every size is followed by arithmetic before anything is computed.

A file may have been made to harm: its digests say only that it is whole. So no size that it states
is believed before it has been compared with the numbers that are there.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from autospec.data.preprocess import SavitzkyGolay, band_grid, published_step
from autospec.data.spectra import FloatArray
from autospec.data.tables import MAX_COLUMNS
from autospec.data.tensors import AnyArray
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import Domain
from autospec.predict.document import ModelBundle
from autospec.predict.nodes import (
    Average,
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

MAX_ACTIVATIONS = 20_000_000  # numbers that a conv block may make of one spectrum
SHARED_WEIGHTS = 1_000_000  # weights that networks of one file may have in common: biases of zeros


def check_bundle(bundle: ModelBundle, tensors: Mapping[str, AnyArray]) -> None:
    """Check that all parts of a bundle fit together, and predict one spectrum with it.

    Parameters
    ----------
    bundle : ModelBundle
        Of the right types; nothing else is known of it.
    tensors : mapping of str to array
        Its arrays, each once.

    Raises
    ------
    ValueError
        If sizes differ, or the model cannot be computed.
    """
    b = _check_axis(bundle.axis, "axis")
    _check_calibration(bundle.calibration, len(bundle.twins))
    _check_domain(bundle.domain, bundle)
    held = sum(array.size for array in tensors.values())
    nodes = (bundle.model, *bundle.twins)
    used = sum(
        weights.size
        for part in parts(nodes)
        if isinstance(part, Networks)
        for member in part.members
        for weights in member.state.values()
    )
    if used > held + SHARED_WEIGHTS:
        raise ValueError(f"its networks want {used} weights; {held} numbers are there")
    for node in nodes:
        _check_node(node, b)
    probe = 0.4 + 0.1 * np.sin(np.linspace(0.0, 6.0, b))
    try:
        with np.errstate(all="ignore"):
            Runner().predict(nodes, probe[None])
    except (RuntimeError, IndexError, ArithmeticError) as error:
        raise ValueError(f"it cannot predict: {error}") from error


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
    space = domain.space
    k = len(space.sd)
    sizes = (space.mean.shape, space.loadings.shape, space.scores.shape[1:], domain.limits.shape)
    if sizes != ((bands,), (k, bands), (k,), (3,)) or not len(space.scores):
        raise ValueError(f"the domain's sizes are {sizes}; want {bands} bands")
    if not bool(np.all(space.sd > 0)):
        raise ValueError("the domain has a component that does not vary")


def _check_node(node: Node, bands: int) -> None:
    if isinstance(node, Linear):
        _same(len(node.coefficients), _width(node.steps, bands), "coefficients")
    elif isinstance(node, Sum):
        _same(bool(node.terms), True, "terms of a sum")
        for term in node.terms:
            _check_node(term, bands)
    elif isinstance(node, KernelExpansion):
        _same(node.x.shape[1], sum(_width(view, bands) for view in node.views), "views")
        _same(len(node.weights), len(node.x), "weights of rows")
    elif isinstance(node, Networks):
        _same(node.bands, _width(node.steps, bands), "bands of networks")
        _same(bool(node.members), True, "members")
        _check_activations(node)
    elif isinstance(node, OnScale):
        _check_node(node.node, bands)
    else:
        _same(len(node.nodes), len(node.weights), "weights of a mixture")
        _same(len(node.names), len(node.nodes), "names of a mixture")
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
        _same(_check_axis(step.axis, "axis of an average"), bands, "bands")
        own = float(np.median(np.diff(step.axis))) if bands > 1 else 1.0
        if float(step.axis[-1] - step.axis[0]) / max(step.step, own) > MAX_COLUMNS:
            raise ValueError(f"an average to more than {MAX_COLUMNS} bands")
        return len(band_grid(step.axis, step.step))
    if isinstance(step, Resample):
        _same(_check_axis(step.axis, "axis of resampling"), bands, "bands")
        _same(min(len(step.axis), len(step.grid), 2), 2, "bands of resampling")
        return _check_axis(step.grid, "grid of resampling")
    if isinstance(step, Msc):
        _same(len(step.reference), bands, "bands of a reference")
    elif isinstance(step, Savgol):
        SavitzkyGolay(window=step.window, order=step.order, derivative=step.derivative)
        _same(min(step.window, bands), step.window, "bands of a filter's window")
    elif isinstance(step, Standardise):
        _same(len(step.mean), bands, "means")
        _same(len(step.scale), bands, "scales")
        if not bool(np.all(step.scale > 0)):
            raise ValueError("a standardisation divides by 0")
    return bands


def _same(found: int, wanted: int, what: str) -> None:
    if found != wanted:
        raise ValueError(f"{what}: {int(found)}; want {int(wanted)}")
