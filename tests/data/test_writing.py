"""A file is old or new, never partial, and says what the system refused."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from autospec.data.writing import (
    LEFT_OVER_S,
    TEMPORARY,
    sweep_left_overs,
    write_bytes,
    write_once,
    write_text,
)
from autospec.errors import OutputError
from tests.unmeasured import unmeasured


def run_python(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=unmeasured(),
    )


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((os, "fsync") if step == "fsync" else (Path, "replace")), fail)
    with pytest.raises(OutputError, match="disk is full: free some space"):
        write_text(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_file_size_limit_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from autospec.errors import OutputError\n"
        "from autospec.data.writing import write_bytes\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    write_bytes(Path(sys.argv[1]), b'x' * 100_000)\n"
        "except OutputError as error:\n    print(error)\n"
    )
    out, err = run_python(code, str(path)).communicate(timeout=30)
    assert "size limit is reached" in out, err
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_lone_surrogates_are_spelt_out(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "id \udcff")
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "id \\udcff"


def test_what_is_there_already_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.bin"
    write_once(path, b"one")
    before = path.stat().st_ino
    write_once(path, b"one")
    assert path.stat().st_ino == before
    write_once(path, b"two")
    assert path.read_bytes() == b"two"


def test_a_link_stays_and_what_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "kept").mkdir()
    real, link = tmp_path / "kept" / "real.txt", tmp_path / "link.txt"
    link.symlink_to(real)
    for text in ("new", "newer"):
        write_text(link, text)
        assert (link.is_symlink(), real.read_text(encoding="utf-8")) == (True, text)
    assert [p.name for p in real.parent.iterdir()] == ["real.txt"]


def test_only_old_temporary_files_of_that_name_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    token = "0123456789ab"
    old = f".out.csv.{token}{TEMPORARY}"
    others = (
        f".out.csv.{token[::-1]}{TEMPORARY}".replace("b", "c"),  # young
        f".my-out.csv.{token}{TEMPORARY}",
        f".out.csv.notes{TEMPORARY}",
        f"out.csv.{token}{TEMPORARY}",
        "out.csv",
    )
    long_ago = time.time() - LEFT_OVER_S - 1
    for name in (old, *others):
        (tmp_path / name).write_bytes(b"rows")
        os.utime(tmp_path / name, (long_ago, long_ago))
    os.utime(tmp_path / others[0])
    sweep_left_overs(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(others)


def test_a_file_in_the_way_of_a_folder_is_named_as_such(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for path in (tmp_path / "file" / "out.csv", tmp_path / "file" / "deep" / "out.csv"):
        with pytest.raises(OutputError, match="A part of the path is a file: choose another name"):
            write_bytes(path, b"ours")
