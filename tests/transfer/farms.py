"""A made library and a made farm for networks that train in moments; no tests here."""

from __future__ import annotations

from dataclasses import replace

from autospec.data.preprocess import Preprocessing
from autospec.data.spectra import Spectra
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.search.design import Caps, Design
from autospec.search.space import SearchSpace
from autospec.training.config import TrainingConfig
from autospec.transfer.network_settings import NetworkSettings, Resources
from tests.conftest import made_spectra

CPU = Resources(device="cpu")
TINY = Design(
    preprocessing=Preprocessing(quantity="absorbance", step=20.0),
    architecture=Architecture(
        conv=(ConvBlock(kernel=3, filters=4, stride=2, activation="ELU", batch_norm=True),),
        fc=(FCBlock(nodes=8, activation="ELU"), FCBlock(nodes=6, activation="Swish")),
    ),
    training=TrainingConfig(batch_size=16, max_epochs=8, patience=8, learning_rate=5e-3),
)
SMALL_SPACE = SearchSpace(
    conv_blocks=(1, 1),
    filters=(4, 8),
    kernel=(2, 4),
    stride=(1, 2),
    padding=("same",),
    fc_blocks=(0, 2),
    nodes=(8, 16),
    batch_size=(16, 32),
    savgol=(False,),
    step=(10, 20),
    max_epochs=4,
)
SEARCHED = NetworkSettings(
    trials=2,
    seconds=600.0,
    folds=3,
    members=2,
    seed=3,
    space=SMALL_SPACE,
    caps=Caps(multiply_adds=200_000),
)
FIXED = replace(SEARCHED, fixed=TINY)


def table(n: int, seed: int, name: str, *, slope: float = 1.0, offset: float = 0.0) -> Spectra:
    """Spectra whose lab values are a line of what the spectra say."""
    made = made_spectra(n=n, seed=seed)
    ids = tuple(f"{name}-{i}" for i in range(n))
    return replace(
        made,
        ids=ids,
        groups=ids,
        fields=(name,) * n,
        target=offset + slope * made.target,
    )


LIBRARY = table(50, 0, "lib")
FARM = table(15, 1, "farm", slope=0.5, offset=30.0)
FRESH = table(40, 2, "farm", slope=0.5, offset=30.0)
