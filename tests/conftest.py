"""Fixtures shared by all rooms: made spectra with a known signal, and settings that train fast."""

from __future__ import annotations

import os
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_limits

from autospec.data.spectra import Spectra
from autospec.search.design import Caps
from autospec.search.settings import SearchSettings
from autospec.search.space import SearchSpace
from tests.postgres import MUST_RUN, Server, programs

# The work here is tiny: more threads only wait for each other, forty times as long beside a second
# pytest process. The first line is for what is loaded or started later.
os.environ["OMP_NUM_THREADS"] = "1"
threadpool_limits(1)
torch.set_num_threads(1)


def made_spectra(n: int = 60, b: int = 40, *, seed: int = 0, noise: float = 0.05) -> Spectra:
    """Absorbance with one absorption band whose depth follows the target."""
    rng = np.random.default_rng(seed)
    axis = np.linspace(400.0, 400.0 + 10.0 * (b - 1), b)
    target = rng.uniform(5.0, 40.0, n)
    centre, width = axis[b // 2], 40.0
    band = np.exp(-0.5 * ((axis - centre) / width) ** 2)
    offset = rng.normal(0.5, 0.02, (n, 1))
    values = offset + np.outer(target / 100.0, band) + noise * 0.05 * rng.normal(size=(n, b))
    ids = tuple(f"s{i:03d}" for i in range(n))
    return Spectra(
        values=values,
        axis=axis,
        axis_unit="nm",
        quantity="absorbance",
        ids=ids,
        groups=ids,
        fields=("made",) * n,
        target=target,
        target_name="soc",
        target_unit="g/kg",
        provenance=("made by the tests",),
    )


@pytest.fixture
def spectra() -> Spectra:
    return made_spectra()


@pytest.fixture
def small_space() -> SearchSpace:
    """A space of tiny networks: a trial takes well under a second."""
    return SearchSpace(
        conv_blocks=(1, 2),
        filters=(4, 8),
        kernel=(2, 6),
        stride=(1, 3),
        fc_blocks=(0, 1),
        nodes=(8, 16),
        batch_size=(16, 32),
        step=(10, 20),
        savgol_window=(5, 7),
        max_epochs=12,
        patience=6,
    )


@pytest.fixture
def small_settings(small_space: SearchSpace) -> SearchSettings:
    return SearchSettings(
        trials=6,
        budget_s=600.0,
        seed=3,
        folds=3,
        members=2,
        published=False,
        space=small_space,
        caps=Caps(multiply_adds=200_000),
    )


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server of the tests' own; skipped without one, which CI does not allow."""
    folder = programs()
    if folder is None:
        said = "no PostgreSQL server: install one, such as Debian's package postgresql"
        if os.environ.get(MUST_RUN):
            pytest.fail(said)
        pytest.skip(said)
    server = Server(folder)
    yield server
    server.remove()
