"""Workers as a user meets them: real processes, one study, one report, and no password anywhere."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import optuna
import pytest

import autospec
from autospec.cli.local_workers import RESTARTS, LocalWorkers
from autospec.search.claims import worker_of
from autospec.search.trials import is_finished, state_of
from tests.cli.test_cli import SMALL_STUDY, autospec_command, environment
from tests.data.soil_tables import soil_table
from tests.postgres import Server, programs

SECRET = "hunter2-not-to-be-seen"


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "small.toml"
    path.write_text(SMALL_STUDY.replace("trials = 4", "trials = 6"), encoding="utf-8")
    return path


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shared.db'}"
    server: Server = request.getfixturevalue("postgres")
    return server.url


@pytest.fixture
def name() -> str:
    return f"s-{uuid.uuid4().hex[:12]}"


def start(*words: object, cwd: Path | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "autospec", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=environment(),
    )


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def counted(storage: str, name: str) -> list[optuna.trial.FrozenTrial]:
    study = optuna.load_study(study_name=name, storage=storage)
    try:
        return [t for t in study.trials if is_finished(t) and state_of(t) != "infeasible"]
    finally:
        study._storage.remove_session()
        study._storage._backend.engine.dispose()  # type: ignore[attr-defined]


@pytest.mark.slow
def test_the_same_command_and_a_worker_make_one_study_and_one_report(
    study_file: Path, storage: str, name: str, tmp_path: Path
) -> None:
    words = ("search", "--study", study_file, "--name", name, "--storage", storage)
    workers = [
        start(*words, "--out", tmp_path / "a"),
        start(*words, "--out", tmp_path / "b"),
        start("worker", name, "--storage", storage, "--wait", "2m", "--out", tmp_path / "c"),
    ]
    ends = [ended(worker) for worker in workers]
    assert [code for code, _ in ends] == [0, 0, 0], ends
    reports = [f for f in ("a", "b", "c") if (tmp_path / f / "report.html").exists()]
    assert len(reports) == 1, ends
    result = autospec.load_result(tmp_path / reports[0])
    assert (result.name, len(result.trials)) == (name, 6)
    trials = counted(storage, name)
    assert len(trials) == 6
    assert None not in {worker_of(t) for t in trials}
    again = autospec_command(*words, "--out", tmp_path / "d")
    assert again.returncode == 0
    assert "made by another worker" in again.stderr


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    return soil_table(n=40, axis=tuple(range(400, 1400, 10))).write(tmp_path / "farm.csv")


def begin_on_farm(farm: Path, study_file: Path, tmp_path: Path) -> str:
    """Run a study on a file to its end; return its storage."""
    storage = f"sqlite:///{tmp_path / 'shared.db'}"
    done = autospec_command(
        "search", "farm.csv", "--target", "soc", "--study", study_file, "--trials", 2,
        "--storage", storage, "--out", "first", cwd=farm.parent,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return storage


@pytest.mark.slow
def test_a_report_whose_folder_is_gone_is_made_again_by_the_same_command(
    farm: Path, study_file: Path, tmp_path: Path
) -> None:
    storage = begin_on_farm(farm, study_file, tmp_path)
    shutil.rmtree(tmp_path / "first")
    with closing(sqlite3.connect(tmp_path / "shared.db")) as database, database:
        database.execute("UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00'")
    begin_on_farm(farm, study_file, tmp_path)
    assert (tmp_path / "first" / "report.html").exists()
    result = autospec.load_result(tmp_path / "first")
    assert any("opened once before" in note for note in result.notes)
    assert len(counted(storage, "farm")) == 2


@pytest.mark.slow
def test_a_worker_reads_the_same_file_elsewhere_and_refuses_another(
    farm: Path, study_file: Path, tmp_path: Path
) -> None:
    storage = begin_on_farm(farm, study_file, tmp_path)
    moved = tmp_path / "elsewhere" / "other-name.csv"
    moved.parent.mkdir()
    farm.rename(moved)
    words = ("worker", "farm", "--storage", storage, "--out", tmp_path / "out")
    gone = autospec_command(*words)
    assert (gone.returncode, "--data" in gone.stderr) == (65, True), gone.stderr
    found = autospec_command(*words, "--data", moved)
    assert found.returncode == 0, found.stderr
    assert "made by another worker" in found.stderr  # it was the same study, to the digest
    moved.write_text(moved.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    changed = autospec_command(*words, "--data", moved)
    assert (changed.returncode, "sha256" in changed.stderr) == (65, True), changed.stderr
    near = autospec_command("worker", "fram", "--storage", storage)
    assert (near.returncode, "Did you mean 'farm'?" in near.stderr) == (2, True), near.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["search", "--site", "sweden", "--workers", 5], "SQLite serves up to 4"),
        (["search", "--site", "sweden", "--workers", 2, "--trials-per-device", 2], "--workers 2"),
        (["search", "--site", "sweden", "--storage", "sqlite://"], "in memory"),
        (["search", "--site", "sweden", "--name", "../up"], "no name of a study"),
        (["worker", "../up", "--storage", "sqlite:///x.db"], "no name of a study"),
        (["worker", "sweden", "--storage", "sqlite:///x.db"], "autospec search ... --storage"),
    ],
)
def test_what_cannot_be_is_refused_with_the_next_step(
    words: list[object], said: str, tmp_path: Path
) -> None:
    done = autospec_command(*words, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (2, True), done.stderr
    assert not (tmp_path / "runs").exists()


def children_of(parent: int) -> list[int]:
    listed = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return [int(word) for word in listed.stdout.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_until(true: Callable[[], bool], seconds: float = 120.0) -> bool:
    until = time.monotonic() + seconds
    while not true():
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def long_study(tmp_path: Path) -> Path:
    path = tmp_path / "long.toml"
    path.write_text(SMALL_STUDY.replace("trials = 4", "trials = 400"), encoding="utf-8")
    return path


@pytest.fixture
def parent(long_study: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A search with two workers that has finished some trials."""
    out = tmp_path / "out"
    process = start("search", "--study", long_study, "--workers", 2, "--out", out)

    def begun() -> bool:
        said = autospec_command("status", out).stdout
        return " 0 of 400" not in said and "of 400 trials" in said and " 0 complete" not in said

    assert wait_until(begun), process.poll()
    yield process
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_ctrl_c_reaches_all_workers_and_ends_in_a_report(
    parent: subprocess.Popen[str], tmp_path: Path
) -> None:
    workers = children_of(parent.pid)
    assert len(workers) == 2
    arguments = [Path(f"/proc/{pid}/cmdline").read_text() for pid in workers]
    assert all("--no-report" in words for words in arguments)
    parent.send_signal(signal.SIGINT)
    code, said = ended(parent)
    assert code == 130, said
    assert (tmp_path / "out" / "report.html").exists()
    result = autospec.load_result(tmp_path / "out")
    assert result.stopped == "interrupt"
    assert not [pid for pid in workers if alive(pid)]
    study = f"sqlite:///{tmp_path / 'out' / 'study.db'}"
    assert len(counted(study, result.name)) == len(
        [t for t in result.trials if t.state != "infeasible"]
    )


