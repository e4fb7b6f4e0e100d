"""Networks in a localisation: their rows, records and country, on the rows of the baselines."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.errors import UsageError
from autospec.localisation import job, network_stage
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.job import localise
from autospec.localisation.network_draw import about, fixed_design, network_settings, uses
from autospec.localisation.progress import LocaliseProgress
from autospec.localisation.result import LOCAL, LocalisationResult
from autospec.localisation.settings import LocaliseSettings
from autospec.nets.architecture import PUBLISHED
from autospec.search.design import Caps
from autospec.transfer.network_settings import NetworkSettings
from autospec.transfer.strategies import TrainedStrategies, train_library_networks
from tests.localisation.landscape import AXIS, ON_CPU, QUICK, few_recipes, landscape
from tests.localisation.test_localise_job import Store, timeless
from tests.transfer.farms import SMALL_SPACE, TINY

WORLD = landscape(rows=32, samples=30, unlabelled=2)
SETTINGS = replace(QUICK, quick=False, draws=2, network_draws=1, trials=1, members=1)
FROM_GLOBAL = [
    "Global, slope and bias",
    "DTL-I_g",
    "DTL-R_g",
    "DTL-IR_g (library→K∪m)",
    "DTL-IR_g (K→m)",
]
FROM_COUNTRY = [name.replace("Global", "Country").replace("_g", "_c") for name in FROM_GLOBAL]
BASELINES = ("draw-0", "draw-1", "intervals-0", "intervals-1")
NAMES = ["Global", "Country", LOCAL, *FROM_GLOBAL, *FROM_COUNTRY]


def tiny(*args: Any) -> NetworkSettings:
    return replace(network_settings(*args), space=SMALL_SPACE, caps=Caps(multiply_adds=200_000))


def given(*args: Any) -> NetworkSettings:
    return replace(tiny(*args), fixed=TINY)


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_stage, "network_settings", tiny)
        yield


@pytest.fixture
def unsearched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network_stage, "network_settings", given)


def run(
    settings: LocaliseSettings = SETTINGS,
    execution: LocaliseExecution = ON_CPU,
    country: str | None = None,
) -> LocalisationResult:
    return localise(
        WORLD.library, WORLD.farm, settings=settings, execution=execution, country=country
    )


@pytest.fixture(scope="module")
def result() -> LocalisationResult:
    """A run that searches, and has a country."""
    return run(country="south")


def names(result: LocalisationResult) -> list[str]:
    return [model.name for model in result.models if model.kind == "strategy"]


def test_every_strategy_has_its_row(result: LocalisationResult) -> None:
    assert names(result) == NAMES
    assert not any("Without a result" in note for note in result.notes)


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_predicts_the_test_rows_of_the_baselines(
    result: LocalisationResult, name: str
) -> None:
    row = result.model(name)
    assert [outcome.draw for outcome in row.outcomes] == [0]
    assert len(row.outcomes[0].predicted) == len(result.draws[0].test)
    assert np.isfinite(row.outcomes[0].predicted).all()
    assert row.about and (row.versus_local is None) == (name == LOCAL)
    assert row.versus_plsr is not None and row.versus_plsr.draws == 1


def test_auto_is_compared_with_the_local_network_on_its_draws(
    result: LocalisationResult,
) -> None:
    assert result.model("auto").versus_local is not None
    assert "The networks ran on 1 of 2 draws" in " ".join(result.notes)
    assert len(result.strategy_verdicts) == len(NAMES) - 1


def test_every_network_is_on_record(result: LocalisationResult) -> None:
    found = {record.strategy: record for record in result.networks}
    assert list(found) == NAMES
    assert {record.draw for record in found.values()} == {0, None}
    assert [n for n, record in found.items() if record.draw is None] == ["Global", "Country"]
    assert {n for n, record in found.items() if record.trials} == {
        "Global",
        "Country",
        LOCAL,
        "DTL-I_g",
        "DTL-I_c",
    }


def test_the_country_has_a_selection_of_its_own(result: LocalisationResult) -> None:
    (record,) = [one for one in result.selections if one.library == "country"]
    assert record.draw == 0 and set(record.fields) == {"south"}
    assert len(record.ids) == 16  # half of its 32 rows, fewer than the 20 of --k
    assert record.seconds > 0


@dataclass(frozen=True)
class Stored:
    """A run with a given design, what it told, and the pieces it left behind."""

    result: LocalisationResult
    told: tuple[LocaliseProgress, ...]
    pieces: dict[str, str]

    def execution(self, *names: str) -> LocaliseExecution:
        """Return an execution with some of the pieces."""
        return replace(ON_CPU, pieces=Store({name: self.pieces[name] for name in names}))


@pytest.fixture(scope="module")
def stored() -> Stored:
    """First a quick run, then its draws are taken up by one with networks."""
    store, told = Store(), []
    execution = replace(ON_CPU, pieces=store)
    run(replace(SETTINGS, quick=True), execution)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(network_stage, "network_settings", given)
        patch.setattr(job, "run_baselines", lambda *_, **__: pytest.fail("computed again"))
        result = run(execution=replace(execution, progress=told.append))
    assert store.written == [*BASELINES, "networks-0"]
    return Stored(result=result, told=tuple(told), pieces=store.texts)


def test_without_a_country_there_are_no_country_networks(stored: Stored) -> None:
    assert names(stored.result) == ["Global", LOCAL, *FROM_GLOBAL]
    assert "No Country networks: no country was given." in stored.result.notes


def test_a_given_design_is_trained_without_a_search(stored: Stored) -> None:
    assert {record.trials for record in stored.result.networks} == {0}
    assert {record.design for record in stored.result.networks} == {TINY}


def test_progress_tells_of_the_networks(stored: Stored) -> None:
    assert {one.stage for one in stored.told} == {
        "plan",
        "draws",
        "intervals",
        "networks",
        "final",
    }
    assert "then networks on the first 1." in stored.told[0].message
    steps = [one for one in stored.told if one.stage == "networks"]
    assert {one.message.split(":")[0] for one in steps} >= {LOCAL, *FROM_GLOBAL}
    assert (steps[-1].done, steps[-1].total, steps[-1].eta_s) == (1, 1, 0)


@pytest.mark.usefixtures("unsearched")
def test_a_country_of_few_rows_is_told() -> None:
    few = WORLD.library.rows([*range(32), *range(32, 52)])
    settings = replace(SETTINGS, draws=1)
    result = localise(few, WORLD.farm, settings=settings, execution=ON_CPU, country="south")
    assert names(result) == ["Global", LOCAL, *FROM_GLOBAL]
    assert any("fewer than 30 usable library rows are of 'south'" in n for n in result.notes)


@pytest.mark.usefixtures("unsearched")
def test_changed_lab_values_of_test_rows_leave_every_network_as_it_was(stored: Stored) -> None:
    target = WORLD.farm.target.copy()
    target[list(stored.result.draws[0].test)] = 77.0
    farm = replace(WORLD.farm, target=target)
    settings = replace(SETTINGS, draws=1)
    other = localise(WORLD.library, farm, settings=settings, execution=ON_CPU)
    assert names(other) == names(stored.result)
    for name in names(other):
        ours, theirs = (r.model(name).outcomes[0] for r in (stored.result, other))
        assert ours.predicted == theirs.predicted
        assert (ours.detail, ours.inner_rmse) == (theirs.detail, theirs.inner_rmse)
    assert other.networks == stored.result.networks


@pytest.mark.usefixtures("unsearched")
def test_networks_are_taken_up_again(stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        network_stage, "train_library_networks", lambda *_: pytest.fail("trained again")
    )
    again = run(execution=stored.execution(*BASELINES, "networks-0"))
    assert timeless(asdict(again)) == timeless(asdict(stored.result))


@pytest.mark.usefixtures("unsearched")
def test_networks_that_were_finished_are_reported_when_later_draws_are_stopped(
    stored: Stored,
) -> None:
    execution = stored.execution("draw-0", "networks-0")
    stopped = run(execution=replace(execution, interrupted=lambda: True))
    assert (stopped.stopped, len(stopped.draws)) == ("interrupt", 1)
    assert names(stopped) == ["Global", LOCAL, *FROM_GLOBAL]


@pytest.mark.usefixtures("unsearched")
def test_interrupted_in_its_networks_a_run_reports_the_baselines(stored: Stored) -> None:
    execution = stored.execution(*BASELINES)
    result = run(execution=replace(execution, interrupted=lambda: True))
    assert result.stopped == "interrupt" and len(result.draws) == 2 and names(result) == []
    assert result.notes[0].startswith("Ctrl-C ended it after the networks of 0 of 1 draws.")


@pytest.mark.usefixtures("unsearched")
def test_networks_that_found_no_time_are_named_with_the_reason(
    stored: Stored, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_late(library: Any, country: Any, settings: Any, resources: Any) -> TrainedStrategies:
        late = replace(resources, seconds_left=lambda: 0.0)
        return train_library_networks(library, country, settings, late)

    monkeypatch.setattr(network_stage, "train_library_networks", too_late)
    result = run(execution=stored.execution(*BASELINES))
    assert names(result) == [LOCAL, "DTL-I_g"]
    assert "Without a result: Global: the time was up before it began" in result.notes


@pytest.mark.parametrize(
    ("name", "whose"),
    [(LOCAL, "farm"), ("Global", "library"), ("Country", "library"), ("DTL-R_c", "both")],
)
def test_a_strategy_says_whose_lab_values_it_learns_from(name: str, whose: str) -> None:
    assert uses(name) == whose


def test_every_strategy_has_a_line_about_it() -> None:
    lines = {name: about(name) for name in NAMES}
    assert lines["DTL-I_c"].startswith("instance transfer")
    assert lines["DTL-IR_g (K→m)"].startswith("both:")
    assert lines["Country, slope and bias"].startswith("its predictions on a line")


def test_the_library_and_each_draw_have_seeds_of_their_own() -> None:
    seeds = {network_settings(SETTINGS, AXIS, 1.0, number).seed for number in range(-1, 20)}
    assert len(seeds) == 21
    again = network_settings(replace(SETTINGS, seed=8), AXIS, 1.0, 0).seed
    assert again not in seeds


def test_searched_fixes_no_design() -> None:
    assert fixed_design("searched", AXIS) is None


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_published_architecture_is_taken_by_name(name: str) -> None:
    design = fixed_design(name, AXIS)
    assert design is not None and design.architecture == PUBLISHED[name]


def test_an_architecture_file_is_taken_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(asdict(TINY.architecture)), encoding="utf-8")
    design = fixed_design(str(path), AXIS)
    assert design is not None and design.architecture == TINY.architecture


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"conv": ', "Expecting value"),
        (b"\xff\xfe\x00", "mine.json: .*; want the JSON file of one"),
        (b'{"conv": [], "fc": "no"}', "architecture: "),
        (b"[" * 100_000, "recursion|JSON"),
    ],
    ids=["torn", "binary", "other fields", "deep"],
)
def test_a_file_that_holds_no_architecture_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=message):
        fixed_design(str(path), AXIS)


def test_a_folder_is_no_architecture(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="want the JSON file of one"):
        fixed_design(str(tmp_path), AXIS)


def test_an_architecture_too_deep_for_the_bands_is_refused_before_anything_is_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = replace(TINY.architecture, conv=TINY.architecture.conv * 8)
    path = tmp_path / "deep.json"
    path.write_text(json.dumps(asdict(deep)), encoding="utf-8")
    monkeypatch.setattr(job, "learn_library", lambda *_: pytest.fail("it began"))
    with pytest.raises(UsageError, match="does not fit these spectra"):
        run(replace(SETTINGS, architecture=str(path)))


@pytest.mark.slow
def test_a_published_architecture_is_trained_without_a_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(network_stage, "network_settings", network_settings)
    result = run(replace(SETTINGS, architecture="china", draws=1))
    assert names(result) == ["Global", LOCAL, *FROM_GLOBAL]
    assert {record.trials for record in result.networks} == {0}
    assert {record.design.architecture for record in result.networks} == {PUBLISHED["china"]}
