"""Rows, folds and searches of a strategy: scored on local rows, within trials and seconds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.errors import DataError, SettingsDiffer, TrialFailed, UsageError
from autospec.search.design import Caps
from autospec.search.objective import CrossValidation
from autospec.search.plan import StopSearch
from autospec.transfer import networks
from autospec.transfer.network_settings import NetworkSettings
from autospec.transfer.networks import (
    choose_design,
    joint_rows,
    library_rows,
    local_rows,
    small_design,
)
from tests.conftest import made_spectra
from tests.transfer.farms import CPU, FARM, FIXED, LIBRARY, SEARCHED, TINY, table


@settings(max_examples=20, deadline=None)
@given(k=st.integers(1, 30), m=st.integers(4, 40), folds=st.integers(2, 8), seed=st.integers(0, 9))
def test_folds_of_k_and_m_score_every_local_row_once_and_no_library_row(
    k: int, m: int, folds: int, seed: int
) -> None:
    selected, local = table(k, 0, "lib"), table(m, 1, "farm")
    joint = joint_rows(selected, local, NetworkSettings(folds=folds, seed=seed))
    scored = np.concatenate([fold.score for fold in joint.folds])
    assert sorted(scored) == list(range(k, k + m))
    for fold in joint.folds:
        assert set(range(k)) <= set(fold.fit)
        assert sorted([*fold.fit, *fold.score]) == list(range(k + m))
        assert {joint.spectra.ids[i] for i in fold.score} <= set(local.ids)


def test_joint_folds_cut_the_local_rows_as_local_folds_do() -> None:
    alone, joint = local_rows(FARM, SEARCHED), joint_rows(LIBRARY, FARM, SEARCHED)
    for a, b in zip(alone.folds, joint.folds, strict=True):
        np.testing.assert_array_equal(a.score + LIBRARY.n, b.score)


@pytest.mark.parametrize(("m", "folds"), [(4, 2), (7, 3), (9, 4), (10, 5), (30, 5)])
def test_few_local_rows_get_fewer_folds(m: int, folds: int) -> None:
    rows = local_rows(table(m, 1, "farm"), NetworkSettings(folds=5))
    assert len(rows.folds) == folds
    assert min(len(fold.score) for fold in rows.folds) >= 1


def test_too_few_groups_are_refused() -> None:
    grouped = replace(FARM, groups=("a", "b", "c") * 5)
    with pytest.raises(DataError, match="15 labelled rows in 3 groups"):
        local_rows(grouped, SEARCHED)


def test_a_library_is_scored_on_two_folds() -> None:
    rows = library_rows(LIBRARY, replace(SEARCHED, folds=5))
    assert len(rows.folds) == 2
    assert rows.spectra is LIBRARY


def test_of_a_large_library_a_search_sees_a_part_that_the_seed_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(networks, "SEARCHED_ROWS", 20)
    first, again = (library_rows(LIBRARY, SEARCHED).spectra.ids for _ in range(2))
    assert len(set(first)) == 20 and set(first) <= set(LIBRARY.ids)
    assert first == again
    assert library_rows(LIBRARY, replace(SEARCHED, seed=4)).spectra.ids != first


def test_a_search_returns_its_best_trial() -> None:
    rows = local_rows(FARM, SEARCHED)
    chosen = choose_design("Local", rows, SEARCHED, CPU)
    assert chosen.trials == 2 and chosen.how == "the best of 2 trained designs"
    seed = SEARCHED.seed + networks.SEEDS_APART
    again = CrossValidation(train=FARM, folds=rows.folds, seed=seed, device="cpu").evaluate(
        chosen.design
    )
    assert again.best_epoch == chosen.epochs
    assert again.score == pytest.approx(chosen.cv_rmse, rel=1e-5)  # stacked otherwise


def test_a_given_design_is_not_searched_and_its_epochs_are_chosen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*args: object) -> None:
        raise AssertionError("a study was opened")

    monkeypatch.setattr(networks, "open_study", never)
    chosen = choose_design("Local", local_rows(FARM, FIXED), FIXED, CPU)
    assert chosen.design is TINY
    assert chosen.trials == 0
    assert 1 <= chosen.epochs <= TINY.training.max_epochs


def test_a_given_design_that_does_not_fit_is_a_usage_error() -> None:
    coarse = replace(TINY, preprocessing=replace(TINY.preprocessing, step=300.0))
    with pytest.raises(UsageError, match="a step of 300 makes their 40 bands 1"):
        choose_design("x", local_rows(FARM, FIXED), replace(FIXED, fixed=coarse), CPU)


@pytest.mark.parametrize("asked", [SEARCHED, FIXED])
def test_without_seconds_the_first_epoch_is_the_last(asked: NetworkSettings) -> None:
    hurried = replace(asked, seconds=1e-9)
    chosen = choose_design("Local", local_rows(FARM, hurried), hurried, CPU)
    assert chosen.epochs == 1


def test_the_seconds_end_a_search_within_an_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is made to run: each question moves it by a second."""
    now = iter(range(100_000))
    monkeypatch.setattr(networks.time, "monotonic", lambda: float(next(now)))
    asked = replace(SEARCHED, trials=50, seconds=12.0)
    chosen = choose_design("Local", local_rows(FARM, asked), asked, CPU)
    assert 1 <= chosen.trials < 50
    # one question before a trial and two or three an epoch: none is asked after the end
    assert next(now) < 12 + 6


