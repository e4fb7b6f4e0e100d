"""``autospec predict --x --y --picture``: coordinates go through, and the map stands beside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autospec.predict.bundle import dump_model
from autospec.predict.output import COLUMNS
from tests.cli.test_predict import run
from tests.data.instruments.made_scans import write_asd
from tests.data.soil_tables import AXIS, soil_reflectance
from tests.predict.made_scans import as_csv, scans, soil_bundle

PLACES = ("--x", "east", "--y", "north")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with model.safetensors and scans.csv, whose last rows lack a place."""
    (tmp_path / "model.safetensors").write_bytes(dump_model(soil_bundle()))
    table = scans()
    table["east"] = 500_000.125 + np.arange(12)
    table["north"] = [6_170_000.5] * 10 + [np.nan] * 2
    as_csv(table, tmp_path / "scans.csv")
    return tmp_path


def test_coordinates_go_through_to_the_predictions(place: Path) -> None:
    plain = run("predict", ".", "scans.csv", "-o", "plain.csv", cwd=place)
    done = run("predict", ".", "scans.csv", *PLACES, cwd=place)
    assert (plain.returncode, done.returncode) == (0, 0), done.stderr
    found = pd.read_csv(place / "scans-predictions.csv")
    assert list(found) == ["sample", "x", "y", *COLUMNS]
    assert found["x"].tolist() == (500_000.125 + np.arange(12)).tolist()
    assert found["y"].isna().tolist() == [False] * 10 + [True] * 2
    pd.testing.assert_frame_equal(
        found.drop(columns=["x", "y"]), pd.read_csv(place / "plain.csv"), check_exact=True
    )


def test_parquet_holds_the_same_places(place: Path) -> None:
    run("predict", ".", "scans.csv", *PLACES, "-o", "out.csv", cwd=place)
    run("predict", ".", "scans.csv", *PLACES, "-o", "out.parquet", cwd=place)
    names = ["x", "y"]
    pd.testing.assert_frame_equal(
        pd.read_csv(place / "out.csv")[names], pd.read_parquet(place / "out.parquet")[names]
    )


def test_the_picture_stands_beside_the_predictions_and_may_be_made_again(place: Path) -> None:
    for _ in range(2):
        done = run("predict", ".", "scans.csv", *PLACES, "--picture", cwd=place)
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "scans-predictions-map.html"
    page = (place / "scans-predictions-map.html").read_text(encoding="utf-8")
    assert "10 of 12 samples" in page
    assert "2 rows: each has no number for x or y" in page


def test_json_names_the_picture(place: Path) -> None:
    done = run("predict", ".", "scans.csv", *PLACES, "--picture", "--json", cwd=place)
    files = json.loads(done.stdout)["files"]
    assert files == ["scans-predictions.csv", "scans-predictions-map.html"]


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_stop_while_the_influence_is_measured_keeps_and_names_the_picture(
    form: tuple[str, ...], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*rest: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("autospec.predict.explain.explain", stop)
    words = (*PLACES, "--picture", "--explain", *form)
    done = run("predict", ".", "scans.csv", *words, cwd=place)
    assert done.returncode == 130
    assert done.stdout.count("scans-predictions-map.html") == 1


def test_another_page_is_never_written_over(place: Path) -> None:
    page = place / "scans-predictions-map.html"
    page.write_text("mine", encoding="utf-8")
    done = run("predict", ".", "scans.csv", *PLACES, "--picture", cwd=place)
    assert (done.returncode, page.read_text(encoding="utf-8")) == (74, "mine")
    assert not (place / "scans-predictions.csv").exists()


def test_where_nothing_can_be_drawn_the_predictions_stay(place: Path) -> None:
    table = pd.read_csv(place / "scans.csv").assign(north="somewhere")
    as_csv(table, place / "scans.csv")
    done = run("predict", ".", "scans.csv", *PLACES, "--picture", cwd=place)
    assert done.returncode == 65
    assert "there is nothing to draw" in done.stderr
    assert "The predictions are in scans-predictions.csv." in done.stderr
    assert len(pd.read_csv(place / "scans-predictions.csv")) == 12


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--x", "east"), "want --y too"),
        (("--y", "north"), "want --x too"),
        (("--picture",), "want --x and --y"),
    ],
)
def test_half_a_place_is_refused(words: tuple[str, ...], said: str, place: Path) -> None:
    done = run("predict", ".", "scans.csv", *words, cwd=place)
    assert (done.returncode, said in done.stderr) == (2, True)


def test_scans_of_an_instrument_have_no_columns(place: Path) -> None:
    axis = np.array(AXIS, dtype=np.float64)
    write_asd(place / "scans", "F1.asd", soil_reflectance(1, 7)[0], axis)
    done = run("predict", ".", "scans", *PLACES, cwd=place)
    assert (done.returncode, "scans of an instrument have none" in done.stderr) == (2, True)
