"""After the draws: predictions for every row that waits for one, a last selection, and a map."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from autospec.localisation import final_model as module
from autospec.localisation.candidates import LibraryModels, learn_library
from autospec.localisation.final_model import (
    align_selection,
    final_selection,
    fit_final,
    map_spectra,
)
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared
from autospec.localisation.result import Draw, FinalModel
from tests.localisation.landscape import few_recipes, landscape, made_ready

WORLD = landscape(unlabelled=5, replicates=2)
PREPARED = made_ready(WORLD)


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.fixture(scope="module")
def models() -> LibraryModels:
    return learn_library(PREPARED.library, 0)


@pytest.fixture(scope="module")
def final(models: LibraryModels) -> FinalModel:
    fitted, _, failures = fit_final(PREPARED, models, 0)
    assert failures == {}
    return fitted


def test_every_row_without_a_lab_value_is_predicted(final: FinalModel) -> None:
    assert final.ids == tuple(f"farm-{i}" for i in range(40, 45))
    assert len(final.predicted) == 5
    assert np.isfinite(final.predicted).all()


def test_predictions_are_near_the_truth_that_was_held_back(final: FinalModel) -> None:
    """`landscape` draws labelled and unlabelled rows alike: with one more sample it is labelled."""
    truth = landscape(samples=45, unlabelled=0).farm.target[40:]
    error = np.sqrt(np.mean((np.array(final.predicted) - truth) ** 2))
    assert error < 0.5 * truth.std()


def test_the_weights_are_those_of_the_detail(final: FinalModel) -> None:
    assert sum(final.weights.values()) == pytest.approx(1.0)
    largest = max(final.weights, key=lambda name: final.weights[name])
    assert final.detail.startswith(f"{final.weights[largest]:.0%} ")


def test_a_farm_without_unlabelled_rows_has_nothing_to_predict(models: LibraryModels) -> None:
    nothing = PREPARED.waiting.rows(np.empty(0, dtype=np.int64))
    fitted, _, _ = fit_final(replace(PREPARED, waiting=nothing), models, 0)
    assert (fitted.ids, fitted.predicted) == ((), ())


def test_the_last_selection_is_judged_by_every_row_with_a_lab_value() -> None:
    record, rows = final_selection(PREPARED, 0, "cpu")
    assert record.draw is None and record.library == "global"
    assert len(rows) == len(record.ids) == PREPARED.selection.wanted
    assert record.ids == tuple(PREPARED.library.ids[i] for i in rows)
    assert sum(record.sources.values()) == len(rows)


@pytest.mark.parametrize("unlabelled", [0, 3])
def test_the_map_shows_library_selection_and_the_whole_farm(unlabelled: int) -> None:
    ready = made_ready(landscape(unlabelled=unlabelled))
    shown = map_spectra(ready, np.array([0, 50, 119]), 0)
    assert len(shown.library) == len(shown.library_fields) == 120
    assert len(shown.farm) == 40 + unlabelled
    assert shown.selected == tuple(shown.library[i] for i in (0, 50, 119))
    assert 1 >= shown.explained[0] >= shown.explained[1] > 0
    assert sum(shown.explained) <= 1 + 1e-9


def test_of_a_large_library_the_map_shows_a_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAP_ROWS", 30)
    shown = map_spectra(PREPARED, np.array([3]), 0)
    assert len(shown.library) == 30 and len(shown.selected) == 1
    assert shown == map_spectra(PREPARED, np.array([3]), 0)
    assert shown.library != map_spectra(PREPARED, np.array([3]), 1).library


def made_piece(prepared: Prepared) -> Piece:
    rows = tuple(range(prepared.farm.own.n))
    return Piece(
        fingerprint="",
        draw=Draw(number=0, train=rows[:20], test=rows[20:]),
        models=(),
        failures={},
        selected=tuple(range(0, 60, 3)),
    )


def test_the_alignment_is_judged_on_rows_that_did_not_select() -> None:
    alignment = align_selection(PREPARED, made_piece(PREPARED), 0)
    assert alignment.judged == "holdout"
    assert (alignment.m, alignment.n_judged) == (20, 22)
    assert [row.n for row in alignment.rows] == [120, 20, 20, 20]
