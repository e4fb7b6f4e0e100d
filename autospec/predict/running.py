"""From spectra to predictions: the nodes of a kept model, computed block by block.

Steps that several nodes begin with are done once a block. Networks run on one thread a block, so
that the last bit of a prediction does not depend on how many cores there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from autospec.data.bands import band_weights
from autospec.data.preprocess import BandAveraging, to_absorbance, to_reflectance
from autospec.data.spectra import FloatArray
from autospec.nets.architecture import Architecture
from autospec.nets.build import build_network
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.predict.nodes import (
    Average,
    KernelExpansion,
    Linear,
    Mixture,
    Msc,
    Networks,
    NetworkWeights,
    Node,
    OnScale,
    Resample,
    Savgol,
    Snv,
    Standardise,
    Step,
    Steps,
    Sum,
    ToQuantity,
)
from autospec.training.members import FittedMember
from autospec.training.target_scale import TargetScale
from autospec.training.trainer import one_thread

NETWORK_ROWS = 256  # of 64 to 1024 the fastest for the published networks, up to three times
Transform = Callable[[FloatArray], FloatArray]


@dataclass(frozen=True, slots=True, eq=False)
class Runner:
    """Computes nodes; keeps what it has set up for each, filters and networks, by identity.

    Parameters
    ----------
    device : torch.device
        Where networks run.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    transforms: dict[int, tuple[Step, Transform]] = field(default_factory=dict)
    networks: dict[int, tuple[Networks, tuple[FittedMember, ...]]] = field(default_factory=dict)

    def predict(self, nodes: tuple[Node, ...], values: FloatArray) -> FloatArray:
        """Return predictions, shape (len(nodes), n), for raw spectra of shape (n, b)."""
        seen: dict[tuple[object, ...], FloatArray] = {}
        return np.stack([self._node(node, values, seen) for node in nodes])

    def _node(
        self, node: Node, values: FloatArray, seen: dict[tuple[object, ...], FloatArray]
    ) -> FloatArray:
        if isinstance(node, Linear):
            x = self._steps(node.steps, values, seen)
            return np.asarray(x @ node.coefficients + node.intercept)
        if isinstance(node, Sum):
            return np.asarray(np.sum([self._node(t, values, seen) for t in node.terms], axis=0))
        if isinstance(node, KernelExpansion):
            views = [self._steps(view, values, seen) for view in node.views]
            return expand(node, np.hstack(views) / node.divisor)
        if isinstance(node, Networks):
            x = self._steps(node.steps, values, seen)
            with one_thread():
                return np.asarray(np.mean([_by_parts(m, x) for m in self._members(node)], axis=0))
        if isinstance(node, OnScale):
            y = self._node(node.node, values, seen) * node.sd + node.mean
            if not (node.log or node.root):
                return y
            held = np.clip(y, node.low, node.high)
            return np.asarray(held**3 if node.root else np.expm1(held))
        each = np.stack([self._node(part, values, seen) for part in node.nodes])
        return mix(node, each)

    def _steps(
        self, steps: Steps, values: FloatArray, seen: dict[tuple[object, ...], FloatArray]
    ) -> FloatArray:
        key: tuple[object, ...] = ()
        for step in steps:
            key = (*key, _mark(step))
            if key not in seen:
                done = self._transform(step)(values)
                if isinstance(step, Standardise):  # of one node only: not worth its memory
                    values = done
                    continue
                seen[key] = done
            values = seen[key]
        return values

    def _transform(self, step: Step) -> Transform:
        if id(step) not in self.transforms:
            self.transforms[id(step)] = (step, make_transform(step))
        return self.transforms[id(step)][1]

    def _members(self, node: Networks) -> tuple[FittedMember, ...]:
        if id(node) not in self.networks:
            self.networks[id(node)] = (node, build_members(node, self.device))
        return self.networks[id(node)][1]


def _by_parts(member: FittedMember, x: FloatArray) -> FloatArray:
    """Predict a few rows at a time: what passes between the layers stays in the cache."""
    starts = range(0, max(len(x), 1), NETWORK_ROWS)
    return np.concatenate([member.predict(x[start : start + NETWORK_ROWS]) for start in starts])


