"""A whole localisation: what it returns, and how it is stopped and taken up again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from autospec.data.spectra import join_spectra
from autospec.errors import DataError, StudyFailed, TrialFailed, UsageError
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.trust import bounds
from autospec.localisation import candidates, final_model, job, trust_draw
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.job import localise
from autospec.localisation.progress import LocaliseProgress
from autospec.localisation.result import (
    AUTO,
    AUTO_LOCAL,
    MEAN,
    PLSR_LOCAL,
    LocalisationResult,
    Outcome,
)
from autospec.localisation.settings import LocaliseSettings
from tests.localisation.landscape import ON_CPU, QUICK, few_recipes, landscape

WORLD = landscape(rows=20, samples=30, replicates=3)
LIBRARY, FARM = WORLD.library, WORLD.farm
CLOCKS = {"seconds", "environment"}
ONE_DRAW = replace(QUICK, draws=1)


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.fixture(scope="module")
def whole() -> tuple[LocalisationResult, Store]:
    store = Store()
    return run(execution=replace(ON_CPU, pieces=store)), store


@pytest.fixture(scope="module")
def result(whole: tuple[LocalisationResult, Store]) -> LocalisationResult:
    return whole[0]


@pytest.fixture
def pieces(whole: tuple[LocalisationResult, Store]) -> dict[str, str]:
    return dict(whole[1].texts)


def run(
    settings: LocaliseSettings = QUICK,
    execution: LocaliseExecution = ON_CPU,
    country: str | None = None,
) -> LocalisationResult:
    return localise(LIBRARY, FARM, settings=settings, execution=execution, country=country)


def timeless(value: Any) -> Any:
    """Return plain values, without what the clock and the machine say."""
    if isinstance(value, dict):
        return {key: timeless(v) for key, v in value.items() if key not in CLOCKS}
    if isinstance(value, list | tuple):
        return [timeless(v) for v in value]
    return value


def plain(result: LocalisationResult) -> Any:
    return timeless(asdict(result))


def first_outcome(result: LocalisationResult, name: str) -> tuple[Outcome, ...]:
    """Return a model's outcome of the first draw."""
    return result.model(name).outcomes[:1]


@dataclass
class Store:
    """Keeps pieces in memory, and counts."""

    texts: dict[str, str] = field(default_factory=dict)
    written: list[str] = field(default_factory=list)

    def read(self, name: str) -> str | None:
        return self.texts.get(name)

    def write(self, name: str, text: str) -> None:
        self.texts[name] = text
        self.written.append(name)


def test_every_model_stands_beside_the_mean_and_plsr(result: LocalisationResult) -> None:
    names = [model.name for model in result.models]
    assert names[:2] == [AUTO, AUTO_LOCAL]
    assert {MEAN, PLSR_LOCAL} <= set(names)
    assert len(set(names)) == len(names)


def test_every_model_has_every_draw_and_finite_predictions(result: LocalisationResult) -> None:
    for model in result.models:
        assert [outcome.draw for outcome in model.outcomes] == [0, 1]
        for outcome in model.outcomes:
            assert len(outcome.predicted) == len(result.draws[outcome.draw].test)
            assert np.isfinite(outcome.predicted).all()


def test_scores_can_be_worked_out_again_from_the_predictions(result: LocalisationResult) -> None:
    observed = np.array(result.observed)
    for model in result.models:
        errors = [
            np.sqrt(np.mean((observed[list(result.draws[o.draw].test)] - o.predicted) ** 2))
            for o in model.outcomes
        ]
        assert [o.rmse for o in model.outcomes] == pytest.approx(errors)
        assert model.rmse.value == pytest.approx(np.mean(errors))


def test_the_result_tells_what_went_in(result: LocalisationResult) -> None:
    assert (result.farm.n, result.farm.n_unlabelled, result.library_rows) == (33, 4, 60)
    assert len(result.farm_ids) == len(result.observed) == 33
    assert result.library_fields == {"north": 20, "south": 20, "west": 20}
    assert (result.stopped, result.settings) == ("complete", QUICK)
    assert [record.draw for record in result.selections] == [0, 1, None]
    assert result.alignment is not None and result.stability is not None
    assert result.networks == () and result.strategy_verdicts == ()


def test_samples_are_counted_not_scans(result: LocalisationResult) -> None:
    assert result.verdict.startswith("Trained on 20 samples of the farm, auto predicts")
    assert any(len(draw.train) > 20 for draw in result.draws)


