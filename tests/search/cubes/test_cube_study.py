"""The study machinery with cubes: the same loop as for spectra, resumed, killed, at once."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
from optuna.trial import TrialState

from autospec.data.cubes.cubes import Cubes
from autospec.errors import SettingsDiffer
from autospec.nets.small3d import SMALL3D
from autospec.search.design import Caps
from autospec.search.study import open_study, run_study
from autospec.search.trials import trial_records
from tests.search.cubes.made_study import SETTINGS, SPACE, comparable, made_cubes, plan_for, run


@pytest.fixture(scope="module")
def cubes() -> Cubes:
    return made_cubes()


def test_same_seed_same_study(cubes: Cubes) -> None:
    first, second = run(plan_for(cubes)), run(plan_for(cubes))
    assert comparable(first) == comparable(second)
    assert [r.state for r in first].count("complete") == SETTINGS.trials
    other = run(plan_for(cubes, replace(SETTINGS, seed=4)))
    assert comparable(other) != comparable(first)


def test_small3d_comes_first_whatever_the_caps(cubes: Cubes) -> None:
    space = replace(
        SPACE,
        conv_blocks=(1, 3),
        filters=(4, 64),
        padding=("same", "full"),
        pooling=("none", "max"),
        dropout=(0.0, 0.5),
        nodes=(16, 64),
        learning_rate=(1e-4, 1e-2),
        max_epochs=2,
    )
    settings = replace(SETTINGS, trials=2, published=True, space=space, caps=Caps(parameters=5000))
    records = run(plan_for(cubes, settings))
    assert records[0].label == "published: small3d"
    assert records[0].state == "complete"
    assert records[0].n_parameters == SMALL3D.n_parameters(cubes.shape) > 5000
    assert all((r.n_parameters or 0) <= 5000 for r in records[1:])


def test_a_network_that_does_not_fit_is_infeasible(cubes: Cubes) -> None:
    space = replace(SPACE, kernel_time=(3, 3), padding=("valid",), conv_blocks=(2, 2))
    plan = plan_for(cubes, replace(SETTINGS, trials=1, space=space))
    study = open_study(None, "s", plan)
    assert run_study(study, plan) == "proposals"
    assert {r.reason for r in trial_records(study)} == {"the network does not fit the cube"}


@pytest.mark.parametrize("questions", [1, 9, 25])
def test_a_study_stopped_and_resumed_equals_one_that_ran_through(
    cubes: Cubes, tmp_path: Path, questions: int
) -> None:
    """The stop falls between trials or inside one, wherever the n-th question is asked."""
    whole = run(plan_for(cubes))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    asked: list[bool] = []

    def should_stop() -> str | None:
        asked.append(True)
        return "interrupt" if len(asked) > questions else None

    plan = plan_for(cubes, should_stop=should_stop)
    study = open_study(storage, "s", plan)
    assert run_study(study, plan) == "interrupt"
    assert comparable(run(plan_for(cubes), storage)) == comparable(whole)


def test_other_settings_or_cubes_are_refused_with_each_difference(
    cubes: Cubes, tmp_path: Path
) -> None:
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    open_study(storage, "s", plan_for(cubes))
    split = replace(SETTINGS.split, buffer_km=0.6)
    other = replace(SETTINGS, split=split, trials=9, show_leakage=True)
    with pytest.raises(SettingsDiffer) as caught:
        open_study(storage, "s", plan_for(made_cubes(seed=5), other))
    message = str(caught.value)
    assert "split.buffer_km: there 0.5, here 0.6" in message
    assert "data_digest" in message
    assert "trials" not in message
    assert "show_leakage" not in message


def test_trials_score_at_once_what_they_score_alone(cubes: Cubes) -> None:
    """Random proposals know nothing of each other, so that all trials can be compared."""
    settings = replace(SETTINGS, sampler="random", trials=3)
    alone = {_key(r.params): r.fold_rmse for r in run(plan_for(cubes, settings))}
    at_once = {
        _key(r.params): r.fold_rmse for r in run(plan_for(cubes, settings, trials_at_once=2))
    }
    assert multiprocessing.active_children() == []
    common = alone.keys() & at_once.keys()
    assert len([key for key in common if alone[key]]) >= settings.trials - 1
    assert {key: at_once[key] for key in common} == {key: alone[key] for key in common}


def _key(params: dict[str, object]) -> str:
    return str(sorted(params.items()))


KILLED = """
import sys
from tests.search.cubes.made_study import made_cubes, plan_for, run
run(plan_for(made_cubes()), sys.argv[1])
"""


@pytest.mark.slow
def test_a_killed_study_loses_nothing_and_goes_on_the_same(cubes: Cubes, tmp_path: Path) -> None:
    """A real process on SQLite, killed while a trial is under way."""
    whole = run(plan_for(cubes))
    storage = f"sqlite:///{tmp_path / 'study.db'}"
    process = subprocess.Popen([sys.executable, "-c", KILLED, storage])
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and _finished(storage) < 2:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    study = open_study(storage, "s", plan_for(cubes))
    assert 2 <= len(trial_records(study)) < len(whole)
    assert comparable(run(plan_for(cubes), storage)) == comparable(whole)
    assert not study.get_trials(states=(TrialState.RUNNING,))


def _finished(storage: str) -> int:
    try:
        study = optuna.load_study(study_name="s", storage=storage)
        return len(trial_records(study))
    except Exception:  # the other process has not made its tables yet
        return 0
