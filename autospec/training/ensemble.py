"""An ensemble: one design refitted on all given rows with several seeds; predicts raw spectra."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from sklearn.pipeline import Pipeline

from autospec.data.preprocess import Preprocessing, make_pipeline
from autospec.data.spectra import FloatArray, Spectra
from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture
from autospec.training.config import TrainingConfig
from autospec.training.members import FittedMember, Member
from autospec.training.trainer import Device, one_thread, resolve_device, train_members


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ensemble:
    """Fitted preprocessing and fitted networks; the prediction is their mean."""

    pipeline: Pipeline
    members: tuple[FittedMember, ...]

    def predict(self, values: FloatArray) -> FloatArray:
        """Return predictions, shape (n,), for raw spectra of shape (n, b).

        The unit is that of the lab values the ensemble was fitted to.
        """
        x = self.pipeline.transform(values)
        with one_thread():
            return np.asarray(np.mean([member.predict(x) for member in self.members], axis=0))


def fit_ensemble(
    train: Spectra,
    recipe: Preprocessing,
    architecture: Architecture,
    config: TrainingConfig,
    *,
    seeds: tuple[int, ...],
    device: Device = "auto",
) -> Ensemble:
    """Fit preprocessing and one network a seed on all of `train`.

    Every network learns for exactly ``config.max_epochs`` epochs: the number was chosen before,
    by cross-validation, and no row is held out to stop it.

    Parameters
    ----------
    train : Spectra
        Labelled rows.
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
    pipeline = make_pipeline(recipe, train.axis, train.quantity)
    x = fit_transform(pipeline, train.values)
    members = [Member(x_fit=x, y_fit=train.target, seed=seed) for seed in seeds]
    training = train_members(architecture, members, config, device=resolve_device(device))
    return Ensemble(pipeline=pipeline, members=training.members)


def fit_transform(pipeline: Pipeline, values: FloatArray) -> FloatArray:
    """Fit a preprocessing pipeline and transform with it.

    Raises
    ------
    TrialFailed
        If the preprocessing cannot handle these spectra.
    """
    try:
        with np.errstate(all="ignore"):
            x = np.asarray(pipeline.fit_transform(values))
    except ValueError as error:
        raise TrialFailed(f"preprocessing: {error}") from error
    if not np.isfinite(x).all():
        raise TrialFailed("preprocessing gave values that are not finite")
    return x


def with_epochs(config: TrainingConfig, epochs: int) -> TrainingConfig:
    """Return `config` with another number of epochs."""
    return replace(config, max_epochs=epochs)
