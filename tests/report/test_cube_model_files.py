"""The model file of a search on cubes: kept, told in its card, read back, and its sealed scores."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import autospec
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.spectra import FloatArray
from autospec.evaluate.cube_trust import CalibratedCubes
from autospec.predict.document import CubeBundle
from autospec.report.cube_model_files import write_cube_models
from autospec.search.candidates import WINNER
from autospec.search.cubes.job import search_cubes
from autospec.search.cubes.result import CubeResult
from autospec.search.execution import Execution
from tests.search.cubes.made_study import SETTINGS, made_cubes, quick_baselines


@cache
def searched() -> tuple[CubeResult, CalibratedCubes]:
    models: dict[str, CalibratedCubes] = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("autospec.search.cubes.job.fit_cube_baselines", quick_baselines)
        settings = replace(SETTINGS, trials=2)
        execution = Execution(device="cpu", on_model=models.__setitem__)
        result = search_cubes(made_cubes(), name="made", settings=settings, execution=execution)
    return result, models["winner"]


def card_of(result: CubeResult, folder: Path) -> str:
    write_cube_models(result, searched()[1], folder)
    return " ".join((folder / "MODEL.md").read_text(encoding="utf-8").split())


def test_the_kept_winner_predicts_the_sealed_samples_as_the_search_did(tmp_path: Path) -> None:
    result, calibrated = searched()
    kept = write_cube_models(result, calibrated, tmp_path)
    assert kept.files == (tmp_path / "model.safetensors",)
    assert kept.choice.startswith("model.safetensors is autospec winner (RMSE ")
    model = autospec.load_model(kept.files[0])
    assert isinstance(model, CubeBundle) and model.provenance.job == "search"
    assert model.name == "made-cubes" and model.n_train == calibrated.train.n
    sealed = make_cube_split(made_cubes(), SETTINGS.split).plan.unseal()
    row = result.model(WINNER)
    found = autospec.predict(model, made_cubes().rows(sealed), level=row.trust and row.trust.level)
    np.testing.assert_allclose(found.predicted, row.predicted, rtol=1e-12)
    np.testing.assert_allclose(found.lower, row.lower, rtol=1e-12)
    assert tuple(found.in_domain.tolist()) == result.in_domain


def test_the_card_tells_scores_split_and_that_the_samples_are_made_up(tmp_path: Path) -> None:
    card = card_of(searched()[0], tmp_path)
    assert "sealed test samples" in card and "SYNTHETIC" in card
    assert f"RMSE of {searched()[0].baseline}" in card and "RMSE of the mean" in card
    assert "whole squares of" in card and "at least 0.5 km from" in card
    assert searched()[0].verdict.split(",")[0][:40] in card.replace("\\", "")


@pytest.mark.parametrize(
    ("kind", "words"), [("random", "a random split leaks"), ("forward", "those of later dates")]
)
def test_the_card_says_what_another_split_stands_for(kind: str, words: str, tmp_path: Path) -> None:
    result = searched()[0]
    split = replace(result.split, kind=CubeSplit(kind=kind).kind)  # type: ignore[arg-type]
    assert words in card_of(replace(result, split=split), tmp_path)


def test_the_same_result_gives_the_same_bytes(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        write_cube_models(*searched(), folder)
    for name in ("model.safetensors", "MODEL.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@dataclass(frozen=True)
class Other:
    def predict(self, cubes: Cubes) -> FloatArray:
        return np.zeros(cubes.n)


@pytest.mark.parametrize("why", ["not calibrated", "of another kind"])
def test_what_cannot_be_kept_is_said_and_no_stale_file_stays(why: str, tmp_path: Path) -> None:
    result, calibrated = searched()
    write_cube_models(result, calibrated, tmp_path)
    lost = None if why == "not calibrated" else replace(calibrated, model=Other())
    kept = write_cube_models(result, lost, tmp_path)
    assert kept.files == () and kept.choice.startswith("No model file was written: ")
    assert list(tmp_path.iterdir()) == []
