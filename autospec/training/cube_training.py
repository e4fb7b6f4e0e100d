"""`TrainSettings` and `TrainResult`: what the training of one network on cubes is told, and found.

Plain values that go to JSON and back; nothing is computed here, and there is no torch.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from autospec.data.cubes.scaling import CubePreprocessing
from autospec.data.cubes.splits import CubeSplit
from autospec.evaluate.metrics import Comparison, Scores
from autospec.nets.cube_architecture import CubeArchitecture
from autospec.nets.small3d import SMALL3D
from autospec.training.config import TargetTransform
from autospec.training.fit_config import FitConfig

TRAIN_SCHEMA_VERSION = 1
NETWORK, RIDGE, MEAN = "network", "ridge", "mean"
ModelName = Literal["cnn3d"]
TrainBaselines = Literal["quick", "all"]
Ended = Literal["complete", "patience", "budget", "interrupt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """What is trained, on what, and how; the same settings and samples give the same network.

    Parameters
    ----------
    model : {"cnn3d"}
        The kind of network.
    architecture : CubeArchitecture
        The network.
    preprocessing : CubePreprocessing
        What is done to cubes before; fitted on the samples that are learned from.
    target_transform : {"none", "log1p", "z-score"}
        As of `TrainingConfig`.
    split : CubeSplit
        What is held out.
    config : FitConfig
        How the network learns.
    smearing : bool
        Whether predictions are multiplied by the smearing factor (`TargetScale.smeared`); of
        "log1p" only.
    baselines : {"quick", "all"}
        What stands beside the network: ridge and the mean, or gradient boosting and a random
        forest too, which take longer than a small network.
    """

    model: ModelName = "cnn3d"
    architecture: CubeArchitecture = SMALL3D
    preprocessing: CubePreprocessing = field(default_factory=CubePreprocessing)
    target_transform: TargetTransform = "z-score"
    split: CubeSplit = field(default_factory=CubeSplit)
    config: FitConfig = field(default_factory=FitConfig)
    smearing: bool = False
    baselines: TrainBaselines = "quick"

    def __post_init__(self) -> None:
        """Refuse settings that contradict each other."""
        if self.smearing and self.target_transform != "log1p":
            raise ValueError("want smearing with target_transform log1p only")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainData:
    """What the samples were.

    Parameters
    ----------
    n, n_unlabelled : int
        Samples, and how many of them have no lab value.
    shape : tuple of 4 int
        (c, h, w, t) of one sample.
    channels : tuple of str
    crs : str
    synthetic : bool
    target_name, target_unit : str
    provenance : tuple of str
    digest : str
        Of the labelled samples.
    """

    n: int
    n_unlabelled: int
    shape: tuple[int, int, int, int]
    channels: tuple[str, ...]
    crs: str
    synthetic: bool
    target_name: str
    target_unit: str
    provenance: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSplit:
    """How many samples were learned from, watched, scored at the end, and left out between.

    Parameters
    ----------
    n_fit, n_watch, n_test : int
        Learned from; watched for early stopping, and never scored; sealed, and scored once.
    n_dropped : int
        Neither, because they lie within the buffer.
    nearest_km : float or None
        Shortest distance between a training and a sealed sample; None if it is not measured.
    digest : str
    """

    n_fit: int
    n_watch: int
    n_test: int
    n_dropped: int
    nearest_km: float | None
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainEpoch:
    """One epoch.

    Parameters
    ----------
    epoch : int
        From 1.
    learning_rate : float
        Of its last step.
    loss : float
        Mean over its samples, scaled targets, dropout on.
    watched_rmse : float
        Of the watched samples, in the unit of the lab values.
    seconds : float
    """

    epoch: int
    learning_rate: float
    loss: float
    watched_rmse: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainModel:
    """One model's predictions of the sealed samples, and their scores.

    Parameters
    ----------
    name : {"network", "gradient boosting", "random forest", "ridge", "mean"}
    detail : str
        Sizes or tuned numbers in words.
    predicted : tuple of float, length n_test
    scores : Scores
    """

    name: str
    detail: str
    predicted: tuple[float, ...]
    scores: Scores


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainResult:
    """Everything that the training of one network found out.

    Parameters
    ----------
    name : str
        Of the samples: the file's stem.
    n_parameters : int
    epochs : tuple of TrainEpoch
    best_epoch : int
        The epoch whose weights are kept.
    steps : int
        Optimiser steps really taken.
    test_ids, observed : tuple
        The sealed samples, opened when the training has ended.
    models : tuple of TrainModel
        The network first, then ridge, the mean and others, on the same samples.
    versus_ridge : Comparison
        First: the network.
    verdict : str
        One sentence: whether the network beats ridge beyond noise.
    notes : tuple of str
    ended : {"complete", "patience", "budget", "interrupt"}
    device, precision, torch : str
        Where, in which precision and with which version of torch it was trained last.
    processes : int
    """

    schema_version: int = TRAIN_SCHEMA_VERSION
    name: str
    settings: TrainSettings
    data: TrainData
    split: TrainSplit
    n_parameters: int
    epochs: tuple[TrainEpoch, ...]
    best_epoch: int
    steps: int
    test_ids: tuple[str, ...]
    observed: tuple[float, ...]
    models: tuple[TrainModel, ...]
    versus_ridge: Comparison
    verdict: str
    notes: tuple[str, ...]
    ended: Ended
    device: str
    precision: str
    torch: str
    processes: int
