"""The page of an influence: strongest parts in words, titles escaped, a table beside it."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from autospec.data.spectra import AxisUnit
from autospec.predict.explain import Influence
from autospec.report.influence_page import influence_figure, write_influence

CENTRES = np.array([500.0, 1400.0, 1900.0, 2200.0])
SIZE = np.array([0.1, 2.0, 3.0, 1.0])
FOUND = Influence(centres=CENTRES, mean=-SIZE, size=SIZE, low=SIZE / 2, high=SIZE * 2, rows=12)


def test_the_page_names_the_strongest_parts_and_escapes_the_title(tmp_path: Path) -> None:
    page, _ = write_influence(
        FOUND, tmp_path / "x.html", title="<script>alert(1)</script>", axis_unit="nm", unit="g/kg"
    )
    text = page.read_text()
    assert "1400, 1900, 2200 nm" in text
    assert "<script>alert(1)" not in text


def test_the_table_has_a_row_a_window(tmp_path: Path) -> None:
    _, table = write_influence(FOUND, tmp_path / "x.html", title="t", axis_unit="nm", unit="g/kg")
    with table.open() as stream:
        rows = list(csv.DictReader(stream))
    assert [float(r["centre"]) for r in rows] == CENTRES.tolist()
    assert [float(r["mean_change"]) for r in rows] == (-SIZE).tolist()


@pytest.mark.parametrize(("unit", "reversed_axis"), [("nm", None), ("cm-1", "reversed")])
def test_wavenumbers_run_from_right_to_left(unit: AxisUnit, reversed_axis: str | None) -> None:
    assert influence_figure(FOUND, unit, "g/kg").layout.xaxis.autorange == reversed_axis