def make_transform(step: Step) -> Transform:
    """Return what a step does to spectra of shape (n, b)."""
    if isinstance(step, ToQuantity):
        return to_absorbance if step.to == "absorbance" else to_reflectance
    if isinstance(step, Average):
        averaging = BandAveraging(step.axis, step.step)
        return averaging.fit(np.empty((0, len(step.axis)))).transform
    if isinstance(step, Resample):
        weights = band_weights(step.axis, step.grid)
        return lambda values: np.asarray(values @ weights)
    if isinstance(step, Snv):
        from chemotools.scatter import StandardNormalVariate

        return StandardNormalVariate().fit_transform  # type: ignore[no-any-return]
    if isinstance(step, Msc):
        from chemotools.scatter import MultiplicativeScatterCorrection

        msc = MultiplicativeScatterCorrection(reference=step.reference)
        return msc.fit(step.reference[None, :]).transform  # type: ignore[no-any-return]
    if isinstance(step, Savgol):
        from chemotools.derivative import SavitzkyGolay

        return SavitzkyGolay(step.window, step.order, step.derivative).fit_transform  # type: ignore[no-any-return]
    mean, scale = step.mean, step.scale
    return lambda values: (values - mean) / scale


def expand(node: KernelExpansion, x: FloatArray) -> FloatArray:
    """Return the kernel expansion of views x (n, bands), shape (n,)."""
    out = np.full(len(x), node.intercept)
    if node.linear:
        out += node.linear * (x @ (node.weights @ node.x))
    if node.radial:
        squared = np.sum(x**2, axis=1)[:, None] - 2 * x @ node.x.T + np.sum(node.x**2, axis=1)
        out += node.radial * (np.exp(-np.maximum(squared, 0) / (2 * node.length**2)) @ node.weights)
    return out


def mix(node: Mixture, each: FloatArray) -> FloatArray:
    """Return the weighted mean, shape (n,), of the predictions of its nodes, (k, n)."""
    each = np.clip(each, node.low, node.high)
    known = np.isfinite(each)
    if known.all():
        return np.asarray(node.weights @ each)
    weights = node.weights[:, None] * known
    with np.errstate(invalid="ignore"):
        return np.asarray((weights * np.nan_to_num(each)).sum(axis=0) / weights.sum(axis=0))


def build_members(node: Networks, device: torch.device) -> tuple[FittedMember, ...]:
    """Build the networks of a node and load their weights.

    Raises
    ------
    ValueError
        If weights do not fit the architecture, which is known before anything is built.
    """

    def blank() -> nn.Sequential:
        return build_network(node.architecture, node.bands, seed=0, device=device)

    wanted = node.architecture.n_parameters(node.bands)
    return tuple(
        load_member(weights, node.architecture, wanted, blank, device) for weights in node.members
    )


def load_member(
    weights: NetworkWeights,
    architecture: Architecture | CubeArchitecture,
    wanted: int,
    blank: Callable[[], nn.Sequential],
    device: torch.device,
) -> FittedMember:
    """Load weights into a network that `blank` builds, once there are as many as `wanted`.

    Raises
    ------
    ValueError
        If the weights do not fit the architecture.
    """
    learnt = sum(a.size for name, a in weights.state.items() if "running_" not in name)
    if learnt != wanted:
        raise ValueError(f"{learnt} weights; the architecture has {wanted}")
    network = blank()
    state = {name: torch.tensor(a, device=device) for name, a in weights.state.items()}
    missing, unexpected = network.load_state_dict(state, strict=False)
    if unexpected or any("num_batches" not in name for name in missing):
        raise ValueError(f"weights of another network: {[*missing, *unexpected][:3]}")
    return FittedMember(
        architecture=architecture,
        network=network,
        scale=TargetScale(weights.log, weights.mean, weights.sd),
        device=device,
    )


def _mark(step: Step) -> tuple[object, ...]:
    """Return what tells steps apart: their numbers, and the identity of their arrays."""
    return tuple(
        id(value) if isinstance(value, np.ndarray) else value
        for value in (getattr(step, name) for name in step.__slots__)
    )
