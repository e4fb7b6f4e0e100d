"""``autospec train`` as a user meets it: real processes, kills, launches, messages, files."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import autospec
from autospec.cli import app
from autospec.data.cubes.cube_files import read_cubes, write_cubes
from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.scaling import CubePreprocessing
from autospec.data.cubes.splits import make_cube_split
from autospec.data.cubes.synthetic import SyntheticSettings, synthesise
from autospec.errors import AutospecError, OutputError
from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import (
    CubeArchitecture,
    CubeConvBlock,
    cube_architecture_from_json,
)
from autospec.predict.bundle import load_model
from autospec.predict.predictions import predict
from autospec.report.train_folder import finished_training, load_training, write_training
from autospec.search.cubes import job as search_job
from autospec.training import cube_fit
from autospec.training.cube_training import TrainResult, TrainSettings
from autospec.training.fit_config import FitConfig

ROOT = Path(autospec.__file__).parents[1]
NET = CubeArchitecture(
    conv=(CubeConvBlock(kernel_space=2, kernel_time=2, filters=8, activation="ReLU", dropout=0.2),),
    fc=(FCBlock(nodes=8, activation="ReLU", dropout=0.2),),
)
QUICK = ("--accumulate-to", 32, "--batch", 8, "--lr", "1e-3", "--epochs", 4)
LONG = ("--accumulate-to", 32, "--batch", 8, "--lr", "1e-3", "--epochs", 60, "--patience", 60)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


def words(folder: Path, *more: object) -> list[str]:
    options = ("--cube", folder / "samples.npz", "--preset", folder / "net.json", *more)
    return [sys.executable, "-m", "autospec", "train", *map(str, options)]


def train(folder: Path, *more: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words(folder, *more),
        capture_output=True,
        text=True,
        env=environment(),
        cwd=folder,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with samples and a network."""
    made = tmp_path_factory.mktemp("train")
    settings = SyntheticSettings(n=140, window=6, steps=3, height=48, width=48)
    write_cubes(made / "samples.npz", synthesise(settings, 0)[1])
    (made / "net.json").write_text(json.dumps(asdict(NET)), encoding="utf-8")
    return made


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return train(folder, *QUICK, "-o", "out")


def timeless(result: TrainResult) -> TrainResult:
    return replace(result, epochs=tuple(replace(e, seconds=0.0) for e in result.epochs))


