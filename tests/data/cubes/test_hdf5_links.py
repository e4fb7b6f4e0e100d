"""An HDF5 file cannot read other files of the user: a canary beside it stays unread."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.cubes.grids import read_grid_cubes, read_grid_stack
from autospec.data.cubes.hdf5_links import check_contained
from autospec.errors import DataError
from tests.data.cubes.made_grids import H, T, W, grid, write

h5py = pytest.importorskip("h5py")
CANARY = 4711.0


@pytest.fixture
def canary(tmp_path: Path) -> Path:
    """A secret of the user, as raw bytes and as HDF5."""
    np.full((T, H, W), CANARY).tofile(tmp_path / "secret.bin")
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["secret"] = np.full((T, H, W), CANARY)
    return tmp_path


def external(file: Any, folder: Path) -> None:
    file.create_dataset(
        "stolen", (T, H, W), "f8", external=[(str(folder / "secret.bin"), 0, h5py.h5f.UNLIMITED)]
    )


def virtual(file: Any, folder: Path) -> None:
    layout = h5py.VirtualLayout((T, H, W), "f8")
    layout[:] = h5py.VirtualSource(str(folder / "secret.h5"), "secret", (T, H, W))
    file.create_virtual_dataset("stolen", layout)


def linked(file: Any, folder: Path) -> None:
    file["stolen"] = h5py.ExternalLink(str(folder / "secret.h5"), "/secret")


def linked_softly(file: Any, folder: Path) -> None:
    file["deep/out"] = h5py.ExternalLink(str(folder / "secret.h5"), "/")
    file["stolen"] = h5py.SoftLink("/deep/out/secret")


@pytest.mark.parametrize("read", [read_grid_stack, read_grid_cubes])
@pytest.mark.parametrize("plant", [external, virtual, linked, linked_softly])
def test_what_leaves_the_file_is_refused(
    canary: Path, plant: Callable[[Any, Path], None], read: Callable[[Path], Any]
) -> None:
    path = write(grid(), canary / "a.nc")
    with h5py.File(path, "a") as file:
        plant(file, canary)
        for axis, name in enumerate(("time", "y", "x")):
            if plant in (external, virtual):
                file["stolen"].dims[axis].attach_scale(file[name])
    with pytest.raises(DataError, match="never followed"):
        read(path)


def test_links_within_the_file_and_circles_are_let_be(tmp_path: Path) -> None:
    path = write(grid(), tmp_path / "a.nc")
    with h5py.File(path, "a") as file:
        file["group/again"] = file["ndvi"]
        file["group/above"] = file["/"]
        file["soft"] = h5py.SoftLink("/group")
    check_contained(path)
