"""One network on cubes: who learns, who is watched, who is scored, and what is said of it."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.errors import SettingsDiffer, UsageError
from autospec.evaluate import cube_baselines
from autospec.evaluate.metrics import compare, score
from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock
from autospec.training.cube_fit import train_cubes, watched_fold
from autospec.training.cube_training import NETWORK, TrainResult, TrainSettings
from autospec.training.fit_config import FitConfig
from autospec.training.train_run import TrainRun
from tests.training.small_task import ALONE

TINY = CubeArchitecture(
    conv=(
        CubeConvBlock(
            kernel_space=2,
            kernel_time=2,
            filters=4,
            activation="ReLU",
            pooling="max",
            dropout=0.1,
        ),
    ),
    fc=(FCBlock(nodes=8, activation="ReLU", dropout=0.1),),
)
CONFIG = FitConfig(max_epochs=3, learning_rate=1e-3, batch_size=16, accumulate_to=32)
SETTINGS = TrainSettings(architecture=TINY, config=CONFIG)
RUN = TrainRun(processes=ALONE)


@pytest.fixture(scope="module")
def cubes() -> Cubes:
    made = synthesise(SyntheticSettings(n=140, window=6, steps=3, height=48, width=48), 0)[1]
    target = made.target.copy()
    target[:5] = np.nan
    return replace(made, target=target)


def trained(cubes: Cubes, settings: TrainSettings = SETTINGS, run: TrainRun = RUN) -> TrainResult:
    made = train_cubes(cubes, name="made", settings=settings, run=run)
    assert made is not None
    return made[0]


@pytest.fixture(scope="module")
def result(cubes: Cubes) -> TrainResult:
    return trained(cubes)


def test_every_labelled_sample_has_one_role(result: TrainResult, cubes: Cubes) -> None:
    s = result.split
    assert s.n_fit + s.n_watch + s.n_test + s.n_dropped == 135
    assert (result.data.n, result.data.n_unlabelled) == (140, 5)


def test_the_sealed_samples_of_the_split_are_scored(result: TrainResult, cubes: Cubes) -> None:
    split = make_cube_split(cubes.labelled(), CubeSplit())
    sealed = cubes.labelled().rows(split.plan.unseal())
    assert result.test_ids == sealed.ids
    assert result.observed == tuple(sealed.target)
    for model in result.models:
        assert model.scores == score(sealed.target, np.array(model.predicted))


def test_ridge_and_the_mean_stand_beside_the_network(result: TrainResult) -> None:
    assert [model.name for model in result.models] == ["network", "ridge", "mean"]


def test_trees_stand_there_too_when_asked_for(
    cubes: Cubes, result: TrainResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in ("FOREST_TREES", "BOOSTING_ROUNDS"):
        monkeypatch.setattr(cube_baselines, number, 3)
    models = trained(cubes, replace(SETTINGS, baselines="all")).models
    assert [model.name for model in models] == [NETWORK, *cube_baselines.BASELINES]
    assert models[0].predicted == result.models[0].predicted


def test_the_verdict_is_of_the_network_against_ridge(result: TrainResult) -> None:
    assert "for the network and" in result.verdict and "for ridge" in result.verdict
    models = {model.name: np.array(model.predicted) for model in result.models}
    twin = compare(np.array(result.observed), models["network"], models["ridge"])
    assert result.versus_ridge == twin


def test_smearing_multiplies_what_the_same_training_predicts(cubes: Cubes, tmp_path: Path) -> None:
    """The second call takes up the first: the network is the same one."""
    run = replace(RUN, checkpoint=tmp_path / "checkpoint.safetensors")
    plain = trained(cubes, replace(SETTINGS, target_transform="log1p"), run)
    smeared = trained(cubes, replace(SETTINGS, target_transform="log1p", smearing=True), run)
    first, second = (1.0 + np.array(r.models[0].predicted) for r in (plain, smeared))
    factor = second / first
    np.testing.assert_allclose(factor, factor[0], rtol=1e-9)
    assert factor[0] != 1.0 and smeared.epochs == plain.epochs
    assert any(f"multiplied by {factor[0]:.3g}" in note for note in smeared.notes)


def test_smearing_of_what_is_no_logarithm_is_refused() -> None:
    with pytest.raises(ValueError, match="log1p only"):
        TrainSettings(smearing=True)


def test_sealed_lab_values_change_nothing_but_the_scores(cubes: Cubes) -> None:
    """A random split, because squares are dealt by their lab values."""
    settings = replace(SETTINGS, split=CubeSplit(kind="random"))
    result = trained(cubes, settings)
    target = cubes.target + np.where(np.isin(cubes.ids, result.test_ids), 50.0, 0.0)
    other = trained(replace(cubes, target=target), settings)
    assert [e.watched_rmse for e in other.epochs] == [e.watched_rmse for e in result.epochs]
    assert [m.predicted for m in other.models] == [m.predicted for m in result.models]
    assert other.models[0].scores != result.models[0].scores


def test_watched_samples_do_not_teach(cubes: Cubes) -> None:
    """Their lab values choose the epoch; one epoch leaves no choice."""
    settings = replace(
        SETTINGS, split=CubeSplit(kind="random"), config=replace(CONFIG, max_epochs=1)
    )
    split = make_cube_split(cubes.labelled(), settings.split)
    watched = split.plan.train[watched_fold(split).score]
    labelled = cubes.labelled()
    target = labelled.target.copy()
    target[watched] += 50.0
    first, second = trained(labelled, settings), trained(replace(labelled, target=target), settings)
    assert first.epochs[0].watched_rmse < second.epochs[0].watched_rmse
    assert first.models[0].predicted == second.models[0].predicted


def test_forward_in_time_the_latest_fold_is_watched(cubes: Cubes) -> None:
    split = make_cube_split(cubes.labelled(), CubeSplit(kind="forward"))
    assert watched_fold(split) is split.plan.folds[-1]


def test_two_trainings_are_one(cubes: Cubes, result: TrainResult) -> None:
    again = trained(cubes)
    timeless = [
        replace(r, epochs=tuple(replace(e, seconds=0.0) for e in r.epochs)) for r in (result, again)
    ]
    assert timeless[0] == timeless[1]


def test_the_number_of_threads_does_not_change_the_network(cubes: Cubes) -> None:
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(trained(cubes).models[0].predicted)
        assert torch.get_num_threads() == threads
    torch.set_num_threads(1)
    assert found[0] == found[1]


def test_the_model_predicts_what_was_reported(cubes: Cubes, result: TrainResult) -> None:
    made = train_cubes(cubes, name="made", settings=SETTINGS, run=RUN)
    assert made is not None
    rows = [cubes.ids.index(name) for name in result.test_ids]
    np.testing.assert_allclose(made[1].predict(cubes.rows(rows)), result.models[0].predicted)


@pytest.mark.parametrize("transform", ["none", "log1p", "z-score"])
@pytest.mark.parametrize("loss", ["mse", "l1", "huber"])
def test_losses_and_transforms_predict_near_the_lab_values(
    cubes: Cubes, transform: str, loss: str
) -> None:
    config = replace(CONFIG, loss=loss)  # type: ignore[arg-type]
    settings = replace(SETTINGS, target_transform=transform, config=config)  # type: ignore[arg-type]
    predicted = np.array(trained(cubes, settings).models[0].predicted)
    assert abs(predicted.mean() - np.nanmean(cubes.target)) < 2.0 * np.nanstd(cubes.target)


def test_a_planted_effect_is_found_where_ridge_sees_none() -> None:
    made = synthesise(SyntheticSettings(n=300, window=6, steps=3, noise=0.0), 1)[1]
    config = replace(CONFIG, max_epochs=60, patience=20, learning_rate=3e-3)
    architecture = replace(TINY, conv=(replace(TINY.conv[0], filters=16),), head="average")
    network, ridge, _ = trained(
        made, replace(SETTINGS, architecture=architecture, config=config)
    ).models
    assert network.scores.rmse.value is not None and ridge.scores.rmse.value is not None
    assert network.scores.rmse.value < 0.95 * ridge.scores.rmse.value


@pytest.mark.parametrize(
    ("settings", "note"),
    [
        (SETTINGS, "synthetic: made up"),
        (SETTINGS, "5 samples have no lab value"),
        (replace(SETTINGS, split=CubeSplit(kind="random")), "random split leaks"),
        (replace(SETTINGS, config=replace(CONFIG, accumulate_to=2048)), "--accumulate-to, such as"),
    ],
    ids=["synthetic", "unlabelled", "random", "one step an epoch"],
)
def test_notes_say_what_a_reader_must_know(
    cubes: Cubes, settings: TrainSettings, note: str
) -> None:
    assert any(note in line for line in trained(cubes, settings).notes)


def test_a_network_too_deep_for_the_windows_is_refused(cubes: Cubes) -> None:
    with pytest.raises(UsageError, match=r"conv block 2 does not fit.*larger windows"):
        trained(cubes, replace(SETTINGS, architecture=replace(TINY, conv=TINY.conv * 3)))


def test_a_budget_ends_it_and_the_same_call_goes_on(cubes: Cubes, tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    config = replace(CONFIG, max_epochs=20, patience=20)
    settings = replace(SETTINGS, config=config)
    slow = replace(RUN, checkpoint=path, budget_s=1.0, on_epoch=lambda state: time.sleep(0.4))
    stopped = trained(cubes, settings, slow)
    assert stopped.ended == "budget" and 1 <= len(stopped.epochs) < 20
    assert any("the same command takes it up" in note for note in stopped.notes)
    done = trained(cubes, settings, replace(RUN, checkpoint=path))
    assert done.ended == "complete"
    assert done.models[0].predicted == trained(cubes, settings).models[0].predicted


def test_other_samples_are_refused_by_the_checkpoint(cubes: Cubes, tmp_path: Path) -> None:
    run = replace(RUN, checkpoint=tmp_path / "checkpoint.safetensors")
    trained(cubes, run=run)
    with pytest.raises(SettingsDiffer, match="samples: there"):
        trained(replace(cubes, target=cubes.target + 1.0), run=run)


def test_beside_the_main_process_nothing_is_reported(
    cubes: Cubes, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = replace(ALONE, rank=1)
    assert (
        train_cubes(cubes, name="made", settings=SETTINGS, run=replace(RUN, processes=beside))
        is None
    )


def test_the_first_model_is_the_network(result: TrainResult) -> None:
    assert result.models[0].name == NETWORK
    assert result.n_parameters == TINY.n_parameters((5, 6, 6, 3))
