"""AutoGluon's TabularPredictor (https://auto.gluon.ai), on bands and on principal components.

One core, 60 s a fit. "best_quality" is what it recommends for accuracy without a GPU; a fit of it
takes all of its time. "medium_quality" is its default. Models whose packages are not installed it
leaves out itself, so each line says which are. It needs pandas 2 and an older pyarrow than ours, so
it lives in a virtual environment of its own, with autospec's dependencies.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from typing import Literal

import numpy as np
from sklearn.decomposition import PCA

from autospec.data.spectra import FloatArray
from peers.peer import SEED, Peer, Predict

LIMIT_S = 60
COMPONENTS = 30
MODELS = ("lightgbm", "catboost", "xgboost", "torch", "fastai")  # packages of its models
Preset = Literal["best_quality", "medium_quality"]


def fit_autogluon(
    values: FloatArray, target: FloatArray, groups: Sequence[str], *, preset: Preset, pca: bool
) -> Predict:
    """Fit AutoGluon; `groups` it has no use for, because it bags by numbers of folds."""
    import pandas as pd
    from autogluon.tabular import TabularPredictor

    scores = PCA(min(COMPONENTS, len(values) - 1), random_state=SEED).fit(values) if pca else None

    def frame(spectra: FloatArray) -> pd.DataFrame:
        x = spectra if scores is None else scores.transform(spectra)
        return pd.DataFrame(x, columns=[f"x{i}" for i in range(x.shape[1])])

    predictor = TabularPredictor("y", problem_type="regression", verbosity=0, path="autogluon")
    predictor.fit(
        frame(values).assign(y=target),
        presets=preset,
        time_limit=LIMIT_S,
        num_cpus=1,
        num_gpus=0,
    )
    return lambda spectra: np.asarray(predictor.predict(frame(spectra)), dtype=np.float64)


def _peer(preset: Preset, *, pca: bool) -> Peer:
    seen = f"{COMPONENTS} principal components" if pca else "bands"
    here = ", ".join(name for name in MODELS if find_spec(name)) or "none"
    return Peer(
        name=f"AutoGluon {preset.removesuffix('_quality')}" + (", PCs" if pca else ""),
        about=f"{preset} on {seen}, {LIMIT_S} s, one core, optional packages: {here}",
        package="autogluon.tabular",
        install='"autogluon.tabular[lightgbm,catboost,xgboost]"',
        fit=partial(fit_autogluon, preset=preset, pca=pca),
    )


AUTOGLUON = tuple(
    _peer(preset, pca=pca) for preset in ("medium_quality", "best_quality") for pca in (False, True)
)