def assert_same_training(first: Path, second: Path) -> None:
    assert timeless(load_training(first)) == timeless(load_training(second))
    tensors = [load_file(run / "checkpoint.safetensors") for run in (first, second)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        np.testing.assert_array_equal(tensor, tensors[1][name])


def test_it_prints_the_scores_and_names_the_files(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert done.returncode == 0, done.stderr
    assert all(name in done.stdout for name in ("network", "ridge", "mean", "sealed test samples"))
    assert "synthetic" in done.stdout
    assert done.stdout.splitlines()[-2:] == ["out/train.json", "out/checkpoint.safetensors"]
    assert "watched RMSE" in done.stderr
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"train.json", "checkpoint.safetensors", ".lock"}


def test_train_json_is_what_its_schema_says(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    schema = json.loads((ROOT / "data_schemas" / "train.schema.json").read_text(encoding="utf-8"))
    text = (folder / "out" / "train.json").read_text(encoding="utf-8")
    jsonschema.validate(json.loads(text), schema)
    result = load_training(folder / "out")
    assert result.settings.architecture == NET
    assert len(result.epochs) == 4


def test_the_same_command_again_runs_nothing(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    before = (folder / "out" / "checkpoint.safetensors").stat().st_mtime_ns
    again = train(folder, *QUICK, "-o", "out")
    assert again.stdout == done.stdout
    assert "already finished" in again.stderr
    assert (folder / "out" / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_other_settings_on_the_folder_are_refused_by_name(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    refused = train(folder, *QUICK, "--loss", "l1", "--buffer-km", 2, "-o", "out")
    assert refused.returncode == 2
    assert "config.loss: there 'mse', here 'l1'" in refused.stderr
    assert "split.buffer_km: there 1.2, here 2.0" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_json_goes_to_stdout(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    found = train(folder, *QUICK, "-o", "out", "--json")
    assert json.loads(found.stdout) == json.loads(
        (folder / "out" / "train.json").read_text(encoding="utf-8")
    )


@pytest.mark.slow
def test_killed_at_any_epoch_it_ends_at_the_same_bits(folder: Path) -> None:
    straight = train(folder, *LONG, "-o", "straight")
    assert straight.returncode == 0, straight.stderr
    rng, checkpoint = np.random.default_rng(), folder / "killed" / "checkpoint.safetensors"
    kills = 0
    for _ in range(2):
        before = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        process = subprocess.Popen(
            words(folder, *LONG, "-o", "killed"),
            env=environment(),
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while process.poll() is None:  # until it has trained on, and then at any moment
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != before:
                time.sleep(float(rng.uniform(0, 0.3)))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        kills += process.wait() == -signal.SIGKILL
    assert kills == 2
    assert not (folder / "killed" / "train.json").exists()
    taken_up = train(folder, *LONG, "-o", "killed")
    assert taken_up.returncode == 0, taken_up.stderr
    assert_same_training(folder / "straight", folder / "killed")


@pytest.mark.slow
def test_ctrl_c_scores_the_best_epoch_and_can_go_on(folder: Path) -> None:
    more = ("--epochs", 100_000, "--patience", 100_000, "--lr", "1e-3", "-o", "stopped")
    process = subprocess.Popen(
        words(folder, *more), env=environment(), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    while not (folder / "stopped" / "checkpoint.safetensors").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "takes it up at its last epoch" in out
    assert load_training(folder / "stopped").ended == "interrupt"


@pytest.mark.slow
def test_two_processes_of_a_launch_train_to_what_one_trains(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    pytest.importorskip("accelerate")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    found = subprocess.run(
        [*launch, *words(folder, *QUICK, "--device", "cpu", "-o", "two")[1:]],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=folder,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("sealed test samples") == 1, "one process prints"
    one, two = load_training(folder / "out"), load_training(folder / "two")
    assert two.processes == 2
    assert (one.test_ids, one.split, one.best_epoch) == (two.test_ids, two.split, two.best_epoch)
    for ours, theirs in zip(one.epochs, two.epochs, strict=True):
        assert theirs.watched_rmse == pytest.approx(ours.watched_rmse, rel=1e-5)
        assert theirs.loss == pytest.approx(ours.loss, rel=1e-5)
    np.testing.assert_allclose(one.models[0].predicted, two.models[0].predicted, rtol=1e-5)


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--target", "clay"), 2, "the lab value is 'soc', and --target says 'clay'"),
        (("--batch", 64, "--accumulate-to", 32), 2, "--batch 64 is above --accumulate-to 32"),
        (("--lr", 0), 2, "--lr 0.0: want a number above 0"),
        (("--lr-min", 1), 2, "--lr-min is above --lr"),
        (("--budget", "soon"), 2, "'soon' is no duration"),
        (("--preset", "small2d"), 2, "want small3d, or a file that ends with .json"),
        (("--preset", "gone.json"), 2, "gone.json: cannot be read"),
        (("--preset", "list.json"), 2, "architecture: "),
        (("--preset", "typo.json"), 2, "conv.0.filter"),
        (("--preset", "broken.json"), 2, "no JSON"),
        (("--buffer-km", 500), 65, "--buffer-km"),
        (("--buffer-km", "inf"), 2, "--buffer-km inf: want a distance"),
        (("--block-km", 0), 2, "--block-km 0: want the side of a square"),
        (("--split", "forward", "--buffer-km", 1), 2, "for --split blocks, not for forward"),
        (("--weight-decay", "inf"), 2, "want finite numbers"),
        (("--restarts", 2), 2, "--restarts are for --schedule cosine, not for plateau"),
        (
            ("--smearing", "--target-transform", "log1p", "--keep-model"),
            2,
            "no room for --smearing",
        ),
        (("--smearing",), 2, "--smearing is for --target-transform log1p, not for z-score"),
        (("--cube", "constant.npz"), 65, "constant.npz"),
        (("--cube", "few.npz"), 65, "few.npz"),
    ],
    ids=str,
)
def test_a_mistake_ends_in_one_message(
    folder: Path,
    more: tuple[object, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "list.json").write_text("[1, 2]", encoding="utf-8")
    (folder / "broken.json").write_text("{", encoding="utf-8")
    typo = asdict(NET)
    made = read_cubes(folder / "samples.npz")
    few = np.where(np.arange(made.n) < 15, made.target, np.nan)
    write_cubes(folder / "few.npz", replace(made, target=few))
    write_cubes(folder / "constant.npz", replace(made, target=np.full(made.n, 20.0)))
    typo["conv"][0]["filter"] = typo["conv"][0].pop("filters")
    (folder / "typo.json").write_text(json.dumps(typo), encoding="utf-8")
    monkeypatch.chdir(folder)
    asked = words(folder, *more, "-o", "mistake")[3:]
    error = CliRunner().invoke(app, asked).exception
    assert isinstance(error, AutospecError)
    assert error.exit_code == code and message in str(error)
    assert not (folder / "mistake").exists(), "a refused training leaves nothing behind"


def test_names_from_a_file_are_printed_as_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like markup of the terminal's library must not vanish, nor end the command."""
    made = read_cubes(folder / "samples.npz")
    write_cubes(tmp_path / "odd.npz", replace(made, target_name="soc [b]", target_unit="[/kg]"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    asked = words(folder, *QUICK, "--cube", "odd.npz", "-o", "out")[3:]
    found = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert found.exit_code == 0
    assert "sealed test samples, soc [b] in [/kg]" in found.stdout
    assert re.search(r"watched RMSE [\d.]+ \[/kg\]\.", found.stdout)
    assert "[/kg] for ridge" in found.stdout
    assert "[/kg]; best" in found.stderr


def test_a_random_split_warns_before_it_trains(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = words(folder, *QUICK, "--epochs", 1, "--split", "random", "-o", "out")[3:]
    found = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert found.stderr.startswith("Warning: a random split leaks")
    assert "epoch 1" in found.stderr


def test_a_kept_model_predicts_what_the_training_reports(
    done: subprocess.CompletedProcess[str],
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Asked for after the training, only the folds' networks are trained."""
    shutil.copytree(folder / "out", tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    asked = words(folder, *QUICK, "--keep-model", "-o", "out")[3:]
    found = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert "5 networks more, one a fold, of" in found.stderr and "epoch 1" not in found.stderr
    result = load_training(tmp_path / "out")
    assert timeless(result) == timeless(load_training(folder / "out"))
    cubes = read_cubes(folder / "samples.npz")
    sealed = cubes.rows([cubes.ids.index(name) for name in result.test_ids])
    predicted = predict(load_model(tmp_path / "out" / "model.safetensors"), sealed)
    np.testing.assert_allclose(predicted.predicted, result.models[0].predicted, rtol=1e-5)
    assert predicted.lower is not None and predicted.upper is not None
    assert (predicted.lower <= predicted.predicted).all()
    assert "`autospec train`" in (tmp_path / "out" / "MODEL.md").read_text(encoding="utf-8")
    again = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert "already finished" in again.stderr


class Asked(Exception):
    """Raised in place of a job, with what it was asked for."""


def asked_for(
    monkeypatch: pytest.MonkeyPatch, module: ModuleType, job: str, options: list[str]
) -> tuple[Cubes, Any]:
    """Return the cubes and settings that a command hands to its job."""

    def refuse(cubes: Cubes, *, settings: Any, **rest: Any) -> None:
        raise Asked(cubes, settings)

    monkeypatch.setattr(module, job, refuse)
    with pytest.raises(Asked) as caught:
        CliRunner().invoke(app, options, catch_exceptions=False)
    return caught.value.args[0], caught.value.args[1]


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--split", "blocks", "--buffer-km", 0.4, "--block-km", 0.2, "--folds", 3, "--seed", 4),
        ("--split", "forward", "--folds", 3),
        ("--split", "random", "--seed", 2),
    ],
    ids=str,
)
def test_a_search_and_a_training_seal_the_same_samples(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[object, ...]
) -> None:
    """So that `autospec compare` can set one against the other."""
    said = ["--cube", str(folder / "samples.npz"), *map(str, options), "-o"]
    jobs = {"search": (search_job, "search_cubes"), "train": (cube_fit, "train_cubes")}
    plans = []
    for command, (module, job) in jobs.items():
        out = str(tmp_path / command)
        cubes, settings = asked_for(monkeypatch, module, job, [command, *said, out])
        plans.append(make_cube_split(cubes.labelled(), settings.split).plan)
    assert plans[0].digest == plans[1].digest
    np.testing.assert_array_equal(plans[0].unseal(), plans[1].unseal())


def test_options_become_settings(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = "--optimiser adamw --weight-decay 0.01 --restarts 3 --schedule cosine --lr-min 1e-5"
    told += " --min-delta 0.1 --precision bfloat16 --mask-channel --baselines all --smearing"
    told += " --target-transform log1p"
    options = [*words(folder, *told.split(), "-o", tmp_path / "out")[3:]]
    settings = asked_for(monkeypatch, cube_fit, "train_cubes", options)[1]
    config = FitConfig(
        optimiser="adamw",
        weight_decay=0.01,
        restarts=3,
        schedule="cosine",
        lowest_rate=1e-5,
        min_delta=0.1,
        precision="bfloat16",
    )
    assert settings == TrainSettings(
        architecture=NET,
        preprocessing=CubePreprocessing(mask_channel=True),
        target_transform="log1p",
        config=config,
        smearing=True,
        baselines="all",
    )


def test_a_network_is_taken_from_an_earlier_training(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    found = train(folder, *QUICK, "--preset", "out/train.json", "-o", "out")
    assert "already finished" in found.stderr, "the same network, so the same training"


def test_the_folder_of_a_search_is_left_alone(folder: Path) -> None:
    (folder / "searched").mkdir()
    (folder / "searched" / "run.json").write_text("{}", encoding="utf-8")
    found = train(folder, *QUICK, "-o", "searched")
    assert found.returncode == 2 and "result of a search" in found.stderr


def test_a_damaged_result_is_refused_and_made_anew(
    done: subprocess.CompletedProcess[str], folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(folder / "out", tmp_path / "out")
    result = load_training(tmp_path / "out")
    write_training(replace(result, observed=result.observed[1:]), tmp_path / "out")
    with pytest.raises(OutputError, match="test_ids and observed"):
        load_training(tmp_path / "out")
    assert finished_training(tmp_path / "out", result.settings, result.data.digest) is None


def test_the_network_of_the_documentation_can_be_built() -> None:
    text = (ROOT / "docs" / "train.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert cube_architecture_from_json(json.loads(block)).n_parameters((6, 10, 10, 4)) > 0


def test_help_does_not_import_torch() -> None:
    code = "import sys; from autospec.cli import app; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=environment())