@pytest.mark.slow
def test_workers_do_not_outlive_a_killed_parent(parent: subprocess.Popen[str]) -> None:
    workers = children_of(parent.pid)
    assert len(workers) == 2
    os.kill(parent.pid, signal.SIGKILL)
    assert wait_until(lambda: not any(alive(pid) for pid in workers), 60.0)


def python(code: str) -> Callable[[], list[str]]:
    return lambda: [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("code", "starts"),
    [
        ("", 1),
        ("import sys; sys.exit(65)", 1),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", 1 + RESTARTS),
    ],
    ids=["done", "refused", "killed"],
)
def test_a_worker_that_dies_is_started_again_but_not_without_end(
    code: str, starts: int, tmp_path: Path
) -> None:
    said: list[str] = []
    count = f"open({str(tmp_path / 'starts')!r}, 'a').write('x')\n"
    with LocalWorkers(python(count + code), 1, tmp_path, 1, said.append) as workers:
        assert wait_until(lambda: not workers.any_left())
    assert len((tmp_path / "starts").read_text()) == starts
    assert len(said) == (0 if code == "" else starts)


def test_no_worker_is_left_when_the_block_ends(tmp_path: Path) -> None:
    with LocalWorkers(python("import time; time.sleep(600)"), 2, tmp_path, 1, print) as workers:
        pids = [worker.process.pid for worker in workers.workers]
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


@pytest.mark.parametrize(
    "address",
    [f"autospec:{SECRET}@127.0.0.1:1/studies", f"autospec@127.0.0.1:1/x?password={SECRET}"],
)
@pytest.mark.parametrize(
    "words", [["search", "--site", "sweden"], ["worker", "sweden"], ["status", "sweden"]]
)
def test_a_password_in_an_address_is_refused_and_stands_nowhere(
    words: list[str], address: str, tmp_path: Path
) -> None:
    done = autospec_command(*words, "--storage", f"postgresql+psycopg://{address}", cwd=tmp_path)
    assert done.returncode == 2
    assert "pgpass" in done.stderr
    assert SECRET not in done.stdout + done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def strict_server() -> Iterator[Server]:
    """A server that wants a password."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server")
    server = Server(folder)
    (server.folder / "data" / "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
    server.restart()
    yield server
    server.remove()


def holding(folder: Path, text: str) -> list[Path]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return [path for path in files if text.encode() in path.read_bytes()]


@pytest.mark.slow
def test_a_wrong_password_and_a_server_that_is_down_name_no_password(
    strict_server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", SECRET)
    words = ("search", "--site", "germany-rp", "--workers", 2, "--storage", strict_server.url)
    wrong = autospec_command(*words, cwd=tmp_path)
    strict_server.stop()
    down = autospec_command(*words, cwd=tmp_path)
    for done in (wrong, down):
        assert done.returncode == 69, done.stderr
        assert "Traceback" not in done.stderr
        assert SECRET not in done.stdout + done.stderr
    assert holding(tmp_path, SECRET) == []
