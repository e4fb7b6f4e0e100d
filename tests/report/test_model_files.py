"""The model files of a run: which is recommended, what the card tells, and the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from autospec.evaluate.calibrated import CalibratedModel
from autospec.localisation.result import LocalisationResult
from autospec.predict.bundle import load_model
from autospec.report.model_files import write_localise_model, write_search_models
from autospec.search.candidates import WINNER
from autospec.search.final import PLSR
from autospec.search.job import Execution, search
from autospec.search.result import SearchResult
from autospec.search.settings import SearchSettings
from autospec.transfer.memory import MemoryModel
from tests.conftest import made_spectra
from tests.predict.made_scans import soil_model

CHOSEN = {True: ("winner", "plsr.safetensors"), False: ("PLSR", "network.safetensors")}


@cache
def searched(settings: SearchSettings) -> tuple[SearchResult, dict[str, CalibratedModel]]:
    models: dict[str, CalibratedModel] = {}
    execution = Execution(device="cpu", on_model=models.__setitem__)
    return search(made_spectra(), name="made", settings=settings, execution=execution), models


def with_cv(result: SearchResult, winner: float, plsr: float) -> SearchResult:
    """The result with other inner cross-validations; the test rows' scores stay."""
    rmse = {WINNER: winner, PLSR: plsr}
    rows = (replace(row, cv_rmse=rmse.get(row.name, row.cv_rmse)) for row in result.models)
    return replace(result, models=tuple(rows))


@pytest.mark.parametrize("wins", [True, False])
def test_the_inner_cross_validation_chooses(
    wins: bool, small_settings: SearchSettings, tmp_path: Path
) -> None:
    result, models = searched(small_settings)
    kept = write_search_models(with_cv(result, 1.0 if wins else 3.0, 2.0), dict(models), tmp_path)
    word, other = CHOSEN[wins]
    assert [path.name for path in kept.files] == ["model.safetensors", other]
    assert kept.choice.startswith(f"model.safetensors is {'autospec ' if wins else ''}{word} (")
    assert "inner cross-validation" in kept.choice
    card = (tmp_path / "MODEL.md").read_text(encoding="utf-8")
    assert "inner cross-validation, which alone chose" in card
    assert "sealed test rows" in card
    assert load_model(tmp_path / "model.safetensors").provenance.job == "search"


def test_the_same_result_gives_the_same_bytes(
    small_settings: SearchSettings, tmp_path: Path
) -> None:
    result, models = searched(small_settings)
    contents = []
    for name in ("first", "again"):
        write_search_models(result, dict(models), tmp_path / name)
        contents.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert contents[0] == contents[1]
    assert len(contents[0]) == 4


def test_files_of_an_earlier_run_do_not_stay(
    small_settings: SearchSettings, tmp_path: Path
) -> None:
    result, models = searched(small_settings)
    write_search_models(result, dict(models), tmp_path)
    kept = write_search_models(result, {"plsr": models["plsr"]}, tmp_path)
    assert "the only model" in kept.choice
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MODEL.md", "model.safetensors"]
    kept = write_search_models(result, {}, tmp_path)
    assert kept.choice.startswith("No model file was written")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("wins", [True, False])
def test_a_model_that_cannot_be_kept_leaves_the_other_one(
    wins: bool, small_settings: SearchSettings, tmp_path: Path
) -> None:
    result, models = searched(small_settings)
    strange = replace(models["winner"], model=MemoryModel.__new__(MemoryModel))
    kept = write_search_models(
        with_cv(result, 1.0 if wins else 3.0, 2.0),
        {"plsr": models["plsr"], "winner": strange},
        tmp_path,
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["MODEL.md", "model.safetensors"]
    assert kept.choice.startswith("model.safetensors is PLSR")
    assert "autospec winner was not written: memory-based" in kept.choice


def test_a_localisation_keeps_auto_beside_plsr_and_the_mean(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    kept = write_localise_model(localisation, soil_model(), tmp_path)
    assert kept.choice.startswith("model.safetensors is auto, on 30 labelled rows")
    found = load_model(tmp_path / "model.safetensors")
    assert [row.what for row in found.accuracy] == ["RMSE", "RMSE of PLSR", "RMSE of the mean"]
    assert found.provenance.runs == (localisation.inputs_digest,)
    assert found.made == localisation.environment.started
    assert found.trust == localisation.trust
    card = (tmp_path / "MODEL.md").read_text(encoding="utf-8")
    assert found.trust_rows in card and "never saw" not in card


def test_the_card_of_a_localisation_says_what_was_counted_on_what(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    # A small farm: fewer rows train in a draw than were asked for, one fewer still in one draw.
    first, *others = (replace(draw, train=draw.train[:24]) for draw in localisation.draws)
    draws = (replace(first, train=first.train[:23]), *others)
    small = replace(localisation, draws=draws, intervals=localisation.intervals[:1])
    write_localise_model(small, soil_model(), tmp_path)
    found = load_model(tmp_path / "model.safetensors")
    assert found.trust_rows == (
        "the test rows of 1 draw (a row counts once a draw), predicted by models made the same way "
        "from 23 to 24 training rows; this one learned from all 30 labelled rows of the farm"
    )
    assert found.accuracy[0].rows == f"test rows of {len(draws)} draws of 23 to 24 training rows"
    assert any("of models of 23 to 24 training rows" in limit for limit in found.limits)
    assert found.limits[-1] == (
        f"The accuracy is over {len(draws)} draws; intervals and domain were counted on 1 of them."
    )


def test_where_accuracy_and_intervals_share_their_draws_nothing_is_said(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    every = tuple(replace(localisation.intervals[0], draw=d.number) for d in localisation.draws)
    write_localise_model(replace(localisation, intervals=every), soil_model(), tmp_path)
    assert not [x for x in load_model(tmp_path / "model.safetensors").limits if "of them" in x]


@pytest.mark.parametrize("key", ["winner", "plsr"])
def test_the_card_of_a_search_says_that_its_rows_were_sealed(
    key: str, small_settings: SearchSettings, tmp_path: Path
) -> None:
    result, models = searched(small_settings)
    write_search_models(result, {key: models[key]}, tmp_path)
    found = load_model(tmp_path / "model.safetensors")
    assert found.trust_rows == f"the {result.n_test} sealed test rows, which it never saw"
    assert found.trust_rows in (tmp_path / "MODEL.md").read_text(encoding="utf-8")
    tuned = [limit for limit in found.limits if "may be a little too narrow" in limit]
    assert bool(tuned) == (key == "winner")


def test_without_intervals_a_localisation_keeps_nothing_and_says_so(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    write_localise_model(localisation, soil_model(), tmp_path)
    kept = write_localise_model(localisation, None, tmp_path)
    assert kept.choice.startswith("No model file was written")
    assert not list(tmp_path.iterdir())