def test_rows_that_wait_for_a_lab_value_are_predicted(result: LocalisationResult) -> None:
    assert result.final.ids == tuple(f"farm-{i}" for i in range(30, 34))
    assert np.isfinite(result.final.predicted).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(
    result: LocalisationResult,
) -> None:
    assert plain(run()) == plain(result)
    other = run(replace(QUICK, seed=8, draws=1))
    assert other.draws[0] != result.draws[0]


FRESH_PROCESS = """
import json
from tests.localisation.landscape import few_recipes
from tests.localisation.test_localise_job import ONE_DRAW, plain, run
with few_recipes():
    print(json.dumps(plain(run(ONE_DRAW))))
"""


def test_a_fresh_process_gives_the_same_bits() -> None:
    """Strings hash otherwise there: no order may come from a set."""
    done = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS],
        env=os.environ | {"PYTHONHASHSEED": "4711", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert json.loads(done.stdout) == json.loads(json.dumps(plain(run(ONE_DRAW))))


def test_progress_begins_with_the_cost_and_goes_on_with_the_time_left() -> None:
    told: list[LocaliseProgress] = []
    run(execution=replace(ON_CPU, progress=told.append))
    assert [one.stage for one in told] == [
        "plan",
        *["draws"] * 2,
        *["intervals"] * 2,
        "final",
    ]
    assert "33 rows of the farm with soc, 60 library rows" in told[0].message
    assert "no networks (--quick)" in told[0].message and "9 minutes" in told[0].message
    assert [(one.done, one.total) for one in told[1:3]] == [(1, 2), (2, 2)]
    assert told[1].eta_s is not None and told[1].eta_s > 0
    assert told[2].eta_s == 0
    assert all("auto: RMSE" in one.best and "g/kg" in one.best for one in told[1:])


def test_stopped_after_a_draw_it_reports_that_and_goes_on_later(
    result: LocalisationResult,
) -> None:
    store = Store()
    until_one = replace(ON_CPU, pieces=store, interrupted=lambda: bool(store.texts))
    first = run(execution=until_one)
    assert first.stopped == "interrupt" and len(first.draws) == 1
    assert first.notes[0].startswith("Ctrl-C ended it after 1 of 2 draws. Run the same command")
    assert first.stability is None and np.isfinite(first.final.predicted).all()

    again = run(execution=replace(ON_CPU, pieces=store))
    assert store.written == ["draw-0", "draw-1", "intervals-0", "intervals-1"]
    assert plain(again) == plain(result)


def test_interrupted_before_the_first_draw_there_is_nothing_to_report() -> None:
    with pytest.raises(StudyFailed, match="before the first draw was finished"):
        run(execution=replace(ON_CPU, interrupted=lambda: True))


def test_interrupted_at_once_what_was_stored_is_still_reported(
    result: LocalisationResult, pieces: dict[str, str]
) -> None:
    store = Store({"draw-0": pieces["draw-0"]})
    late = run(execution=replace(ON_CPU, pieces=store, interrupted=lambda: True))
    assert (late.stopped, len(late.draws), store.written) == ("interrupt", 1, [])
    for model in late.models:
        assert model.outcomes == first_outcome(result, model.name)


def test_interrupted_among_the_intervals_it_goes_on_from_there(
    result: LocalisationResult, pieces: dict[str, str]
) -> None:
    store = Store({name: text for name, text in pieces.items() if name != "intervals-1"})
    held = replace(ON_CPU, pieces=store, interrupted=lambda: True)
    late = run(execution=held)
    assert (late.stopped, len(late.draws), store.written) == ("interrupt", 2, [])
    assert late.intervals == result.intervals[:1] and late.trust is not None
    assert any("measured on 1 of 2 draws" in note for note in late.notes)
    assert plain(run(execution=replace(ON_CPU, pieces=store))) == plain(result)
    assert store.written == ["intervals-1"]


def test_intervals_are_pooled_over_the_draws(result: LocalisationResult) -> None:
    trust, observed = result.trust, np.array(result.observed)
    assert trust is not None and [part.draw for part in result.intervals] == [0, 1]
    held, widths, errors, inside = [], [], [], []
    for part, outcome in zip(result.intervals, result.model(AUTO).outcomes, strict=True):
        truth = observed[list(result.draws[part.draw].test)]
        lower, upper = np.array(part.lower), np.array(part.upper)
        assert ((lower <= outcome.predicted) & (outcome.predicted <= upper)).all()
        held.append((lower <= truth) & (truth <= upper))
        widths.append(upper - lower)
        errors.append((outcome.predicted - truth) ** 2)
        inside.append(part.inside)
    assert trust.rows == sum(map(len, held)) and trust.level == 0.9
    assert trust.covered == pytest.approx(np.mean([np.mean(part) for part in held]))
    assert trust.covered_low <= trust.covered <= trust.covered_high
    assert trust.mean_width == pytest.approx(np.concatenate(widths).mean())
    kept = np.concatenate(inside)
    assert trust.inside == kept.sum()
    error = np.sqrt(np.concatenate(errors)[kept].mean())
    assert trust.rmse_inside == pytest.approx(error)


def test_the_final_model_is_handed_over_with_all_that_the_result_tells_of_it(
    result: LocalisationResult,
) -> None:
    given: list[CalibratedModel] = []
    run(execution=replace(ON_CPU, on_model=given.append))
    (model,) = given
    final, waiting = result.final, FARM.rows(range(30, 34))
    assert model.train.n == final.calibration_rows == 33 and final.level == 0.9
    predicted = model.model.predict(waiting.values)
    np.testing.assert_array_equal(predicted, final.predicted)
    lower, upper = bounds(model, waiting.values, predicted, 0.9)
    assert (tuple(lower), tuple(upper)) == (final.lower, final.upper)
    measured = model.domain.measure(waiting.values)
    assert (measured.inside, measured.reasons) == (final.inside, final.reasons)


def test_the_quick_way_measures_intervals_on_the_first_draws(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "QUICK_INTERVALS", 1)
    result = run()
    assert [part.draw for part in result.intervals] == [0]
    assert "auto's intervals and domain were measured on 1 of 2 draws." in result.notes


def test_a_farm_too_small_for_90_percent_has_80_percent_intervals_and_says_so() -> None:
    """Of 10 samples 7 train in a draw: they support 7/8."""
    small = replace(QUICK, n=10, draws=1)
    result = localise(LIBRARY, FARM.rows(range(10)), settings=small, execution=ON_CPU)
    assert result.trust is not None and result.trust.level == 0.8
    assert any(
        "7 training rows a draw do not support 90 % intervals: 80 % ones" in note
        for note in result.notes
    )
    assert (result.final.level, result.final.calibration_rows) == (0.9, 10)


def test_without_twins_there_are_predictions_but_no_intervals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **words: Any) -> Any:
        raise TrialFailed("no twin")

    monkeypatch.setattr(trust_draw, "fit_twins", fail)
    monkeypatch.setattr(final_model, "calibrate_auto", fail)
    given: list[CalibratedModel] = []
    result = run(ONE_DRAW, execution=replace(ON_CPU, on_model=given.append))
    assert (result.trust, result.intervals, given) == (None, (), [])
    assert (result.final.level, result.final.lower, result.final.inside) == (None, (), ())
    assert np.isfinite(result.final.predicted).all()
    assert "A draw has no intervals: no twin" in result.notes
    assert "Final model: its intervals: no twin" in result.notes


