"""Small kept models of each kind, and one small enough to flip its every byte; no tests here."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import Spectra
from autospec.data.splits import Fold, make_folds
from autospec.evaluate.baselines import fit_plsr
from autospec.evaluate.calibrated import CalibratedModel, calibrate
from autospec.evaluate.conformal import Calibration
from autospec.evaluate.domain import fit_domain
from autospec.evaluate.fitted import Predictor
from autospec.evaluate.trust import Trust
from autospec.localisation.auto import fit_autos
from autospec.localisation.candidates import learn_library
from autospec.localisation.farm import FarmSpectra
from autospec.localisation.farm_model import FarmModel
from autospec.localisation.members import fit_members
from autospec.localisation.preparation import prepare
from autospec.localisation.protocol import inner_folds
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.predict.bundle import make_bundle
from autospec.predict.document import Accuracy, ModelBundle, describe_provenance
from autospec.predict.lab import lab_range
from autospec.predict.nodes import Linear, Standardise
from autospec.training.config import TrainingConfig
from autospec.training.ensemble import Ensemble, fit_ensemble
from tests.conftest import made_spectra
from tests.localisation.landscape import QUICK, few_recipes, landscape

ACCURACY = (
    Accuracy(what="RMSE", value=1.25, low=1.0, high=1.5, unit="g/kg", rows="20 sealed rows"),
    Accuracy(what="RMSE of PLSR", value=1.5, low=1.2, high=1.8, unit="g/kg", rows="the same"),
    Accuracy(what="RMSE of the mean", value=5.0, low=None, high=None, unit="g/kg", rows="the same"),
)
TRUST = Trust(
    level=0.9,
    rows=20,
    covered=0.85,
    covered_low=0.64,
    covered_high=0.95,
    mean_width=4.5,
    inside=18,
    rmse_inside=1.1,
    rmse_outside=2.2,
)
ARCHITECTURE = Architecture(
    conv=(
        ConvBlock(kernel=4, filters=4, activation="SELU", padding="same", stride=2, pooling="max"),
        ConvBlock(kernel=3, filters=3, activation="Swish", batch_norm=True),
    ),
    fc=(FCBlock(nodes=5, activation="ELU", dropout=0.2),),
)


def kept(calibrated: CalibratedModel, name: str) -> ModelBundle:
    return make_bundle(
        calibrated,
        name=name,
        model_kind=f"{name} of made spectra",
        provenance=describe_provenance("api", calibrated.train, ("a" * 64,)),
        accuracy=ACCURACY,
        trust=TRUST,
        limits=("Made spectra know no soil.",),
    )


def plsr_model() -> CalibratedModel:
    train = made_spectra(30)

    def fit(rows: Spectra) -> Predictor:
        return fit_plsr(rows, make_folds(rows, 3, 1, 0))

    with few_recipes():
        folds = make_folds(train, 5, 1, 0)
        return calibrate(fit(train), train, folds, lambda f: fit(train.rows(f.fit)), log=False)


def network_model() -> CalibratedModel:
    train = made_spectra(24)

    def fit(rows: Spectra, seeds: tuple[int, ...]) -> Ensemble:
        recipe = Preprocessing(scatter="msc", step=10.0)
        config = TrainingConfig(max_epochs=2, target_transform="log1p")
        return fit_ensemble(rows, recipe, ARCHITECTURE, config, seeds=seeds, device="cpu")

    folds = make_folds(train, 3, 1, 0)
    return calibrate(
        fit(train, (0, 1, 2)), train, folds, lambda f: fit(train.rows(f.fit), (3,)), log=True
    )


def auto_model() -> CalibratedModel:
    world = landscape(rows=20, samples=24, unlabelled=2)
    axis = np.arange(360.0, 1400.0, 10.0)
    noise = 1e-4 * np.random.default_rng(0).normal(size=(world.farm.n, len(axis)))
    values = np.stack([np.interp(axis, world.farm.axis, row) for row in world.farm.values]) + noise
    with few_recipes():
        prepared = prepare(
            (world.library,), replace(world.farm, values=values, axis=axis), QUICK, None
        )
        models = learn_library(prepared.narrow, 0)

        def fit(rows: FarmSpectra) -> FarmModel:
            members, _ = fit_members(
                models, rows, inner_folds(rows.own, 0).folds, None, only_auto=True
            )
            return FarmModel(
                axis=prepared.raw.axis,
                quantity=prepared.raw.quantity,
                grid=prepared.networked.axis,
                auto=fit_autos(members, rows.own.target)[0],
            )

        folds = make_folds(prepared.raw, 3, 1, 0)
        farm = prepared.farm
        return calibrate(fit(farm), prepared.raw, folds, lambda f: fit(farm.rows(f.fit)), log=True)


@cache
def bundle_of(kind: str) -> ModelBundle:
    models = {"plsr": plsr_model, "networks": network_model, "auto": auto_model}
    return kept(models[kind](), kind)


@cache
def tiny_bundle() -> ModelBundle:
    """A linear model of six bands with two twins."""
    train = made_spectra(12, 6)
    halves = (
        Fold(fit=np.arange(6), score=np.arange(6, 12)),
        Fold(fit=np.arange(6, 12), score=np.arange(6)),
    )
    nodes = tuple(
        Linear(
            steps=(Standardise(mean=train.values.mean(axis=0), scale=train.values.std(axis=0)),),
            coefficients=np.full(6, 0.5 + i),
            intercept=20.0,
        )
        for i in range(3)
    )
    return ModelBundle(
        name="tiny",
        made="2026-01-01T00:00:00+00:00",
        model_kind="a line",
        axis=train.axis,
        axis_unit="nm",
        quantity="absorbance",
        target_name="soc",
        target_unit="g/kg",
        n_train=12,
        lab=lab_range(train),
        model=nodes[0],
        twins=nodes[1:],
        calibration=Calibration(
            observed=train.target.copy(),
            out_of_fold=train.target + np.linspace(-1.0, 1.0, 12),
            twin_of=(1,) * 6 + (0,) * 6,
            log=False,
        ),
        domain=fit_domain(train, halves),
        provenance=describe_provenance("api", train),
        accuracy=ACCURACY,
        trust=TRUST,
        trust_rows="the 20 sealed rows",
        limits=(),
    )
