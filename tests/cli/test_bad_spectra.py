"""Bad spectra through the command line: one file a fault, exit 65, the row and what is wanted."""

from __future__ import annotations

import sys
from dataclasses import fields
from pathlib import Path

import pytest

from autospec.cli import main
from autospec.data.readers import ReadOptions
from tests.data.soil_tables import soil_table
from tests.data.test_reader_faults import FAULTS

FLAGS = {
    "target": "--target",
    "id_column": "--id",
    "group_column": "--group",
    "field_column": "--field",
    "quantity": "--quantity",
    "axis_unit": "--axis-unit",
    "target_unit": "--target-unit",
}


def flags(options: ReadOptions) -> list[str]:
    """Return the options as the command line has them."""
    given = ((f.name, getattr(options, f.name)) for f in fields(options) if f.name in FLAGS)
    return [word for name, value in given if value is not None for word in (FLAGS[name], value)]


def ended(words: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run a command here; anything but an exit is an error of the test."""
    monkeypatch.setattr(sys, "argv", ["autospec", *words])
    try:
        main()
    except SystemExit as end:
        return int(end.code or 0)
    return 0


@pytest.mark.parametrize("command", ["check", "search"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_ends_with_65_and_one_message(
    fault: str,
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spoil, options, words = FAULTS[fault]
    table = soil_table()
    spoil(table)
    path = table.write(tmp_path / "farm.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "1000")
    out = ["-o", str(tmp_path / "out")] if command == "search" else []
    assert ended([command, str(path), *flags(options), *out], monkeypatch) == 65
    told = capsys.readouterr()
    said = told.out + told.err
    assert "farm.csv" in said
    assert all(word in said for word in words), said
    assert "Traceback" not in said
    assert not (tmp_path / "out").exists()


MENDED: dict[str, tuple[float, str, str]] = {  # scale, encoding, what is said
    "percent": (100.0, "utf-8", "100"),
    "0 to 10,000": (10_000.0, "utf-8", "10000"),
    "byte order mark": (1.0, "utf-8-sig", "byte order mark"),
    "UTF-16": (1.0, "utf-16", "UTF-16"),
}


@pytest.mark.parametrize("kind", MENDED)
def test_what_can_be_mended_is_mended_and_said(
    kind: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scale, encoding, words = MENDED[kind]
    path = soil_table(scale=scale).write(tmp_path / "farm.csv")
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    monkeypatch.setenv("COLUMNS", "1000")
    assert ended(["check", str(path)], monkeypatch) == 0
    assert words in capsys.readouterr().out.replace(",", "")