def test_a_budget_of_nothing_still_gives_one_draw() -> None:
    result = run(replace(QUICK, budget_s=1e-3))
    assert (result.stopped, len(result.draws)) == ("budget", 1)
    assert result.notes[0].startswith("The time budget ended it after 1 of 2 draws.")
    assert "--budget" in result.notes[0]


def test_a_longer_run_takes_up_the_draws_of_a_shorter_one(
    result: LocalisationResult, pieces: dict[str, str]
) -> None:
    """A piece does not know how many draws were asked for, so a run of one leaves this one."""
    store = Store({"draw-0": pieces["draw-0"]})
    assert plain(run(execution=replace(ON_CPU, pieces=store))) == plain(result)
    assert store.written == ["draw-1", "intervals-0", "intervals-1"]


def test_later_draws_alone_are_those_of_the_whole_run(
    result: LocalisationResult, pieces: dict[str, str]
) -> None:
    """Draw 1 is the same rows and numbers where draw 0 does not run; pieces keep the numbers."""
    later, told = replace(QUICK, first_draw=1), list[LocaliseProgress]()
    store = Store()
    second = run(later, replace(ON_CPU, pieces=store, progress=told.append))
    assert store.written == ["draw-1", "intervals-1"]
    assert second.draws == result.draws[1:] and second.intervals == result.intervals[1:]
    for model in second.models:
        whole = result.model(model.name).outcomes[1]
        assert timeless([asdict(o) for o in model.outcomes]) == timeless([asdict(whole)])
    assert "1 draw (1) of" in told[0].message
    assert [(one.done, one.total) for one in told[1:3]] == [(1, 1), (1, 1)]
    assert plain(run(execution=replace(ON_CPU, pieces=store))) == plain(result)
    assert store.written[2:] == ["draw-0", "intervals-0"]


