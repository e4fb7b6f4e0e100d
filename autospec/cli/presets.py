"""The network that --preset names, by name or as a JSON file; how it learns is in `train_options`.

What a preset of maps may hold is in `autospec.training.map_preset`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autospec.data.writing import cannot
from autospec.errors import UsageError

if TYPE_CHECKING:
    from autospec.nets.cube_architecture import CubeArchitecture

MAX_PRESET_BYTES = 64 * 1024**2


def architecture(preset: str) -> CubeArchitecture:
    """Return the network of a name or a JSON file: an architecture, a run.json or a train.json.

    Raises
    ------
    UsageError
        If there is no such network.
    """
    from autospec.nets.architecture import ArchitectureError
    from autospec.nets.cube_architecture import cube_architecture_from_json
    from autospec.nets.small3d import SMALL3D

    if preset == "small3d":
        return SMALL3D
    data = preset_json(preset, "small3d")
    try:
        return cube_architecture_from_json(_inner(data))
    except ArchitectureError as error:
        raise UsageError(f"--preset {preset}: {error}") from error


def preset_json(preset: str, names: str) -> Any:  # noqa: ANN401 (parsed JSON)
    """Read a --preset that is none of `names`: a JSON file.

    Raises
    ------
    UsageError
        If it is no such file, or holds no JSON.
    """
    path = Path(preset)
    if path.suffix != ".json":
        raise UsageError(f"--preset {preset!r}: want {names}, or a file that ends with .json")
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_PRESET_BYTES + 1)
        if len(content) > MAX_PRESET_BYTES:
            raise UsageError(f"--preset {path}: too large for a network")
        return json.loads(content)
    except OSError as error:
        raise UsageError(cannot("read", path, error)) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"--preset {path}: no JSON: {error}") from error


def _inner(data: Any) -> Any:  # noqa: ANN401 (parsed JSON)
    """Return the architecture in a run.json or a train.json; anything else as it is."""
    for part in ("winner", "settings"):
        inner = data.get(part) if isinstance(data, dict) else None
        if isinstance(inner, dict) and "architecture" in inner:
            return inner["architecture"]
    return data
