"""Hostile .npz files: refused by what they declare, and damage is an error, never a traceback."""

from __future__ import annotations

import resource
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from made_cubes import cube_arrays, made_cubes, npy, save, zipped

from autospec.data.cubes.cube_files import read_cubes, write_cubes
from autospec.data.cubes.npz import open_npz
from autospec.errors import DataError

MEBI = 2**20
MEASURE = """
import resource, sys
from autospec.data.cubes.cube_files import read_cubes
from autospec.errors import DataError
with open("/proc/self/clear_refs", "w") as f:
    f.write("5")
def status(key):
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) // 1024 for line in f if line.startswith(key))
before = status("VmRSS")
try:
    cubes = read_cubes(sys.argv[1])
    word = "read"
except DataError as error:
    word = str(error)
print(status("VmHWM") - before, word)
"""


def refusal(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_cubes(path)
    return str(caught.value)


def encrypted() -> bytes:
    """Return a zip whose first array says that it is encrypted."""
    content = bytearray(zipped({"values.npy": npy("(1,)", content=bytes(4))}))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def claiming(central: int) -> bytes:
    """Return a zip that claims a list of contents of that many bytes."""
    content = bytearray(zipped({"values.npy": npy("(1,)", content=bytes(4))}))
    end = content.index(b"PK\x05\x06")
    content[end + 12 : end + 16] = central.to_bytes(4, "little")
    return bytes(content)


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "text": (b"id,soc\n1,2\n", "not an .npz"),
    "a pickle": (b"\x80\x04\x95", "never opened"),
    "a bare array": (npy("(1,)", content=bytes(4)), "a single NumPy array"),
    "NetCDF": (b"CDF\x01", "name it .nc"),
    "a zip cut short": (zipped({"x.npy": npy("(1,)", content=bytes(4))})[:-30], "cut short"),
    "a zip of text": (zipped({"readme.txt": b"hi"}), "'readme.txt' is no array"),
    "a password": (encrypted(), "encrypted"),
    "bzip2": (zipped({"x.npy": npy("(0,)")}, zipfile.ZIP_BZIP2), "method 12"),
    "no header": (zipped({"x.npy": b"hello"}), "no readable NumPy header of plain numbers"),
    "a header without end": (
        zipped({"x.npy": b"\x93NUMPY\x02\x00" + b"\xff" * 20}),
        "no readable NumPy header of plain numbers",
    ),
    "nested brackets": (
        zipped({"x.npy": b"\x93NUMPY\x01\x00" + (9000).to_bytes(2, "little") + b"(" * 9000}),
        "no readable NumPy header of plain numbers",
    ),
    "a negative length": (
        zipped({"x.npy": npy("(-1,)")}),
        "no readable NumPy header of plain numbers",
    ),
    "objects": (zipped({"x.npy": npy("(1,)", "|O", b"\x80\x04N.")}), "never opened"),
    "records": (
        zipped({"x.npy": npy("(1,)", "i4,f4", bytes(8))}),
        "no readable NumPy header of plain numbers",
    ),
    "too short": (zipped({"x.npy": npy("(100,)", content=bytes(8))}), "its header declares"),
    "too long": (zipped({"x.npy": npy("(1,)", content=bytes(80))}), "its header declares"),
    "10 GB": (zipped({"values.npy": npy("(2500000000,)")}), "10,000,000,000 bytes of memory"),
    "many of 1 GB": (
        zipped({f"{k}.npy": npy("(500000000,)") for k in "abc"}),
        "its header declares",
    ),
    "beyond all numbers": (zipped({"x.npy": npy(f"({10**30}, {10**30})")}), "bytes of memory"),
    "empty texts": (zipped({"ids.npy": npy(f"({10**15},)", "<U0")}), "empty texts"),
    "a list of contents of 4 GB": (claiming(2**32 - 2), "cut short or damaged"),
    "too many arrays": (
        zipped({f"{k}.npy": npy("(0,)") for k in range(65)}),
        "65 arrays in the file",
    ),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_is_refused(kind: str, tmp_path: Path) -> None:
    content, word = HOSTILE[kind]
    assert word in refusal(tmp_path / "a.npz", content)


def test_an_array_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # zipfile's own, of the name
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            for _ in range(2):
                archive.writestr("x.npy", npy("(1,)", content=bytes(4)))
    with pytest.raises(DataError, match="'x' is there twice"):
        read_cubes(tmp_path / "a.npz")


@pytest.mark.parametrize("what", ["missing", "folder/missing", "nul\0"])
def test_a_path_to_nothing_is_refused(what: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no such file|not a file name"):
        read_cubes(tmp_path / f"{what}.npz")


def test_a_device_is_refused() -> None:
    with pytest.raises(DataError, match="a device or a pipe"):
        read_cubes("/dev/zero")


def measured(path: Path) -> tuple[int, str]:
    """Read a file in a process of its own: MiB that it took at the peak, and how it ended."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    taken, word = done.stdout.split(maxsplit=1)
    return int(taken), word


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("kind", ["10 GB", "a zip bomb", "a list of contents of 4 GB"])
def test_a_bomb_takes_no_memory(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    if kind == "a zip bomb":  # deflates to nearly nothing, and all of it is declared
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
            archive.open("values.npy", "w", force_zip64=True) as out,
        ):
            out.write(npy("(26214400, 20, 1, 1, 1)"))
            for _ in range(200):
                out.write(bytes(MEBI))
    else:
        path.write_bytes(HOSTILE[kind][0])
    taken, word = measured(path)
    assert "want" in word or "damaged" in word
    assert taken < 60


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux's /proc")
def test_a_large_file_takes_what_it_declares(tmp_path: Path) -> None:
    n, shape = 100, (4, 20, 20, 100)  # 64 MB of values
    arrays = cube_arrays() | {
        "values": np.zeros((n, *shape), dtype=np.float32),
        "channels": np.array(list("abcd")),
        "times": np.datetime64("2014-01-01") + np.arange(100),
        "ids": np.arange(n),
        **{key: np.linspace(1.0, 2.0, n) for key in ("x", "y", "target")},
    }
    np.savez_compressed(tmp_path / "large.npz", **arrays)
    declared = int(arrays["values"].size) * 5 // MEBI  # with a mark a cell
    taken, word = measured(tmp_path / "large.npz")
    assert word.strip() == "read"
    assert declared - 10 < taken < declared + 80


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("part", range(4))
def test_damage_is_an_error_or_changes_nothing(compressed: bool, part: int, tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    write_cubes(path, made_cubes())
    if compressed:
        np.savez_compressed(path, **cube_arrays())
    sound, digest = path.read_bytes(), made_cubes().digest
    rng = np.random.default_rng([part, compressed])
    outcomes = []
    for _ in range(50):
        damaged = bytearray(sound)
        if rng.random() < 0.3:
            del damaged[int(rng.integers(len(sound))) :]
        else:
            for at in rng.integers(len(sound), size=rng.integers(1, 4)).tolist():
                damaged[at] ^= int(rng.integers(1, 256))
        path.write_bytes(damaged)
        try:
            outcomes.append(read_cubes(path).digest)
        except DataError:
            outcomes.append("refused")
    assert set(outcomes) <= {"refused", digest}
    assert outcomes.count("refused") > 20


def test_the_content_is_read_under_its_checksum(tmp_path: Path) -> None:
    path = save(tmp_path / "a.npz", cube_arrays() | {"values": np.ones((24, 3, 3, 5, 40))})
    content = bytearray(path.read_bytes())
    content[content.index(b"channels.npy") - 100] ^= 1  # near the end of the values
    path.write_bytes(content)
    with open_npz(path) as npz, pytest.raises(DataError, match="key 'values': the content"):
        npz.read("values")


def test_nothing_is_read_by_the_pickle_module(tmp_path: Path) -> None:
    bomb = np.array([type("Bomb", (), {"__reduce__": lambda self: (resource.getpagesize, ())})()])
    path = save(tmp_path / "a.npz", cube_arrays() | {"ids": bomb})
    with pytest.raises(DataError, match="never opened"):
        read_cubes(path)
