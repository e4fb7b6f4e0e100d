"""`deploy`: write a fitted model down as nodes. The list of classes is closed; nothing is fitted.

What is linear in its views becomes coefficients: of a Gaussian process with a linear kernel, of
ridge, and of a regression on a library prior no training row is left, so that no row of a library
goes into a file. A linear model behind a standardisation takes it into its coefficients.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from itertools import pairwise

import numpy as np
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVR

from autospec.data.preprocess import BandAveraging, band_grid, published_step, to_absorbance
from autospec.data.spectra import FloatArray
from autospec.errors import UsageError
from autospec.evaluate.baselines import AveragedPLSR, MeanModel, PLSRModel
from autospec.evaluate.cubist import CubistModel
from autospec.evaluate.fitted import Fitted, Predictor, TargetLaw
from autospec.evaluate.kernels import DualRidge, KernelModel, amplitudes
from autospec.evaluate.views import Views
from autospec.localisation.farm_model import FarmModel
from autospec.nets.architecture import Architecture
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
    prepend,
)
from autospec.training.ensemble import Ensemble
from autospec.training.members import FittedMember
from autospec.transfer.library_prior import unit_length
from autospec.transfer.memory import MemoryModel
from autospec.transfer.prior_regression import PriorModel
from autospec.transfer.spiking import Corrected


def deploy(model: Predictor, bands: int) -> Node:
    """Write a fitted model down as nodes.

    Parameters
    ----------
    model : Predictor
        Fitted by autospec.
    bands : int
        Of the spectra that it predicts.

    Returns
    -------
    Node
        With the same predictions: those of networks bitwise, others to rounding, because sums are
        taken in another order.

    Raises
    ------
    UsageError
        If the model cannot be kept: one that reads its library anew for each prediction, or one
        whose inside is another program's.
    """
    if isinstance(model, Fitted):
        return deploy(model.model, bands)
    if isinstance(model, MeanModel):
        return Linear(steps=(), coefficients=np.zeros(bands), intercept=model.mean)
    if isinstance(model, PLSRModel):
        return _plsr(model)
    if isinstance(model, AveragedPLSR):
        return Mixture(
            names=tuple(part.recipe.describe() for part in model.models),
            nodes=tuple(_plsr(part) for part in model.models),
            weights=model.weights,
            low=model.low,
            high=model.high,
        )
    if isinstance(model, Corrected):
        return _moved(deploy(model.model, bands), model.intercept, model.slope)
    if isinstance(model, KernelModel):
        return _on_law(_kernel(model), model.law)
    if isinstance(model, PriorModel):
        return _on_law(_prior(model), model.law)
    if isinstance(model, Ensemble):
        return _ensemble(model)
    if isinstance(model, FarmModel):
        return _farm(model)
    raise UsageError(_refusal(model))


def _refusal(model: object) -> str:
    keep = "Keep auto, PLSR or the networks instead."
    if isinstance(model, MemoryModel):
        return (
            "memory-based learning cannot be kept in a model file: it reads the whole library "
            f"anew for each prediction. {keep}"
        )
    if isinstance(model, CubistModel):
        return f"Cubist cannot be kept in a model file: its rules are another program's. {keep}"
    return f"{type(model).__name__} cannot be kept in a model file: it is no model of autospec's."


def pipeline_steps(pipeline: Pipeline) -> Steps:
    """Write a fitted pipeline of `autospec.data.preprocess.make_pipeline` down as steps."""
    return tuple(_step(part) for _, part in pipeline.steps)


def _step(part: object) -> Step:
    from chemotools.derivative import SavitzkyGolay
    from chemotools.scatter import MultiplicativeScatterCorrection, StandardNormalVariate

    if isinstance(part, FunctionTransformer):
        return ToQuantity(to="absorbance" if part.func is to_absorbance else "reflectance")
    if isinstance(part, BandAveraging):
        return Average(axis=np.asarray(part.axis, dtype=np.float64), step=float(part.step))
    if isinstance(part, StandardNormalVariate):
        return Snv()
    if isinstance(part, MultiplicativeScatterCorrection):
        return Msc(reference=part.reference_)
    if isinstance(part, SavitzkyGolay):
        # By place, as `make_pipeline` passes them: their names differ between chemotools' versions.
        names = list(signature(SavitzkyGolay).parameters)[:3]
        window, order, derivative = (int(getattr(part, name)) for name in names)
        return Savgol(window=window, order=order, derivative=derivative)
    assert isinstance(part, StandardScaler), f"a step of our pipelines, not {type(part).__name__}"
    return Standardise(mean=part.mean_, scale=part.scale_)


def _linear(pipeline: Pipeline, coefficients: FloatArray, intercept: float = 0.0) -> Linear:
    """Return a linear model behind a pipeline; its standardisation goes into the coefficients."""
    *steps, last = pipeline_steps(pipeline)
    assert isinstance(last, Standardise), "our pipelines end with a standardisation"
    folded = coefficients / last.scale
    return Linear(
        steps=tuple(steps), coefficients=folded, intercept=float(intercept - last.mean @ folded)
    )


def _plsr(model: PLSRModel) -> Linear:
    shift = model.y_mean - model.x_mean @ model.coefficients
    return _linear(model.pipeline, model.coefficients, float(shift))


def _on_views(views: Views, coefficients: FloatArray, intercept: float = 0.0) -> tuple[Linear, ...]:
    """Return a linear model of views, one term each; `coefficients` are those of `transform`."""
    per_band = coefficients / np.sqrt(views.bands)
    ends = np.cumsum([0, *(len(p.steps[-1][1].scale_) for p in views.pipelines)]).tolist()
    return tuple(
        _linear(pipeline, per_band[a:b], 0.0 if a else intercept)
        for pipeline, (a, b) in zip(views.pipelines, pairwise(ends), strict=True)
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Expansion:
    """A kernel regression: rows, their weights, and amplitudes as in `KernelExpansion`."""

    x: FloatArray
    weights: FloatArray
    linear: float
    radial: float
    length: float
    intercept: float


def _expansion(regressor: object) -> _Expansion:
    if isinstance(regressor, DualRidge):
        x, weights = regressor.x, regressor.weights
        linear, radial, length, intercept = 1.0, 0.0, 1.0, 0.0
    elif isinstance(regressor, GaussianProcessRegressor):
        x, weights, intercept = regressor.X_train_, regressor.alpha_, 0.0
        linear, radial, length = amplitudes(regressor.kernel_)
    else:
        assert isinstance(regressor, SVR), f"a kernel regression, not {type(regressor).__name__}"
        x, weights = regressor.support_vectors_, regressor.dual_coef_[0]
        linear, radial, length = 0.0, 1.0, 1.0 / np.sqrt(2.0 * regressor.gamma)
        intercept = float(regressor.intercept_[0])
    return _Expansion(
        x=np.asarray(x, dtype=np.float64),
        weights=np.asarray(weights, dtype=np.float64),
        linear=linear,
        radial=radial,
        length=float(length),
        intercept=intercept,
    )


def _kernel(model: KernelModel) -> Node:
    of = _expansion(model.regressor)
    if not of.radial:
        return Sum(terms=_on_views(model.views, of.linear * (of.weights @ of.x), of.intercept))
    return KernelExpansion(
        views=tuple(pipeline_steps(pipeline) for pipeline in model.views.pipelines),
        divisor=float(np.sqrt(model.views.bands)),
        x=of.x,
        weights=of.weights,
        linear=of.linear,
        radial=of.radial,
        length=of.length,
        intercept=of.intercept,
    )


def _prior(model: PriorModel) -> Sum:
    # unit_length is a division band by band, so it can be done to the coefficients instead
    shared = unit_length(model.shared[None], model.prior.spread)[0]
    terms = _on_views(model.prior.views, shared, model.level - float(model.centre @ shared))
    return Sum(terms=(*terms, *_on_views(model.views, model.own)))


def _on_law(node: Node, law: TargetLaw) -> OnScale:
    return OnScale(node=node, root=law.root, mean=law.mean, sd=law.sd, low=law.low, high=law.high)


def _moved(node: Node, intercept: float, slope: float) -> OnScale:
    return OnScale(node=node, mean=intercept, sd=slope, low=0.0, high=0.0)


def _ensemble(model: Ensemble) -> Networks:
    steps = pipeline_steps(model.pipeline)
    last = steps[-1]
    assert isinstance(last, Standardise), "our pipelines end with a standardisation"
    architecture = model.members[0].architecture
    assert isinstance(architecture, Architecture), "networks on spectra"
    return Networks(
        steps=steps,
        architecture=architecture,
        bands=len(last.mean),
        members=tuple(network_weights(member) for member in model.members),
    )


def network_weights(member: FittedMember) -> NetworkWeights:
    """Write a trained network down: its state, and the scale it learned lab values on."""
    state = {
        name: value.detach().cpu().numpy().copy()
        for name, value in member.network.state_dict().items()
        if not name.endswith("num_batches_tracked")  # counts training steps; nothing reads it
    }
    scale = member.scale
    return NetworkWeights(state=state, log=scale.log, mean=scale.mean, sd=scale.sd)


def _farm(model: FarmModel) -> Mixture:
    """Write auto down on the farm's raw spectra; members without weight stay behind."""
    axes = {"own": model.axis, "aligned": model.grid}
    steps: dict[str, Steps] = {
        sees: (Average(axis=axis, step=published_step(axis)),) for sees, axis in axes.items()
    }
    if not np.array_equal(model.axis, model.grid):
        steps["aligned"] = (Resample(axis=model.axis, grid=model.grid), *steps["aligned"])
    auto = model.auto
    kept = [i for i, weight in enumerate(auto.weights) if weight > 0]
    nodes = []
    for member in (auto.members[i] for i in kept):
        axis = axes[member.sees]
        narrow = len(band_grid(axis, published_step(axis)))
        nodes.append(prepend(deploy(member.fitted, narrow), steps[member.sees]))
    return Mixture(
        names=tuple(auto.members[i].name for i in kept),
        nodes=tuple(nodes),
        weights=auto.weights[kept],
        low=auto.low,
        high=auto.high,
    )