def test_stopped_among_later_draws_it_says_which() -> None:
    store = Store()
    until_one = replace(ON_CPU, pieces=store, interrupted=lambda: bool(store.texts))
    late = run(replace(QUICK, draws=3, first_draw=1), until_one)
    assert [draw.number for draw in late.draws] == [1]
    assert late.notes[0].startswith("Ctrl-C ended it after 1 of 2 draws (1 to 2). Run the same")


@pytest.mark.parametrize(("wanted", "measured"), [(0, []), (1, [0]), (9, [0, 1])])
def test_intervals_are_measured_on_as_many_draws_as_asked_for(
    pieces: dict[str, str], wanted: int, measured: list[int]
) -> None:
    found = run(replace(QUICK, trust_draws=wanted), replace(ON_CPU, pieces=Store(pieces)))
    assert [part.draw for part in found.intervals] == measured
    assert (found.trust is None) == (not measured)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text[:-20],
        lambda text: text.replace('"fingerprint": "', '"fingerprint": "0'),
    ],
    ids=["torn", "of something else"],
)
def test_a_piece_that_does_not_hold_is_computed_anew(
    result: LocalisationResult, pieces: dict[str, str], spoil: Callable[[str], str]
) -> None:
    spoilt = {name: spoil(pieces[name]) for name in ("draw-0", "intervals-1")}
    store = Store(pieces | spoilt)
    assert plain(run(execution=replace(ON_CPU, pieces=store))) == plain(result)
    assert store.written == ["draw-0", "intervals-1"]


def test_a_small_farm_trains_on_three_quarters_and_says_so() -> None:
    small = replace(QUICK, n=30, draws=1)
    result = localise(LIBRARY, FARM.rows(range(14)), settings=small, execution=ON_CPU)
    assert len(result.draws[0].train) == 10
    assert any(
        "14 samples with soc: 10 of them train in a draw, not 30" in note for note in result.notes
    )


def test_a_model_without_any_result_is_named_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any) -> Any:
        raise ValueError("no vectors")

    monkeypatch.setattr(candidates, "fit_svr", fail)
    monkeypatch.setattr(candidates, "fit_ridge", fail)
    result = run()
    assert result.notes.count("Without a result: ridge, SVR: no vectors") == 1
    assert not {"ridge", "SVR"} & {model.name for model in result.models}


def test_a_library_of_the_farm_only_is_refused() -> None:
    with pytest.raises(DataError, match="0 can be used"):
        localise(FARM, FARM, settings=QUICK, execution=ON_CPU)


@pytest.mark.parametrize("quick", [True, False])
def test_an_unknown_architecture_is_refused_before_anything_is_fitted(
    monkeypatch: pytest.MonkeyPatch, quick: bool
) -> None:
    monkeypatch.setattr(job, "learn_library", lambda *_: pytest.fail("it began"))
    with pytest.raises(UsageError, match=r"no architecture 'chine'\. Did you mean 'china'"):
        run(replace(QUICK, quick=quick, architecture="chine"))


def test_an_unknown_country_is_refused_before_anything_is_fitted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(job, "learn_library", lambda *_: pytest.fail("it began"))
    with pytest.raises(UsageError, match="no usable library row is of 'east'"):
        run(country="east")


def test_several_tables_are_one_library(result: LocalisationResult) -> None:
    tables = [LIBRARY.rows(range(20)), LIBRARY.rows(range(20, 60))]
    assert np.array_equal(join_spectra(tables).values, LIBRARY.values)
    parts = localise(tables, FARM, settings=QUICK, execution=ON_CPU)
    assert plain(parts)["models"] == plain(result)["models"]
    assert parts.inputs_digest != result.inputs_digest
