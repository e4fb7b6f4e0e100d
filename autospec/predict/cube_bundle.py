"""`make_cube_bundle`: a fitted model of cubes written down as plain data; nothing is fitted."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from autospec.data.cubes.cubes import Cubes
from autospec.errors import UsageError
from autospec.evaluate.cube_trust import CalibratedCubes, CubePredictor
from autospec.evaluate.trust import Trust
from autospec.nets.cube_architecture import CubeArchitecture, Shape
from autospec.predict.bundle import settled
from autospec.predict.deploy import network_weights
from autospec.predict.document import Accuracy, CubeBundle, Provenance
from autospec.predict.lab import lab_range
from autospec.predict.nodes import CubeNetworks
from autospec.training.cube_ensemble import CubeEnsemble

DAY_S = 86400.0


def make_cube_bundle(
    calibrated: CalibratedCubes,
    *,
    name: str,
    model_kind: str,
    provenance: Provenance,
    accuracy: tuple[Accuracy, ...] = (),
    trust: Trust | None = None,
    trust_rows: str = "",
    limits: tuple[str, ...] = (),
) -> CubeBundle:
    """Write a fitted model of cubes down so that it can be kept.

    Parameters
    ----------
    calibrated : CalibratedCubes
        The model, its twins, its calibration and its domain.
    name : str
        Lower-case letters, digits, hyphens, underscores; at most 64.
    model_kind : str
        What it is, in words.
    provenance : Provenance
        See `autospec.predict.document.describe_provenance`.
    accuracy, trust, trust_rows, limits
        As of `CubeBundle`.

    Raises
    ------
    UsageError
        If this kind of model cannot be kept, or the name cannot be one.
    """
    train = calibrated.train
    bundle = CubeBundle(
        name=name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model_kind=model_kind,
        channels=train.channels,
        shape=train.shape,
        step_days=usual_step_days(train),
        first_time=str(train.times.min()),
        last_time=str(train.times.max()),
        crs=train.crs,
        synthetic=train.synthetic,
        target_name=train.target_name,
        target_unit=train.target_unit,
        n_train=train.n,
        lab=lab_range(train),
        model=deploy_cubes(calibrated.model, train.shape),
        twins=tuple(deploy_cubes(twin, train.shape) for twin in calibrated.twins),
        calibration=calibrated.calibration,
        domain=calibrated.domain,
        provenance=provenance,
        accuracy=accuracy,
        trust=trust,
        trust_rows=trust_rows,
        limits=limits,
    )
    return settled(bundle)


def deploy_cubes(model: CubePredictor, shape: Shape) -> CubeNetworks:
    """Write an ensemble of 3D-CNNs on cubes of `shape` (c, h, w, t) down as a node.

    Raises
    ------
    UsageError
        If the model is of another kind: the baselines stand beside a search to be compared with,
        and are not kept.
    """
    if not isinstance(model, CubeEnsemble):
        raise UsageError(
            f"{type(model).__name__} cannot be kept in a model file: of cubes only networks can. "
            "Keep the winner of a search."
        )
    architecture = model.members[0].architecture
    assert isinstance(architecture, CubeArchitecture), "networks on cubes"
    return CubeNetworks(
        scaler=model.scaler,
        architecture=architecture,
        shape=shape,
        members=tuple(network_weights(member) for member in model.members),
    )


def usual_step_days(cubes: Cubes) -> float:
    """Return the median time between neighbouring dates of n ≥ 1 samples; 0 with one date each."""
    steps = np.diff(cubes.times, axis=1).astype(np.float64)  # seconds
    return float(np.median(steps)) / DAY_S if steps.size else 0.0
