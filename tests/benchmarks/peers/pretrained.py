"""TabPFN (https://doi.org/10.1038/s41586-024-08328-6) and TabICL: networks pretrained on tables.

Both are used by their defaults on bands. Their weights are not in their packages, and nothing is
downloaded here: a peer whose weights are not on this disk is skipped, and says where they go.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from autospec.data.spectra import FloatArray
from peers.peer import SEED, Peer, Predict

TABPFN_FILE = "tabpfn-v2-regressor.ckpt"
TABICL_FILE = "tabicl-regressor-v2-20260212.ckpt"
TABICL_REPOSITORY = "jingang/TabICL"


def fit_tabpfn(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Fit TabPFN version 2."""
    from tabpfn import TabPFNRegressor
    from tabpfn.constants import ModelVersion

    model = TabPFNRegressor.create_default_for_version(
        ModelVersion.V2, device="cpu", random_state=SEED
    )
    model.fit(values, target)
    return lambda spectra: np.asarray(model.predict(spectra), dtype=np.float64)


def tabpfn_lacks() -> str:
    """Say where TabPFN's weights would be, unless they are there."""
    from tabpfn.model_loading import get_cache_dir

    path = Path(get_cache_dir()) / TABPFN_FILE
    return "" if path.is_file() else f"its weights are not on this disk; they go to {path}"


def fit_tabicl(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    """Fit TabICL version 2."""
    from tabicl import TabICLRegressor

    model = TabICLRegressor(
        checkpoint_version=TABICL_FILE,
        allow_auto_download=False,
        device="cpu",
        n_jobs=1,
        random_state=SEED,
    )
    model.fit(values, target)
    return lambda spectra: np.asarray(model.predict(spectra), dtype=np.float64)


def tabicl_lacks() -> str:
    """Say where TabICL's weights would be, unless they are there."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.constants import HF_HUB_CACHE

    if isinstance(try_to_load_from_cache(TABICL_REPOSITORY, TABICL_FILE), str):
        return ""
    return f"its weights ({TABICL_FILE}) are not in {os.fspath(HF_HUB_CACHE)}"


PRETRAINED = (
    Peer(
        name="TabPFN",
        about="version 2, its defaults, on bands",
        package="tabpfn",
        fit=fit_tabpfn,
        lacks=tabpfn_lacks,
    ),
    Peer(
        name="TabICL",
        about="version 2, its defaults, on bands",
        package="tabicl",
        fit=fit_tabicl,
        lacks=tabicl_lacks,
    ),
)
