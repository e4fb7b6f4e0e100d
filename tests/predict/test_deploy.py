"""Nodes predict what the models do that they were written down from; steps are the pipelines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from autospec.data.preprocess import Preprocessing, SavitzkyGolay, Scatter, make_pipeline
from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, Quantity, Spectra
from autospec.data.splits import Fold, make_folds
from autospec.errors import UsageError
from autospec.evaluate.baselines import average_plsr, fit_mean, fit_plsr, plsr_recipes, tune_plsr
from autospec.evaluate.fitted import Predictor
from autospec.evaluate.kernels import curved_kernel, fit_gpr, fit_ridge, fit_svr, linear_kernel
from autospec.evaluate.views import SNV_VIEW
from autospec.localisation.auto import fit_autos
from autospec.localisation.candidates import learn_library
from autospec.localisation.farm_model import FarmModel
from autospec.localisation.members import fit_members
from autospec.localisation.preparation import prepare
from autospec.localisation.protocol import inner_folds
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.predict.deploy import deploy, pipeline_steps
from autospec.predict.nodes import (
    KernelExpansion,
    Linear,
    Mixture,
    OnScale,
    Step,
    Sum,
    ToQuantity,
    parts,
)
from autospec.predict.running import Runner, make_transform
from autospec.training.config import TrainingConfig
from autospec.training.ensemble import Ensemble, fit_ensemble
from autospec.transfer.library_prior import fit_library_prior
from autospec.transfer.memory import fit_memory_based
from autospec.transfer.prior_regression import fit_on_prior
from autospec.transfer.spiking import correct_slope_and_bias, fit_spiked_plsr
from tests.conftest import made_spectra
from tests.localisation.landscape import QUICK, few_recipes, landscape

# Both sides add the same few hundred products in another order. Their rounding, 1e-16 of the
# largest product, grows by what a standardisation divides by: derivatives vary by 1e-5 or so.
RTOL = 1e-8

Fit = Callable[[Spectra, tuple[Fold, ...], Spectra], Predictor]


def plsr_averaged(train: Spectra, folds: tuple[Fold, ...], library: Spectra) -> Predictor:
    (models,) = tune_plsr(train, folds, (train.target,), plsr_recipes(20.0)[::2])
    return average_plsr(models, train.target)


def halved(library: Spectra) -> Spectra:
    """The same rows as two fields, each of them a source."""
    half = library.n // 2
    return replace(library, fields=("west",) * half + ("east",) * (library.n - half))


KINDS: dict[str, Fit] = {
    "mean": lambda train, folds, library: fit_mean(train),
    "PLSR": lambda train, folds, library: fit_plsr(train, folds),
    "PLSR averaged": plsr_averaged,
    "ridge": lambda train, folds, library: fit_ridge(train, folds),
    "GPR": lambda train, folds, library: fit_gpr(train, folds, kernel=linear_kernel()),
    "GPR, root": lambda train, folds, library: fit_gpr(
        train, folds, kernel=linear_kernel(), root=True
    ),
    "GPR SNV": lambda train, folds, library: fit_gpr(
        train, folds, kernel=curved_kernel(), recipes=SNV_VIEW
    ),
    "GPR four views, curved, root": lambda train, folds, library: fit_gpr(
        train, folds, kernel=curved_kernel(), root=True
    ),
    "SVR": lambda train, folds, library: fit_svr(train, folds),
    "SVR, root": lambda train, folds, library: fit_svr(train, folds, root=True),
    "slope and bias": lambda train, folds, library: correct_slope_and_bias(
        fit_plsr(library, make_folds(library, 3, 1, 0)), train, folds
    ),
    "spiked": lambda train, folds, library: fit_spiked_plsr(
        fit_plsr(library, make_folds(library, 3, 1, 0)), library, train, folds
    ),
    "library prior": lambda train, folds, library: fit_on_prior(
        fit_library_prior(library, root=False), train, folds
    ),
    "library prior, root": lambda train, folds, library: fit_on_prior(
        fit_library_prior(library, root=True), train, folds
    ),
    "library prior, SNV, root": lambda train, folds, library: fit_on_prior(
        fit_library_prior(library, root=True, recipes=SNV_VIEW), train, folds
    ),
    "library prior of two fields, root": lambda train, folds, library: fit_on_prior(
        fit_library_prior(halved(library), root=True), train, folds
    ),
    "no prior": lambda train, folds, library: fit_on_prior(
        replace(fit_library_prior(library, root=False), scale=0.0), train, folds
    ),
}


@pytest.fixture(scope="module")
def field() -> Spectra:
    site = load_site("sweden-skane")
    return site.rows(np.random.default_rng(0).permutation(site.n))


@pytest.fixture(scope="module")
def library() -> Spectra:
    return load_site("sweden-uppsala").rows(range(60))


@pytest.fixture(scope="module")
def train(field: Spectra) -> Spectra:
    return field.rows(range(24))


@pytest.fixture(scope="module")
def folds(train: Spectra) -> tuple[Fold, ...]:
    return make_folds(train, 3, 1, 0)


def far_and_near(values: FloatArray) -> FloatArray:
    """Spectra of the field, and some that no training row is like: bounds come into play."""
    tilt = np.linspace(0.5, 1.5, values.shape[1])
    return np.vstack([values, values[:5] * 0.3, values[:5] * tilt, values[:5] ** 2])


def run(model: Predictor, values: FloatArray) -> FloatArray:
    return Runner().predict((deploy(model, values.shape[1]),), values)[0]


@pytest.mark.parametrize("kind", KINDS)
def test_nodes_predict_what_the_model_does(
    kind: str, field: Spectra, train: Spectra, folds: tuple[Fold, ...], library: Spectra
) -> None:
    with few_recipes():
        model = KINDS[kind](train, folds, library)
    values = far_and_near(field.values)
    np.testing.assert_allclose(run(model, values), model.predict(values), rtol=RTOL)


@pytest.mark.parametrize(
    "kind", ["ridge", "GPR", "library prior", "library prior of two fields, root"]
)
def test_what_is_linear_keeps_no_row_it_learned_from(
    kind: str, train: Spectra, folds: tuple[Fold, ...], library: Spectra
) -> None:
    node = deploy(KINDS[kind](train, folds, library), train.b)
    inner = next(part for part in parts(node) if isinstance(part, Sum))
    assert all(isinstance(term, Linear) for term in inner.terms)
    rows = [a for part in parts(node) for a in arrays_of(part) if a.ndim == 2]
    assert rows == []


def arrays_of(part: Any) -> list[Any]:
    values = [getattr(part, name) for name in part.__dataclass_fields__]
    return [value for value in values if isinstance(value, np.ndarray)]


@pytest.mark.parametrize("finer", [False, True])
def test_auto_of_a_farm_is_written_down(finer: bool) -> None:
    world = landscape(rows=20, samples=24, unlabelled=5)
    farm = world.farm
    if finer:  # the library's bands differ then: the farm's are resampled
        axis = np.arange(360.0, 1400.0, 5.0)
        noise = 1e-4 * np.random.default_rng(0).normal(size=(farm.n, len(axis)))
        values = np.stack([np.interp(axis, farm.axis, row) for row in farm.values])
        farm = replace(farm, values=values + noise, axis=axis)
    with few_recipes():
        prepared = prepare((world.library,), farm, QUICK, None)
        some = prepared.farm.rows(np.arange(18))
        models = learn_library(prepared.narrow, 0)
        members, _ = fit_members(models, some, inner_folds(some.own, 0).folds, None, only_auto=True)
    model = FarmModel(
        axis=prepared.raw.axis,
        quantity=prepared.raw.quantity,
        grid=prepared.networked.axis,
        auto=fit_autos(members, some.own.target)[0],
    )
    values = np.vstack([farm.values, farm.values[:3] * 1.5])
    np.testing.assert_allclose(run(model, values), model.predict(values), rtol=RTOL)
    node = deploy(model, farm.b)
    assert isinstance(node, Mixture)
    inner = [part.node for part in node.nodes if isinstance(part, OnScale)]
    kinds = dict(zip(node.names, map(type, inner), strict=True))
    assert kinds.pop("SVR") is KernelExpansion and set(kinds.values()) == {Sum}


ARCHITECTURE = Architecture(
    conv=(
        ConvBlock(kernel=5, filters=3, activation="SELU", padding="same", stride=2, pooling="max"),
        ConvBlock(kernel=3, filters=2, activation="Swish", batch_norm=True, pooling="avg"),
    ),
    fc=(FCBlock(nodes=4, activation="ELU", dropout=0.2), FCBlock(nodes=3, activation="LeakyReLU")),
)


def small_ensemble(
    train: Spectra, *, scatter: Scatter = "snv", log: bool = False, seeds: tuple[int, ...] = (0, 1)
) -> Ensemble:
    recipe = Preprocessing(
        quantity="absorbance",
        scatter=scatter,
        savgol=SavitzkyGolay(window=5, order=2, derivative=1),
        step=20.0,
    )
    config = TrainingConfig(max_epochs=2, target_transform="log1p" if log else "standardise")
    return fit_ensemble(train, recipe, ARCHITECTURE, config, seeds=seeds, device="cpu")


@pytest.mark.parametrize("scatter", ["none", "snv", "msc"])
@pytest.mark.parametrize("log", [False, True])
def test_networks_predict_bitwise_the_same(
    scatter: Scatter, log: bool, field: Spectra, train: Spectra
) -> None:
    model = small_ensemble(train, scatter=scatter, log=log)
    assert np.array_equal(run(model, field.values), model.predict(field.values))


def test_memory_based_learning_is_refused(train: Spectra, folds: tuple[Fold, ...]) -> None:
    local = train.rows(range(16))
    model = fit_memory_based(train.rows(range(8, 24)), local, make_folds(local, 2, 1, 0))
    with pytest.raises(UsageError, match="reads the whole library anew"):
        deploy(model, train.b)


class Stranger:
    def predict(self, values: FloatArray) -> FloatArray:
        return np.zeros(len(values))


def test_a_model_of_somebody_else_is_refused() -> None:
    with pytest.raises(UsageError, match="Stranger cannot be kept"):
        deploy(Stranger(), 3)


recipes = st.builds(
    Preprocessing,
    quantity=st.sampled_from(["absorbance", "reflectance"]),
    scatter=st.sampled_from(["none", "snv", "msc"]),
    savgol=st.one_of(
        st.none(),
        st.tuples(st.integers(1, 4), st.integers(1, 8), st.integers(0, 3)).map(
            lambda t: SavitzkyGolay(
                window=2 * t[1] + 1, order=min(t[0], 2 * t[1]), derivative=min(t[2], t[0], 2 * t[1])
            )
        ),
    ),
    step=st.sampled_from([1.0, 10.0, 23.0]),
)


@settings(max_examples=40, deadline=None)
@given(
    recipe=recipes,
    quantity=st.sampled_from(["absorbance", "reflectance"]),
    seed=st.integers(0, 99),
)
def test_steps_are_their_pipeline_bitwise(
    recipe: Preprocessing, quantity: Quantity, seed: int
) -> None:
    spectra = made_spectra(12, 45, seed=seed)
    try:
        pipeline = make_pipeline(recipe, spectra.axis, quantity).fit(spectra.values[:8])
    except ValueError:
        assume(False)
    steps: tuple[Step, ...] = pipeline_steps(pipeline)
    values = spectra.values
    for step in steps:
        values = make_transform(step)(values)
    assert np.array_equal(values, pipeline.transform(spectra.values))
    assert isinstance(steps[0], ToQuantity) == (recipe.quantity != quantity)
