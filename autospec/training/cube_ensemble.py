"""An ensemble of 3D-CNNs: one design fitted on all given cubes with several seeds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.pieces import in_pieces
from autospec.data.cubes.scaling import ChannelScaler, CubePreprocessing, fit_scaler
from autospec.data.spectra import FloatArray
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.training.config import TrainingConfig
from autospec.training.members import FittedMember, Member
from autospec.training.trainer import Device, one_thread, resolve_device, train_members


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CubeEnsemble:
    """Fitted scaling and fitted networks; the prediction is their mean."""

    scaler: ChannelScaler
    members: tuple[FittedMember, ...]

    def predict(self, cubes: Cubes) -> FloatArray:
        """Return predictions, shape (n,), in the unit of the lab values it was fitted to.

        Parameters
        ----------
        cubes : Cubes
            n samples of the channels, in their order, and of the window it was fitted to.
        """
        if cubes.n == 0:
            return np.empty(0)
        return np.concatenate([self._predict(piece) for piece in in_pieces(cubes)])

    def _predict(self, cubes: Cubes) -> FloatArray:
        x = self.scaler.transform(cubes)
        with one_thread():
            return np.asarray(np.mean([member.predict(x) for member in self.members], axis=0))


def fit_cube_ensemble(
    train: Cubes,
    recipe: CubePreprocessing,
    architecture: CubeArchitecture,
    config: TrainingConfig,
    *,
    seeds: tuple[int, ...],
    device: Device = "auto",
) -> CubeEnsemble:
    """Fit the scaling and one network a seed on all of `train`.

    Every network learns for exactly ``config.max_epochs`` epochs: the number was chosen before,
    by cross-validation, and no sample is held out to stop it.

    Parameters
    ----------
    train : Cubes
        Labelled samples.
    recipe, architecture, config
        The design.
    seeds : tuple of int
        One network each.
    device : {"auto", "cpu", "cuda"}
        Where.

    Raises
    ------
    TrialFailed
        If a network cannot be trained.
    """
    scaler = fit_scaler(recipe, train)
    x = scaler.transform(train)
    members = [Member(x_fit=x, y_fit=train.target, seed=seed) for seed in seeds]
    training = train_members(architecture, members, config, device=resolve_device(device))
    return CubeEnsemble(scaler=scaler, members=training.members)
