"""Several processes train one network to what one process trains: same batches, same draws."""

from __future__ import annotations

import builtins
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import autospec
from autospec.errors import UsageError
from autospec.training.distributed import Processes, join, launched
from tests.training.fit_in_processes import WHOLE, train
from tests.training.small_task import ALONE, CPU

pytest.importorskip("accelerate")
# float32 sums of gradients in another order, over 18 steps of Adam at 1e-2
TOLERANCE = 1e-5


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def launch(module: str, *args: str) -> list[int]:
    """Run a module in two processes, started as a launcher does; return how they ended."""
    root, port = str(Path(autospec.__file__).parents[1]), str(free_port())
    started = []
    for rank in range(2):
        env: Mapping[str, str] = {
            **os.environ,
            "RANK": str(rank),
            "LOCAL_RANK": str(rank),
            "WORLD_SIZE": "2",
            "LOCAL_WORLD_SIZE": "2",
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": port,
            "ACCELERATE_USE_CPU": "true",
            "PYTHONPATH": root,
            "OMP_NUM_THREADS": "1",
        }
        words = [sys.executable, "-m", module, *args]
        started.append(subprocess.Popen(words, env=env, cwd=root))
    return [process.wait(timeout=120) for process in started]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have trained in every way."""
    made = tmp_path_factory.mktemp("two")
    assert launch("tests.training.fit_in_processes", str(made)) == [0, 0]
    return made


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process makes of it."""
    made = tmp_path_factory.mktemp("one")
    train(ALONE, made, "end")
    return np.load(made / "end-0.npz")


def ends(folder: Path, name: str = "end") -> list[Any]:
    return [np.load(folder / f"{name}-{rank}.npz") for rank in range(2)]


@pytest.mark.parametrize("what", ["weights", "metrics", "losses"])
def test_two_processes_train_to_what_one_trains(one: Any, folder: Path, what: str) -> None:
    """With dropout: masks are drawn for a batch, whichever process it is dealt to."""
    found = ends(folder / "straight")[0]
    assert int(found["count"]) == 2
    np.testing.assert_allclose(found[what], one[what], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("what", ["weights", "metrics", "losses"])
def test_all_processes_end_with_the_same_network(folder: Path, what: str) -> None:
    first, second = ends(folder / "straight")
    np.testing.assert_array_equal(first[what], second[what])


def test_an_interrupt_of_one_process_ends_all(folder: Path) -> None:
    stopped = ends(folder / "stopped", "stop")
    assert [str(found["ended"]) for found in stopped] == ["interrupt"] * 2
    assert [len(found["metrics"]) for found in stopped] == [2, 2]


def test_taken_up_by_two_it_ends_at_the_same_bits(folder: Path) -> None:
    found, wanted = ends(folder / "stopped")[1], ends(folder / "straight")[1]
    np.testing.assert_array_equal(found["weights"], wanted["weights"])


def test_a_training_of_two_processes_is_taken_up_by_one(folder: Path, one: Any) -> None:
    train(ALONE, folder / "begun", "end")
    found = np.load(folder / "begun" / "end-0.npz")
    assert len(found["metrics"]) == 6
    np.testing.assert_allclose(found["weights"], one["weights"], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("what", ["weights", "metrics"])
def test_batch_statistics_are_averaged_over_processes(folder: Path, what: str) -> None:
    """Not equal to one process, but equal in all: each has seen its own batches."""
    first, second = ends(folder / "norm")
    np.testing.assert_array_equal(first[what], second[what])


@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("what", ["weights", "metrics", "losses"])
def test_an_idle_process_says_nothing_of_batch_statistics(
    folder: Path, tmp_path: Path, what: str, rank: int
) -> None:
    """With one batch a window, two processes are one, running statistics and counters included."""
    train(ALONE, tmp_path / "idle", "end", norm=True, config=WHOLE)
    wanted = np.load(tmp_path / "idle" / "end-0.npz")
    found = ends(folder / "idle")[rank]
    np.testing.assert_allclose(found[what], wanted[what], rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize(("n", "count"), [(7, 1), (7, 2), (8, 3), (2, 4)])
def test_shares_cover_all_rows_in_order(n: int, count: int) -> None:
    shares = [Processes(device=CPU, rank=rank, count=count).share(n) for rank in range(count)]
    assert len({len(share) for share in shares}) == 1
    np.testing.assert_array_equal(np.concatenate(shares)[:n], np.arange(n))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["maps", "cubes"])
def test_no_process_waits_while_the_main_one_scores(kind: str, tmp_path: Path) -> None:
    """One that waits gives up after minutes, and its launcher ends the main one with it."""
    assert launch("tests.training.score_in_processes", str(tmp_path), kind) == [0, 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{kind}.left", f"{kind}.scored"]


@pytest.fixture
def not_launched(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("WORLD_SIZE", "ACCELERATE_MIXED_PRECISION"):
        monkeypatch.delenv(name, raising=False)
    return monkeypatch


def test_without_a_launcher_accelerate_is_not_imported(not_launched: pytest.MonkeyPatch) -> None:
    not_launched.setitem(sys.modules, "accelerate", None)
    assert not launched()
    processes = join("cpu")
    assert processes.main and processes.count == 1
    tensor = torch.ones(3)
    assert processes.total(tensor) is tensor


def test_a_launch_without_accelerate_says_what_to_install(
    not_launched: pytest.MonkeyPatch,
) -> None:
    real = builtins.__import__

    def refuse(name: str, *rest: Any, **more: Any) -> Any:
        if name.split(".")[0] == "accelerate":
            raise ImportError(name)
        return real(name, *rest, **more)

    not_launched.setenv("WORLD_SIZE", "2")
    not_launched.setattr(builtins, "__import__", refuse)
    with pytest.raises(UsageError, match=r"autospec-soil\[multi-gpu\]"):
        join("cpu")
