"""A file is old or new, never partial, and says what the system refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from autospec.data.writing import write_bytes, write_once, write_text
from autospec.errors import OutputError


def run_python(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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
