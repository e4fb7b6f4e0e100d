"""Ids that a spreadsheet or a browser would run come out of every command as plain text."""

from __future__ import annotations

import csv
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from autospec.cli import main
from tests.data.soil_tables import soil_table

CANARIES = ("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(1)", "\t=1", "<script>alert(1)</script>",
            '"><img src=x onerror=alert(1)>')  # fmt: skip


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    table = soil_table(n=30)
    for row, canary in zip(table.rows, CANARIES, strict=False):
        row[0] = canary
    return table.write(tmp_path / "farm.csv")


def command(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["autospec", *words])
    with suppress(SystemExit):
        main()


def test_a_plan_holds_no_formula(
    farm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "plan.csv"
    command(["plan", str(farm), "--n", "30", "-o", str(out)], monkeypatch)
    cells = [c for row in csv.reader(out.read_text("utf-8").splitlines()) for c in row]
    assert any(c == "'" + CANARIES[0] for c in cells)
    assert not [c for c in cells if c.lstrip().startswith(("=", "+", "@", "\t")) or c == "-2+3"]


def test_a_drawing_of_the_spectra_holds_no_tag_of_theirs(
    farm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.html"
    command(["check", str(farm), "--plot", str(page)], monkeypatch)
    text = page.read_text("utf-8")
    assert "<script>alert(1)" not in text and "<img src=x" not in text


def test_predictions_hold_no_formula(
    farm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from autospec.predict.bundle import save_model
    from tests.predict.made_scans import soil_bundle

    save_model(soil_bundle(), tmp_path / "model.safetensors")
    out = tmp_path / "out.csv"
    words = ["predict", str(tmp_path / "model.safetensors"), str(farm), "-o", str(out)]
    command(words, monkeypatch)
    cells = [row[0] for row in csv.reader(out.read_text("utf-8").splitlines())]
    assert any(c == "'" + CANARIES[0] for c in cells)
    assert not [c for c in cells if c.startswith(("=", "+", "-", "@", "\t"))]
