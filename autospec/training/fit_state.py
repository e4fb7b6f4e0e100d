"""How far a training is, and its checkpoint: one safetensors file, never a pickle.

The header's document says how far; the tensors are weights, best weights and the optimiser's
moments. Nothing random is kept: every draw follows from seed, epoch and batch.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import safetensors
import torch
from pydantic import TypeAdapter, ValidationError
from safetensors.torch import save

from autospec.data.writing import cannot, write_bytes
from autospec.errors import OutputError, SettingsDiffer
from autospec.training.schedule import Plateau

CHECKPOINT_FILE = "checkpoint.safetensors"
MAX_CHECKPOINT = 16 * 1024**3
MAX_HEADER = 64 * 1024**2
AGAIN = "Delete it to begin anew, or copy it again from where it was made."
Tensors = dict[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochRecord:
    """One epoch: its last learning rate, the mean loss of its samples, the watched metric."""

    epoch: int
    learning_rate: float
    loss: float
    metric: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FitState:
    """How far a training is.

    Parameters
    ----------
    steps : int
        Optimiser steps really taken.
    best_epoch : int
        The epoch, from 1, of the lowest metric; 0 before the first, and where none was better than
        the weights to begin with, if these may be kept.
    best : float or None
        That metric.
    plateau : Plateau
        Of the schedule.
    scaler : dict of str to float
        The float16 scaler's numbers; empty without one.
    history : tuple of EpochRecord
        All epochs so far.
    """

    steps: int = 0
    best_epoch: int = 0
    best: float | None = None
    plateau: Plateau = field(default_factory=Plateau)
    scaler: dict[str, float] = field(default_factory=dict)
    history: tuple[EpochRecord, ...] = ()

    @property
    def epoch(self) -> int:
        """Epochs so far."""
        return len(self.history)

    @property
    def seconds(self) -> float:
        """Seconds they took."""
        return sum(record.seconds for record in self.history)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Document:
    """What a checkpoint's header says; `told` is what the training was told, by name."""

    state: FitState
    told: dict[str, Any]
    sha256: str


def write_checkpoint(
    path: Path, state: FitState, tensors: Mapping[str, torch.Tensor], told: Mapping[str, Any]
) -> None:
    """Write a checkpoint, whole or not at all.

    Parameters
    ----------
    path : Path
        A file that exists is replaced.
    state : FitState
        How far the training is.
    tensors : mapping of str to Tensor
        On any device.
    told : mapping of str to JSON values
        What has to be the same where the training is taken up again.

    Raises
    ------
    OutputError
        If it cannot be written; an earlier checkpoint is then still there.
    """
    on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    said = {"state": asdict(state), "told": dict(told)}
    document = said | {"sha256": _digest(said, on_cpu)}
    text = json.dumps(document, allow_nan=False, sort_keys=True)
    write_bytes(path, save(on_cpu, metadata={"document": text}))


def read_checkpoint(path: Path, told: Mapping[str, Any]) -> tuple[FitState, Tensors] | None:
    """Read a checkpoint and check all of it.

    Parameters
    ----------
    path : Path
        The file.
    told : mapping of str to JSON values
        What this training is told.

    Returns
    -------
    (FitState, dict of str to Tensor), or None
        On the CPU; None if there is no such file.

    Raises
    ------
    OutputError
        If it cannot be read, is cut short or was changed.
    SettingsDiffer
        If the training in it was told something else; names every difference.
    """
    if not path.exists():
        return None
    try:
        _refuse_huge(path)
        with safetensors.safe_open(path, framework="pt") as file:
            text = (file.metadata() or {}).get("document", "")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        # Strict JSON mode: lists become tuples, but "3" is no number.
        document = TypeAdapter(_Document).validate_json(text, strict=True)
    except OSError as error:
        raise OutputError(cannot("read", path, error)) from error
    except (safetensors.SafetensorError, ValidationError) as error:
        raise OutputError(
            f"{path}: no checkpoint of autospec, or a damaged one. {AGAIN}"
        ) from error
    said = {"state": asdict(document.state), "told": document.told}
    if _digest(said, tensors) != document.sha256:
        raise OutputError(f"{path}: what is in it was changed or damaged. {AGAIN}")
    _refuse_differences(path, document.told, json.loads(json.dumps(told)))
    return document.state, tensors


def _refuse_huge(path: Path) -> None:
    with path.open("rb") as stream:
        header = int.from_bytes(stream.read(8), "little")
    if path.stat().st_size > MAX_CHECKPOINT or header > MAX_HEADER:
        raise OutputError(f"{path}: too large for a checkpoint of autospec. {AGAIN}")


def _digest(said: Mapping[str, Any], tensors: Mapping[str, torch.Tensor]) -> str:
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _refuse_differences(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    found, wanted = dict(_flat(there)), dict(_flat(here))
    lines = [
        f"  {key}: there {found.get(key)!r}, here {wanted.get(key)!r}"
        for key in sorted(found.keys() | wanted.keys())
        if found.get(key) != wanted.get(key)
    ]
    if lines:
        raise SettingsDiffer(
            f"{path.parent} holds a training that was told something else:\n"
            + "\n".join(lines)
            + "\nUse the same settings to take it up again, or another --out to begin anew."
        )


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            yield from _flat({str(i): v for i, v in enumerate(value)}, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
