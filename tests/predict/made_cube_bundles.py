"""A small kept model of cubes, its networks' weights drawn and not trained; no tests here."""

from __future__ import annotations

from functools import cache

import torch

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import CubePreprocessing, fit_scaler
from autospec.data.splits import Fold
from autospec.evaluate.cube_trust import CalibratedCubes, calibrate_cubes
from autospec.nets.architecture import FCBlock
from autospec.nets.build_cubes import build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock
from autospec.predict.cube_bundle import make_cube_bundle
from autospec.predict.document import CubeBundle, describe_provenance
from autospec.training.cube_ensemble import CubeEnsemble
from autospec.training.members import FittedMember
from autospec.training.target_scale import TargetScale
from tests.evaluate.made_cubes import made_cubes
from tests.evaluate.test_cube_trust import blocks
from tests.predict.made_bundles import ACCURACY, TRUST

CPU = torch.device("cpu")
NET = CubeArchitecture(
    conv=(
        CubeConvBlock(
            kernel_space=2,
            kernel_time=2,
            filters=4,
            activation="ReLU",
            padding="full",
            pooling="max",
            dropout=0.3,
        ),
        CubeConvBlock(
            kernel_space=2, kernel_time=1, filters=3, activation="SELU", norm="batch", stride=2
        ),
    ),
    fc=(FCBlock(nodes=5, activation="ReLU", dropout=0.2),),
)


def drawn_ensemble(train: Cubes, seeds: tuple[int, ...], *, mask: bool = True) -> CubeEnsemble:
    recipe = CubePreprocessing(mask_channel=mask)
    arriving = recipe.arriving(train.shape)
    return CubeEnsemble(
        scaler=fit_scaler(recipe, train),
        members=tuple(
            FittedMember(
                architecture=NET,
                network=build_cube_network(NET, arriving, seed=seed, device=CPU),
                scale=TargetScale.fit("log1p", train.target),
                device=CPU,
            )
            for seed in seeds
        ),
    )


@cache
def cube_model() -> CalibratedCubes:
    train = made_cubes(30)

    def fit(fold: Fold) -> CubeEnsemble:
        return drawn_ensemble(train.rows(fold.fit), (7,))

    return calibrate_cubes(drawn_ensemble(train, (0, 1)), train, blocks(train.n, 3), fit, log=False)


def kept_cubes(calibrated: CalibratedCubes, name: str = "cubes") -> CubeBundle:
    return make_cube_bundle(
        calibrated,
        name=name,
        model_kind="3D-CNNs with drawn weights",
        provenance=describe_provenance("api", calibrated.train, ("a" * 64,)),
        accuracy=ACCURACY,
        trust=TRUST,
        trust_rows="the 20 sealed rows",
        limits=("Made cubes know no soil.",),
    )


@cache
def cube_bundle() -> CubeBundle:
    return kept_cubes(cube_model())
