"""R4: where files may grow no further, one line says so, and the same command then goes on."""

from __future__ import annotations

import resource
import subprocess
import sys
from functools import partial
from pathlib import Path

import optuna
import pytest
from sqlalchemy.exc import OperationalError

from autospec.errors import OutputError
from autospec.search.storage import NO_ROOM, storage_errors
from tests.faults.crewed import ended_in
from tests.unmeasured import unmeasured

STUDY = """
[data]
site = "germany-rp"
[search]
trials = 12
folds = 2
members = 1
published = false
[search.space]
conv_blocks = [1, 2]
fc_blocks = [0, 1]
filters = [4, 8]
nodes = [8, 16]
max_epochs = 6
"""


def search(folder: Path, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    words = ["--study", folder / "study.toml", "--budget", "20m", "--out", folder / "run"]
    most = (limit or resource.RLIM_INFINITY,) * 2
    return subprocess.run(
        [sys.executable, "-m", "autospec", "search", *map(str, words)],
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        env=unmeasured(),
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, most),
    )


def empty_size(folder: Path) -> int:
    """Return the bytes of a database without a study."""
    optuna.storages.RDBStorage(f"sqlite:///{folder / 'empty.db'}")
    return (folder / "empty.db").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("full", ["study", "report"])
def test_a_full_disk_ends_in_one_line_and_loses_nothing(tmp_path: Path, full: str) -> None:
    """The report holds a script of some megabytes, far more than the study."""
    limit = empty_size(tmp_path) + 100_000 if full == "study" else 2_000_000
    stopped = search(tmp_path, limit)
    assert stopped.returncode == 74, stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert stopped.stderr.strip().splitlines()[-1].count("error") <= 1
    url = f"sqlite:///{tmp_path / 'run' / 'study.db'}"
    before = ended_in(optuna.load_study(study_name=None, storage=url).trials)
    assert before
    assert search(tmp_path).returncode == 0
    after = ended_in(optuna.load_study(study_name=None, storage=url).trials)
    assert {n: (t.state, t.values) for n, t in before.items()} == {
        n: (after[n].state, after[n].values) for n in before
    }


@pytest.mark.parametrize("words", NO_ROOM)
def test_a_full_disk_of_any_database_is_told_as_one(words: str) -> None:
    with pytest.raises(OutputError, match="the disk is full"), storage_errors(None):
        raise OperationalError("INSERT", None, Exception(words))
