"""Files of many blocks: order, bad rows in place, any number of workers, nothing half-written."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autospec.data.batches import open_batches
from autospec.data.writing import TEMPORARY
from autospec.errors import DataError
from autospec.predict.bundle import dump_model
from autospec.predict.predictions import BundleRunner, open_runner
from autospec.predict.streaming import (
    Progress,
    Summary,
    check_source,
    first_rows,
    predict_source,
    silent,
    spectra_source,
    table_source,
)
from tests.predict.made_scans import as_csv, scans, soil_bundle, soil_spectra

ROWS, BLOCK = 103, 10
LOST = (0, 9, 10, 41, 102)


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Scans of which some have an empty cell, at the ends of blocks and within them."""
    made = scans(ROWS)
    made.iloc[list(LOST), 4] = np.nan
    return as_csv(made, tmp_path / "scans.csv")


def runner(workers: int = 2) -> BundleRunner:
    return replace(open_runner(soil_bundle(), level=0.9), workers=workers)


def stream(
    table: Path, out: Path, *, workers: int = 2, told: list[Progress] | None = None
) -> Summary:
    ours = runner(workers)
    with open_batches(table, block_rows=BLOCK) as batches:
        source = table_source(batches)
        onto = check_source(ours.bundle, source, table.name)
        tell = silent if told is None else told.append
        return predict_source(ours, source, onto, out, progress=tell)


def test_rows_stand_in_the_order_of_the_file_and_bad_ones_in_their_place(
    table: Path, tmp_path: Path
) -> None:
    summary = stream(table, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["sample"].tolist() == [f"N-{i}" for i in range(ROWS)]
    assert found["row"].tolist() == list(range(2, ROWS + 2))
    assert found.index[found["prediction"].isna()].tolist() == list(LOST)
    assert found.loc[list(LOST), "reason"].str.startswith("not predicted: ").all()
    assert (summary.rows, summary.predicted) == (ROWS, ROWS - len(LOST))
    assert [row.id for row in summary.bad] == [f"N-{i}" for i in LOST]
    assert summary.mean == pytest.approx(found["prediction"].mean(), rel=1e-12)
    assert summary.outside == (found["in_domain"] == "no").sum()


@pytest.mark.parametrize("workers", [1, 3, 8])
def test_the_file_does_not_depend_on_the_number_of_workers(
    workers: int, table: Path, tmp_path: Path
) -> None:
    for name, count in (("two.csv", 2), ("other.csv", workers)):
        stream(table, tmp_path / name, workers=count)
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "other.csv").read_bytes()


def test_progress_counts_every_row(table: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    stream(table, tmp_path / "out.csv", told=told)
    rows = [progress.rows for progress in told]
    assert rows == sorted(rows)
    assert rows[-1] == ROWS
    assert told[-1].eta_s is None  # text does not say how many rows it has


def test_the_time_to_go_follows_the_pace_so_far() -> None:
    assert Progress(rows=25, total=100, seconds=10.0).eta_s == pytest.approx(30.0)
    assert Progress(rows=0, total=100, seconds=10.0).eta_s is None


def test_a_file_of_nothing_replaces_no_other(table: Path, tmp_path: Path) -> None:
    stream(table, out := tmp_path / "out.csv")
    before = out.read_bytes()
    ours = runner()
    flat = soil_spectra(5)
    source = spectra_source(replace(flat, values=np.full_like(flat.values, 1e9)))
    with pytest.raises(DataError, match="none of 5 rows can be predicted"):
        predict_source(ours, source, check_source(ours.bundle, source, "made"), out)
    assert out.read_bytes() == before
    assert not list(tmp_path.glob(f".*{TEMPORARY}"))


def test_a_callback_that_raises_leaves_nothing_behind(table: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        raise KeyboardInterrupt

    ours = runner()
    with open_batches(table, block_rows=BLOCK) as batches:
        source = table_source(batches)
        onto = check_source(ours.bundle, source, table.name)
        with pytest.raises(KeyboardInterrupt):
            predict_source(ours, source, onto, tmp_path / "out.csv", progress=stop)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["scans.csv"]


def test_the_first_rows_are_those_of_the_first_block_that_has_any(tmp_path: Path) -> None:
    made = scans(25)
    made.iloc[:BLOCK, 4] = np.nan
    ours = runner()
    with open_batches(as_csv(made, tmp_path / "scans.csv"), block_rows=BLOCK) as batches:
        source = table_source(batches)
        found = first_rows(source, check_source(ours.bundle, source, "scans.csv"))
    np.testing.assert_array_equal(found, made.to_numpy()[BLOCK : 2 * BLOCK, 1:].astype(float))


def test_scans_left_out_stand_behind_the_others(tmp_path: Path) -> None:
    ours, made = runner(), soil_spectra(5)
    source = spectra_source(made, (("a.asd", "cut off"), ("b.asd", "empty")))
    onto = check_source(ours.bundle, source, "made")
    summary = predict_source(ours, source, onto, tmp_path / "out.csv")
    found = pd.read_csv(tmp_path / "out.csv")
    assert found["id"].tolist() == [*made.ids, "a.asd", "b.asd"]
    assert found["row"].tolist() == list(range(1, 8))
    assert found["reason"].tolist()[5:] == ["not predicted: cut off", "not predicted: empty"]
    assert (source.n_rows, summary.rows, summary.predicted) == (7, 7, 5)
    assert [(row.row_number, row.id) for row in summary.bad] == [(6, "a.asd"), (7, "b.asd")]


@pytest.mark.slow
def test_ctrl_c_leaves_no_file_half_written(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(dump_model(soil_bundle()))
    few = scans(5000)
    pd.concat([few] * 40).to_parquet(tmp_path / "scans.parquet", index=False)
    command = [sys.executable, "-m", "autospec", "predict", ".", "scans.parquet", "-o", "out.csv"]
    child = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": ""},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    while not list(tmp_path.glob(f".*{TEMPORARY}")) and child.poll() is None:
        pass
    child.send_signal(signal.SIGINT)
    _, said = child.communicate(timeout=120)
    assert child.returncode == 130, said
    assert "out.csv was not written" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.safetensors", "scans.parquet"]
