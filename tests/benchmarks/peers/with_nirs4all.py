"""nirs4all (https://github.com/GBeurier/nirs4all): its tuned PLS, its AOM-PLS and its CNN.

Pipelines are those of its user guide: preprocessings by its generator, Optuna for the rest, the
winner refitted on all training rows. It runs by ``engine="legacy"``: the default engine did not
end within minutes on such a pipeline, and splits the rows of each fold anew. The CNN ends in a
sigmoid, so its targets are scaled to 0 to 1, as the guide does. The second CNN is tuned over the
values of bench_peer_nirs4all.py; proposals whose kernels do not fit count as trials.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.cross_decomposition import PLSRegression
from sklearn.model_selection import PredefinedSplit
from sklearn.preprocessing import MinMaxScaler

from autospec.data.spectra import FloatArray
from peers.peer import SEED, Peer, Predict, number_folds

MAX_COMPONENTS = 15
TRIALS = 20
TRAINING = {"epochs": 100, "batch_size": 16, "learning_rate": 1e-3, "verbose": 0}
FILTERS, KERNELS, STRIDES = [4, 8, 16, 32, 64], [3, 5, 7, 9, 11, 13, 15], [1, 2, 3, 4, 5]
ACTIVATIONS = ["relu", "selu", "elu", "swish", "sigmoid", "tanh"]
TUNING = {"seed": SEED, "approach": "grouped", "eval_mode": "mean", "metric": "rmse", "verbose": 0}


def run(pipeline: list[Any], values: FloatArray, target: FloatArray) -> Predict:
    """Run a pipeline, and predict with what it refitted on all rows."""
    import nirs4all
    import torch

    torch.set_num_threads(1)  # it may have been imported only now
    torch.manual_seed(SEED)
    data = (values, target)
    options = {"verbose": 0, "engine": "legacy", "save_charts": False, "random_state": SEED}
    model = nirs4all.run(pipeline, data, **options).best
    if model["fold_id"] != "final":
        raise ValueError(f"it refitted nothing: its best model is of fold {model['fold_id']}")
    return lambda spectra: np.ravel(
        nirs4all.predict(model=model, data=spectra, engine="legacy").y_pred
    )


def fit_pls(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Tune eighteen preprocessings and 1 to 15 components of PLS over inner folds."""
    from nirs4all.operators import transforms

    quantity = [None, transforms.ReflectanceToAbsorbance]
    scatter = [None, transforms.StandardNormalVariate, transforms.MultiplicativeScatterCorrection]
    shape = [None, transforms.Detrend, transforms.FirstDerivative]
    components = list(range(1, MAX_COMPONENTS + 1))
    tuned = TUNING | {"sampler": "grid", "n_trials": len(components)}
    tuned |= {"model_params": {"n_components": components}}
    steps = [
        {"_cartesian_": [{"_or_": choices} for choices in (quantity, scatter, shape)]},
        PredefinedSplit(number_folds(groups)),
        {"model": PLSRegression(scale=False), "finetune_params": tuned},
    ]
    return run(steps, values, target)


def fit_aom(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Fit AOM-PLS, which chooses its preprocessing and components itself, by its defaults."""
    from nirs4all.operators.models import AOMPLSRegressor

    model = AOMPLSRegressor().fit(values, target)
    return lambda spectra: np.ravel(model.predict(spectra))


def fit_cnn(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Train `nicon` as its guide does."""
    from nirs4all.operators.models.pytorch.nicon import nicon

    return run(_cnn_steps({"model": nicon, "train_params": TRAINING}, groups), values, target)


def fit_tuned_cnn(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Tune and train `customizable_nicon`."""
    from nirs4all.operators.models.pytorch.nicon import customizable_nicon

    sizes: dict[str, Any] = {"dense_units": [8, 16, 32, 64]}
    for i in (1, 2, 3):
        sizes |= {f"filters{i}": FILTERS, f"kernel_size{i}": KERNELS, f"strides{i}": STRIDES}
        sizes[f"activation{i}"] = ACTIVATIONS
    for name in ("spatial_dropout", "dropout_rate"):
        sizes[name] = ("float", 0.01, 0.5)
    rates = TRAINING | {"learning_rate": ("float_log", 1e-4, 1e-2)}
    tuned = TUNING | {"sampler": "tpe", "n_trials": TRIALS}
    tuned |= {"model_params": sizes, "train_params": rates}
    model = {"model": customizable_nicon, "finetune_params": tuned, "train_params": TRAINING}
    return run(_cnn_steps(model, groups), values, target)


def _cnn_steps(model: dict[str, Any], groups: Sequence[str]) -> list[Any]:
    from nirs4all.operators.transforms import StandardNormalVariate

    split = PredefinedSplit(number_folds(groups))
    return [
        MinMaxScaler(),
        {"y_processing": MinMaxScaler()},
        split,
        StandardNormalVariate(),
        model,
    ]


NIRS4ALL = (
    Peer(
        name="nirs4all PLS",
        about="PLS, 18 preprocessings and 1 to 15 components by 5 inner folds",
        package="nirs4all",
        fit=fit_pls,
    ),
    Peer(name="nirs4all AOM-PLS", about="its defaults", package="nirs4all", fit=fit_aom),
    Peer(
        name="nirs4all CNN",
        about="nicon on SNV spectra, 100 epochs, batch 16, learning rate 0.001",
        package="nirs4all",
        fit=fit_cnn,
    ),
    Peer(
        name="nirs4all CNN tuned",
        about=f"customizable_nicon on SNV spectra, {TRIALS} trials of TPE by 5 inner folds",
        package="nirs4all",
        fit=fit_tuned_cnn,
    ),
)
