"""The digest of the inputs changes with everything that can change a result, and with no more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.transfer.inputs import inputs_digest
from tests.conftest import made_spectra

FARM, LIBRARY = made_spectra(20, seed=1), made_spectra(50, seed=2)


def test_the_same_inputs_have_one_digest() -> None:
    again = inputs_digest((made_spectra(50, seed=2),), made_spectra(20, seed=1))
    assert inputs_digest(LIBRARY, FARM) == inputs_digest([LIBRARY], FARM) == again


@pytest.mark.parametrize(
    "other",
    [
        inputs_digest(FARM, LIBRARY),
        inputs_digest((LIBRARY, LIBRARY), FARM),
        inputs_digest(LIBRARY, FARM, country="Sweden"),
        inputs_digest(LIBRARY, FARM, architecture="china"),
        inputs_digest(LIBRARY, replace(FARM, target=np.full(20, np.nan))),
        inputs_digest(replace(LIBRARY, fields=("b",) * 50), FARM),
    ],
)
def test_other_inputs_have_another(other: str) -> None:
    assert other != inputs_digest(LIBRARY, FARM)


def test_an_unlabelled_row_counts() -> None:
    target = np.where(np.arange(20) < 15, FARM.target, np.nan)
    farm = replace(FARM, target=target)
    changed = replace(farm, values=np.vstack([FARM.values[:19], FARM.values[:1]]))
    assert inputs_digest(LIBRARY, farm) != inputs_digest(LIBRARY, changed)


def test_the_content_of_an_architecture_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "net.json"
    path.write_text("1", encoding="utf-8")
    before = inputs_digest(LIBRARY, FARM, architecture=str(path))
    path.write_text("2", encoding="utf-8")
    assert inputs_digest(LIBRARY, FARM, architecture=str(path)) != before
