"""``autospec train --stack`` as a user meets it: real processes, kills, launches, messages."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jsonschema
import numpy as np
import pytest
from safetensors.numpy import load_file
from typer.testing import CliRunner

import autospec
from autospec.cli import app
from autospec.data.cubes.stack_files import write_stack
from autospec.evaluate.map_frames import read_frames
from autospec.predict.bundle import load_model
from autospec.predict.document import MapBundle
from autospec.report.map_folder import load_map_training
from autospec.training.map_result import MapTraining
from tests.cli.made_train_stack import asked_for, put_stack, words
from tests.training.made_stack import made_stack
from tests.training.test_map_fit import NET

ROOT = Path(autospec.__file__).parents[1]
QUICK = ("--epochs", 2)
LONG = ("--epochs", 25, "--patience", 25)


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "COLUMNS": "200"}


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
    """A folder with a stack and a network."""
    return put_stack(tmp_path_factory.mktemp("train-stack"))


@pytest.fixture(scope="module")
def done(folder: Path) -> subprocess.CompletedProcess[str]:
    return train(folder, *QUICK, "-o", "out")


def timeless(result: MapTraining) -> MapTraining:
    return replace(result, epochs=tuple(replace(e, seconds=0.0) for e in result.epochs))


def assert_same_training(first: Path, second: Path) -> None:
    assert timeless(load_map_training(first)) == timeless(load_map_training(second))
    tensors = [load_file(run / "checkpoint.safetensors") for run in (first, second)]
    assert tensors[0].keys() == tensors[1].keys()
    for name, tensor in tensors[0].items():
        np.testing.assert_array_equal(tensor, tensors[1][name])


def test_it_prints_the_scores_and_names_the_files(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    assert done.returncode == 0, done.stderr
    models = ("network", "mean", "persistence", "ridge")
    assert all(name in done.stdout for name in (*models, "sealed values", "synthetic"))
    assert "tiles of 4 dates" in done.stderr and "watched RMSE" in done.stderr
    *_, last = done.stdout.splitlines()
    assert last == f"Map with it: autospec map --model out --stack {folder}/days.npz -o map.nc"
    names = {path.name for path in (folder / "out").iterdir()}
    assert names >= {
        "map-train.json",
        "map-frames.npz",
        "checkpoint.safetensors",
        "model.safetensors",
        "MODEL.md",
        "report.html",
        "map.html",
    }


def test_the_card_tells_the_scores_on_what_was_held_out(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    card = (folder / "out" / "MODEL.md").read_text(encoding="utf-8")
    result = load_map_training(folder / "out")
    (scores,) = result.models[0].scores
    assert f"| RMSE | {scores.pooled.rmse.value:.3g} |" in card
    assert f"{scores.pooled.n:,} sealed values of" in card
    assert "RMSE of ridge" in card and "RMSE of persistence" in card
    assert "Not measured" not in card and "SHA-256 of the stack" in card


def test_map_train_json_is_what_its_schema_says(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    schema = json.loads((ROOT / "data_schemas" / "map_train.schema.json").read_text("utf-8"))
    text = (folder / "out" / "map-train.json").read_text(encoding="utf-8")
    jsonschema.validate(json.loads(text), schema)
    result = load_map_training(folder / "out")
    assert result.settings.sizes == NET and len(result.epochs) == 2


def test_model_and_frames_are_those_of_the_training(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    result = load_map_training(folder / "out")
    bundle = load_model(folder / "out" / "model.safetensors")
    assert isinstance(bundle, MapBundle)
    assert (bundle.aims, bundle.sizes) == (result.settings.aims, NET)
    best = load_file(folder / "out" / "checkpoint.safetensors")
    for name, tensor in bundle.state.items():
        np.testing.assert_array_equal(tensor, best[f"best.{name}"])
    frames = read_frames(folder / "out" / "map-frames.npz")
    assert len(frames.dates) == len(result.split.test_dates)


def test_the_same_command_again_runs_nothing(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    before = (folder / "out" / "checkpoint.safetensors").stat().st_mtime_ns
    again = train(folder, *QUICK, "-o", "out")
    assert again.stdout == done.stdout
    assert "already finished" in again.stderr
    assert (folder / "out" / "checkpoint.safetensors").stat().st_mtime_ns == before


def test_a_report_that_is_gone_is_written_again_from_the_same_training(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    before = load_map_training(folder / "out")
    (folder / "out" / "report.html").unlink()
    again = train(folder, *QUICK, "-o", "out")
    assert again.returncode == 0 and "epoch 1 of" not in again.stderr
    assert (folder / "out" / "report.html").is_file()
    assert load_map_training(folder / "out") == before


def test_other_settings_on_the_folder_are_refused_by_name(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    refused = train(folder, *QUICK, "--lr", "1e-4", "--gaps", "sentinel", "-o", "out")
    assert refused.returncode == 2
    assert "config.learning_rate: there 0.001, here 0.0001" in refused.stderr
    assert "terms.gaps: there 'mask', here 'sentinel'" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_json_goes_to_stdout(done: subprocess.CompletedProcess[str], folder: Path) -> None:
    found = train(folder, *QUICK, "-o", "out", "--json")
    assert json.loads(found.stdout) == json.loads(
        (folder / "out" / "map-train.json").read_text(encoding="utf-8")
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
    assert not (folder / "killed" / "map-train.json").exists()
    taken_up = train(folder, *LONG, "-o", "killed")
    assert taken_up.returncode == 0, taken_up.stderr
    assert_same_training(folder / "straight", folder / "killed")


@pytest.mark.slow
def test_ctrl_c_scores_the_best_epoch_and_can_go_on(folder: Path) -> None:
    more = ("--epochs", 100_000, "--patience", 100_000, "-o", "stopped")
    process = subprocess.Popen(
        words(folder, *more), env=environment(), cwd=folder, stdout=subprocess.PIPE, text=True
    )
    while not (folder / "stopped" / "checkpoint.safetensors").exists():
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "takes it up at its last epoch" in out
    assert load_map_training(folder / "stopped").ended == "interrupt"
    further = train(folder, *more, "--budget", "1s")
    assert "taken up after its last whole epoch" in further.stderr


@pytest.mark.slow
def test_two_processes_of_a_launch_train_to_what_one_trains(
    done: subprocess.CompletedProcess[str], folder: Path
) -> None:
    pytest.importorskip("accelerate")
    launch = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu"]
    launch += ["--num_processes", "2", "--num_machines", "1", "--main_process_port", "0"]
    launch += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    more = (*QUICK, "--batch", 2, "--accumulate-to", 4)
    alone = train(folder, *more, "-o", "one")
    assert alone.returncode == 0, alone.stderr
    found = subprocess.run(
        [*launch, *words(folder, *more, "--device", "cpu", "-o", "two")[1:]],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=folder,
        timeout=300,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout.count("sealed values in") == 1, "one process prints"
    one, two = load_map_training(folder / "one"), load_map_training(folder / "two")
    assert two.processes == 2
    assert (one.data, one.split, one.best_epoch) == (two.data, two.split, two.best_epoch)
    for ours, theirs in zip(one.epochs, two.epochs, strict=True):
        assert theirs.watched_rmse == pytest.approx(ours.watched_rmse, rel=1e-5)
        assert theirs.loss == pytest.approx(ours.loss, rel=1e-5)
    rmse = [run.models[0].scores[0].pooled.rmse.value for run in (one, two)]
    assert rmse[1] == pytest.approx(rmse[0], rel=1e-5)


def test_a_network_is_taken_from_an_earlier_training(
    done: subprocess.CompletedProcess[str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = ("--target", "wave", "--preset", folder / "out" / "map-train.json")
    assert asked_for(monkeypatch, folder, *said).sizes == NET


def test_names_from_a_file_are_printed_as_they_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What looks like markup of the terminal's library must not vanish, nor end the command."""
    odd = replace(made_stack(), channels=("[/b] wave <i>", "hint", "noise"))
    write_stack(tmp_path / "odd.npz", odd)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    more = ("--epochs", 1, "--stack", "odd.npz", "-o", "out")
    asked = [word if word != "wave" else "[/b] wave <i>" for word in words(folder, *more)[3:]]
    found = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert found.exit_code == 0
    assert "[/b] wave <i>: " in found.stdout
    assert "sealed values of [/b] wave <i>, in" in found.stdout
    assert "wave <i>" not in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


def test_the_folder_of_another_job_is_left_alone(folder: Path) -> None:
    (folder / "cubes").mkdir()
    (folder / "cubes" / "train.json").write_text("{}", encoding="utf-8")
    found = train(folder, *QUICK, "-o", "cubes")
    assert found.returncode == 2 and "result of a training (train.json)" in found.stderr
