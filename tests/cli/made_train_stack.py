"""A folder with a stack and a network, and what ``autospec train --stack`` makes of options."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from autospec.cli import app
from autospec.data.cubes.stack_files import write_stack
from autospec.training import map_fit
from autospec.training.map_settings import MapSettings
from tests.training.made_stack import made_stack
from tests.training.test_map_fit import NET


def put_stack(folder: Path) -> Path:
    """Write a stack and a small network into a folder."""
    write_stack(folder / "days.npz", made_stack())
    (folder / "net.json").write_text(json.dumps({"sizes": asdict(NET)}), encoding="utf-8")
    return folder


def words(folder: Path, *more: object) -> list[str]:
    options = ("--stack", folder / "days.npz", "--preset", folder / "net.json", "--target", "wave")
    options = (*options, "--horizon", 1, "--length", 4, "--tile", 16)
    return [sys.executable, "-m", "autospec", "train", *map(str, (*options, *more))]


class Asked(Exception):
    """Raised in place of a training, with what it was asked for."""


def asked_for(
    monkeypatch: pytest.MonkeyPatch, folder: Path, *options: object, stack: str = "days.npz"
) -> MapSettings:
    """Return the settings that a command hands to its training."""

    def refuse(stack: Any, *, settings: Any, **rest: Any) -> None:
        raise Asked(settings)

    monkeypatch.setattr(map_fit, "train_map", refuse)
    out = folder / "never"
    said = ["train", "--stack", str(folder / stack), "-o", str(out), *map(str, options)]
    with pytest.raises(Asked) as caught:
        CliRunner().invoke(app, said, catch_exceptions=False)
    settings: MapSettings = caught.value.args[0]
    return settings
