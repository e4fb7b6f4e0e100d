"""HDF5 is opened by a child first: what crashes or hangs the library ends that child alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes import hdf5_probe
from autospec.data.cubes.hdf5_probe import check_survivable
from autospec.errors import DataError

h5py = pytest.importorskip("h5py")
pytest.importorskip("h5netcdf")


def written(path: Path, change: Callable[[Any], None] = lambda made: None, **how: Any) -> Path:
    with h5py.File(path, "w") as file:
        made = file.create_dataset("x", (4, 4), "f4", chunks=(2, 4), **how)
        made[:] = np.arange(16).reshape(4, 4)
        file["word"] = "text of any length"
        names = ["a", "b", "c", "d"]
        ids = file.create_dataset("ids", data=names, chunks=(1,), dtype=h5py.string_dtype())
        ids.make_scale("ids")
        for axis in (0, 1):
            made.dims[axis].attach_scale(ids)
        file["empty"] = h5py.Empty("f4")
        change(made)
    return path


def chunk(content: bytes, mask: int = 0) -> Callable[[Any], None]:
    """Put bytes in the place of a chunk of 32."""
    return lambda made: made.id.write_direct_chunk((0, 0), content, filter_mask=mask)


@pytest.mark.parametrize(
    "how",
    [{}, {"compression": "gzip", "shuffle": True, "fletcher32": True}, {"scaleoffset": 3}],
    ids=str,
)
def test_a_sound_file_passes(how: dict[str, Any], tmp_path: Path) -> None:
    check_survivable(written(tmp_path / "a.nc", **how))


@pytest.mark.parametrize(
    ("change", "how", "words"),
    [
        (chunk(b"x"), {"fletcher32": True}, "of 1 bytes is not packed; want 36"),
        (chunk(b"xy"), {"compression": 9, "fletcher32": True}, "too short to hold anything"),
        (chunk(b"x" * 5000), {"compression": 9}, "larger than what it unpacks to (32)"),
        (chunk(b"x" * 31, mask=1), {"compression": 9}, "is not packed; want 32"),
        (chunk(b"not deflated"), {"compression": 9}, "broken or half-written"),
    ],
)
def test_a_chunk_of_a_wrong_size_is_refused(
    change: Callable[[Any], None], how: dict[str, Any], words: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError) as caught:
        check_survivable(written(tmp_path / "a.nc", change, **how))
    assert words in str(caught.value)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.nc")
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match="broken or half-written"):
        check_survivable(path)


@pytest.mark.parametrize(
    ("end", "words"),
    [
        ("kill -SEGV $$", r"ends the HDF5 library \(SIGSEGV\)"),
        ("kill -ALRM $$", "keeps the HDF5 library busy without end"),
        ("exit 3", r"ends the HDF5 library \(3\)"),
        ("exit 0", r"ends the HDF5 library \(0\)"),
    ],
)
def test_a_child_that_dies_is_a_refusal(
    end: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text(f"#!/bin/sh\n{end}\n")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    with pytest.raises(DataError, match=words):
        check_survivable(tmp_path / "a.nc")


def test_a_child_that_never_ends_is_a_refusal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = tmp_path / "child"
    child.write_text("#!/bin/sh\nexec sleep 60\n")
    child.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(child))
    monkeypatch.setattr(hdf5_probe, "START_S", 0.5)
    with pytest.raises(DataError, match="busy without end"):
        check_survivable(tmp_path / "a.nc")