def test_a_search_that_completes_nothing_falls_back_on_a_small_design() -> None:
    hopeless = replace(SEARCHED, caps=Caps(multiply_adds=1), trials=1)
    chosen = choose_design("Local", local_rows(FARM, hopeless), hopeless, CPU)
    assert chosen.design == small_design(FARM.axis, hopeless.space)
    assert "a small stand-in, as none of 0 trained designs was completed" in chosen.how


def test_ten_failing_designs_fall_back_too(monkeypatch: pytest.MonkeyPatch) -> None:
    true = CrossValidation.evaluate

    def fail(self: CrossValidation, design: object, *watch: object) -> object:
        if design != small_design(FARM.axis, SEARCHED.space):
            raise TrialFailed("made")
        return true(self, design, *watch)  # type: ignore[arg-type]

    monkeypatch.setattr(CrossValidation, "evaluate", fail)
    asked = replace(SEARCHED, trials=20)
    chosen = choose_design("Local", local_rows(FARM, asked), asked, CPU)
    assert chosen.trials == 10 and "stand-in" in chosen.how


@pytest.mark.parametrize("bands", [5, 40, 200])
def test_the_small_design_fits_spectra_of_any_length(bands: int) -> None:
    axis = made_spectra(n=4, b=bands).axis
    overrun = small_design(axis, SEARCHED.space).overrun(axis, SEARCHED.caps)
    assert max(overrun.values()) <= 0


@pytest.mark.parametrize("asked", [SEARCHED, FIXED])
def test_an_interrupt_ends_everything(asked: NetworkSettings) -> None:
    with pytest.raises(StopSearch):
        choose_design(
            "Local", local_rows(FARM, asked), asked, replace(CPU, interrupted=lambda: True)
        )


def test_a_stored_study_is_taken_up_again_and_one_of_other_folds_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = replace(CPU, storage=f"sqlite:///{tmp_path}/studies.db", study="draw 1")
    rows = local_rows(FARM, SEARCHED)
    first = choose_design("Local", rows, SEARCHED, kept)
    with monkeypatch.context() as patch:
        patch.setattr(CrossValidation, "evaluate", None)
        assert choose_design("Local", rows, SEARCHED, kept) == first
    other = local_rows(FARM, replace(SEARCHED, seed=8))
    with pytest.raises(SettingsDiffer, match="split_digest"):
        choose_design("Local", other, SEARCHED, kept)
