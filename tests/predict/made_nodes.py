"""Spectra and nodes made of random numbers, for tests that need a model and none that is fitted."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from autospec.data.spectra import FloatArray
from autospec.nets.architecture import PUBLISHED, Architecture
from autospec.nets.build import build_network
from autospec.predict.nodes import (
    Average,
    KernelExpansion,
    Linear,
    Msc,
    Networks,
    NetworkWeights,
    Resample,
    Savgol,
    Snv,
    Standardise,
    Step,
    Steps,
    ToQuantity,
)
from autospec.predict.running import make_transform

AXIS = np.linspace(400.0, 994.0, 100)
GRID = np.arange(410.0, 985.0, 12.5)


def made_values(n: int, *, seed: int = 0, quantity: str = "reflectance") -> FloatArray:
    """Smooth spectra on AXIS, each number one that float32 has too."""
    rng = np.random.default_rng(seed)
    rises = np.cumsum(rng.normal(0, 0.01, (n, len(AXIS))), axis=1)
    reflectance = np.clip(rng.uniform(0.2, 0.5, (n, 1)) + rises, 1e-3, 0.95)
    values = reflectance if quantity == "reflectance" else -np.log10(reflectance)
    return np.asarray(values.astype(np.float32).astype(np.float64))


def applied(steps: Steps, values: FloatArray) -> FloatArray:
    for step in steps:
        values = make_transform(step)(values)
    return values


def width(steps: Steps) -> int:
    """Bands after steps, on spectra of AXIS."""
    return applied(steps, made_values(3)).shape[1]


def standardised(steps: Steps) -> Steps:
    """The steps, and then the standardisation that 50 made spectra would be given."""
    values = applied(steps, made_values(50, seed=9))
    return (*steps, Standardise(mean=values.mean(axis=0), scale=values.std(axis=0)))


def made_steps() -> dict[str, Steps]:
    """Every kind of step, alone and in the orders that models have."""
    absorbance, average = ToQuantity(to="absorbance"), Average(axis=AXIS, step=11.0)
    hole = AXIS + 60.0 * (AXIS > 700)
    spectra = made_values(20, seed=1)
    single: dict[str, Step] = {
        "absorbance": absorbance,
        "reflectance": ToQuantity(to="reflectance"),
        "average": average,
        "average across a hole": Average(axis=hole, step=7.0),
        "resample coarser": Resample(axis=AXIS, grid=GRID),
        "resample finer": Resample(axis=AXIS, grid=np.arange(402.0, 990.0, 3.0)),
        "snv": Snv(),
        "msc": Msc(reference=spectra.mean(axis=0)),
        "smoothing": Savgol(window=7, order=2, derivative=0),
        "first derivative": Savgol(window=11, order=2, derivative=1),
        "second derivative": Savgol(window=9, order=3, derivative=2),
        "standardise": Standardise(mean=spectra.mean(axis=0), scale=np.linspace(0.1, 2.0, 100)),
    }
    slopes, bends = (Savgol(window=5, order=2, derivative=d) for d in (1, 2))
    return {
        "none": (),
        **{name: (step,) for name, step in single.items()},
        "a network's": standardised((absorbance, average, Snv(), slopes)),
        "a view of aligned spectra": standardised(
            (Resample(axis=AXIS, grid=GRID), absorbance, bends)
        ),
    }


def made_linear(steps: Steps, *, seed: int = 0) -> Linear:
    rng = np.random.default_rng(seed)
    return Linear(steps=steps, coefficients=rng.normal(size=width(steps)), intercept=17.25)


def made_kernel(views: tuple[Steps, ...], *, linear: float, radial: float) -> KernelExpansion:
    """On 30 rows of its own, with a length at which neighbours know of each other."""
    sides = [applied(view, made_values(30, seed=5)) for view in views]
    divisor = float(np.sqrt(sum(side.shape[1] for side in sides)))
    rng = np.random.default_rng(6)
    return KernelExpansion(
        views=views,
        divisor=divisor,
        x=np.hstack(sides) / divisor,
        weights=rng.normal(size=30),
        linear=linear,
        radial=radial,
        length=1.3,
        intercept=12.5,
    )


def made_networks(
    architecture: Architecture, steps: Steps = (), *, members: int = 2, log: bool = False
) -> Networks:
    """Networks with drawn weights, and running statistics unlike those they start with."""
    bands = width(steps)
    cpu, rng = torch.device("cpu"), np.random.default_rng(3)
    kept = []
    for seed in range(members):
        state = build_network(architecture, bands, seed=seed, device=cpu).state_dict()
        for name, tensor in state.items():
            if "running_" in name:
                tensor.copy_(torch.as_tensor(rng.uniform(0.5, 1.5, tensor.shape)))
        floats = {k: t.numpy() for k, t in state.items() if t.dtype == torch.float32}
        scale = {"mean": 2.5, "sd": 0.4} if log else {"mean": 20.0 + seed, "sd": 8.0}
        kept.append(NetworkWeights(state=floats, log=log, **scale))
    return Networks(steps=steps, architecture=architecture, bands=bands, members=tuple(kept))


def narrowed(site: str) -> Architecture:
    """A published architecture with a tenth of its filters and nodes."""
    wide = PUBLISHED[site]
    return replace(
        wide,
        conv=tuple(replace(block, filters=block.filters // 10) for block in wide.conv),
        fc=tuple(replace(block, nodes=block.nodes // 10 + 1) for block in wide.fc),
    )
