"""From cubes to predictions: the networks of a kept model, built once and computed in blocks."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from autospec.data.cubes.cubes import Cubes
from autospec.data.spectra import FloatArray
from autospec.nets.build_cubes import build_cube_network
from autospec.predict.nodes import CubeNetworks
from autospec.predict.running import load_member
from autospec.training.cube_ensemble import CubeEnsemble


@dataclass(frozen=True, slots=True, eq=False)
class CubeRunner:
    """Computes nodes of cubes; keeps the networks it has built for each, by identity.

    Parameters
    ----------
    device : torch.device
        Where networks run.
    """

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    built: dict[int, tuple[CubeNetworks, CubeEnsemble]] = field(default_factory=dict)

    def predict(self, nodes: tuple[CubeNetworks, ...], cubes: Cubes) -> FloatArray:
        """Return predictions, shape (len(nodes), n), of n cubes of the nodes' channels."""
        return np.stack([self._ensemble(node).predict(cubes) for node in nodes])

    def _ensemble(self, node: CubeNetworks) -> CubeEnsemble:
        if id(node) not in self.built:  # the node is kept too, so that no other gets its identity
            self.built[id(node)] = node, build_ensemble(node, self.device)
        return self.built[id(node)][1]


def build_ensemble(node: CubeNetworks, device: torch.device) -> CubeEnsemble:
    """Build the networks of a node and load their weights.

    Raises
    ------
    ValueError
        If weights do not fit the architecture, which is known before anything is built.
    """

    def blank() -> nn.Sequential:
        return build_cube_network(node.architecture, node.arriving, seed=0, device=device)

    wanted = node.architecture.n_parameters(node.arriving)
    return CubeEnsemble(
        scaler=node.scaler,
        members=tuple(
            load_member(weights, node.architecture, wanted, blank, device)
            for weights in node.members
        ),
    )
