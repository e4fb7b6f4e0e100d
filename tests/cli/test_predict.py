"""``autospec predict`` and ``autospec export`` as a user meets them: files in, files out."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import autospec
from autospec.cli import main
from autospec.data.preprocess import to_absorbance
from autospec.predict.bundle import dump_model, pack
from autospec.predict.document_text import parse_document, write_document
from autospec.predict.output import COLUMNS
from tests.data.instruments.made_scans import write_asd
from tests.data.soil_tables import AXIS, soil_reflectance
from tests.predict.made_scans import as_csv, frame, scans, soil_bundle


@dataclass
class Done:
    """What a command left behind."""

    returncode: object
    stdout: str
    stderr: str


def run(*words: object, cwd: Path) -> Done:
    """Run the command as its process would, in this one: a start costs seconds."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setenv("COLUMNS", "200")
        patch.setattr(sys, "argv", ["autospec", *map(str, words)])
        patch.chdir(cwd)
        try:
            main()
        except SystemExit as stop:
            code = stop.code or 0
    return Done(code, out.getvalue(), err.getvalue())


def process(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autospec", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with model.safetensors and scans.csv."""
    (tmp_path / "model.safetensors").write_bytes(dump_model(soil_bundle()))
    as_csv(scans(), tmp_path / "scans.csv")
    return tmp_path


def predicted(place: Path, *words: object) -> pd.DataFrame:
    done = run("predict", "model.safetensors", *words, "-o", "out.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    return pd.read_csv(place / "out.csv", keep_default_na=False, na_values={"prediction": ""})


def test_the_columns_hold_what_the_python_interface_says(place: Path) -> None:
    table = predicted(place, "scans.csv")
    assert list(table) == ["sample", *COLUMNS]
    options = autospec.ReadOptions(need_target=False)
    spectra = autospec.read_spectra(place / "scans.csv", options)
    model = autospec.load_model(place / "model.safetensors")
    found = autospec.predict(model, spectra, level=0.9)
    assert tuple(table["sample"]) == found.ids
    columns = ("prediction", "lower", "upper", "Q", "T2", "nearest_distance")
    wanted = (found.predicted, found.lower, found.upper, found.q, found.t2, found.nearest)
    np.testing.assert_array_equal(table[list(columns)].astype(float), np.stack(wanted, axis=1))
    assert [cell == "yes" for cell in table["in_domain"]] == found.in_domain.tolist()
    assert set(table["unit"]) == {"g/kg"}
    assert set(table["level"]) == {0.9}
    assert table["row"].tolist() == list(range(2, 14))


def test_a_run_folder_stands_for_its_model_and_the_output_has_a_usual_name(place: Path) -> None:
    done = run("predict", ".", "scans.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "scans-predictions.csv"
    assert len(pd.read_csv(place / "scans-predictions.csv")) == 12
    assert "12" in done.stdout
    assert "soc in g/kg" in done.stderr
    assert "the model's own bands" in done.stderr


def test_json_says_what_became_of_the_rows(place: Path) -> None:
    table = scans()
    table.iloc[3, 5] = np.nan
    as_csv(table, place / "scans.csv")
    done = run("predict", ".", "scans.csv", "--json", cwd=place)
    said = json.loads(done.stdout)
    assert (said["rows"], said["predicted"], said["not_predicted"]) == (12, 11, 1)
    assert said["bad_rows"][0]["row"] == 5
    assert said["bad_rows"][0]["id"] == "N-3"
    assert said["files"] == ["scans-predictions.csv"]


def test_bad_rows_keep_their_place_and_cost_no_other_row(place: Path) -> None:
    good = predicted(place, "scans.csv")
    table = scans().astype(object)
    table.iloc[3, 5] = None
    table.iloc[7, 9] = "wet"
    as_csv(table, place / "scans.csv")
    found = predicted(place, "scans.csv")
    lost = [3, 7]
    assert found["prediction"].isna().tolist() == [i in lost for i in range(12)]
    assert found.loc[3, "reason"].startswith("not predicted: ")
    assert "390" in found.loc[3, "reason"]
    assert "wet" in found.loc[7, "reason"]
    rest = [i for i in range(12) if i not in lost]
    # BLAS sums a block of 10 rows and one of 12 in another order
    np.testing.assert_allclose(found["prediction"][rest], good["prediction"][rest], rtol=1e-9)
    done = run("predict", ".", "scans.csv", cwd=place)
    assert done.returncode == 0
    assert "not predicted: row 5 (id N-3)" in done.stdout


FRACTIONS = np.round(soil_reflectance(12, 7), 6)


def shifted() -> pd.DataFrame:
    whole = np.arange(343.0, 2500.0, 5.0)
    values = soil_reflectance(12, 7, tuple(whole))  # type: ignore[arg-type]
    return frame(values, whole)


SAME_SOILS: dict[str, tuple[Callable[[], pd.DataFrame], str, float]] = {
    "shifted grid": (shifted, "bands outside dropped", 0.05),
    "percent": (lambda: frame(100 * FRACTIONS, AXIS), "percent", 1e-9),
    "absorbance": (
        lambda: frame(to_absorbance(FRACTIONS), AXIS),
        "absorbance turned into reflectance",
        1e-6,
    ),
}


@pytest.mark.parametrize("kind", SAME_SOILS)
def test_other_bands_and_quantities_are_converted_and_stated(kind: str, place: Path) -> None:
    make, words, tolerance = SAME_SOILS[kind]
    plain = predicted(place, "scans.csv")
    as_csv(make(), place / "other.csv")
    done = run("predict", ".", "other.csv", "--json", "-o", "other-out.csv", cwd=place)
    assert done.returncode == 0, done.stderr
    assert words in done.stderr
    assert any(words in note for note in json.loads(done.stdout)["notes"])
    found = pd.read_csv(place / "other-out.csv")
    # tolerance: averages of two shifted bands are not one band; log10 there and back
    np.testing.assert_allclose(found["prediction"], plain["prediction"], rtol=tolerance)


def test_wavenumbers_are_turned_into_the_models_wavelengths(place: Path) -> None:
    bundle, first = soil_bundle(70), FRACTIONS[:, 70:]  # bands above 15 000 cm-1 are no headers
    (place / "model.safetensors").write_bytes(dump_model(bundle))
    as_csv(frame(first[:, ::-1], 1e7 / np.array(AXIS[:69:-1], dtype=float)), place / "wn.csv")
    done = run("predict", ".", "wn.csv", "--axis-unit", "cm-1", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "cm-1 turned into nm" in done.stderr
    found = pd.read_csv(place / "wn-predictions.csv")
    plain = predicted(place, "scans.csv")
    # tolerance: headers of ten digits are the same band to 1e-6 nm, or are resampled
    np.testing.assert_allclose(found["prediction"], plain["prediction"], rtol=1e-6)


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("scans.csv", b"0" * 50_000_000)
    return stream.getvalue()


def newer() -> bytes:
    text, tensors = write_document(soil_bundle())
    return pack(json.dumps(parse_document(text) | {"schema_version": 99}), tensors)


def flipped() -> bytes:
    content = bytearray(dump_model(soil_bundle()))
    content[-100] ^= 1
    return bytes(content)


def text_of(table: pd.DataFrame) -> bytes:
    return bytes(table.to_csv(index=False), "utf-8")


BAD_FILES: dict[str, tuple[str, Callable[[], bytes], tuple[str, ...]]] = {
    "partial grid": (
        "scans.csv",
        lambda: text_of(frame(FRACTIONS[:, :70], AXIS[:70])),
        ("scans.csv: ", "350 to 1040 nm", "350 to 2490 nm"),
    ),
    "empty file": ("scans.csv", lambda: b"", ("scans.csv: ", "empty")),
    "no rows": ("scans.csv", lambda: text_of(scans().head(0)), ("scans.csv: ", "no rows")),
    "no good row": (
        "scans.csv",
        lambda: text_of(scans(3).assign(**{"400": np.nan})),
        ("none of 3 rows", "400"),
    ),
    "zip bomb as file": ("scans.csv", bomb, ("scans.csv: ",)),
    "zip bomb as model": ("model.safetensors", bomb, ("model.safetensors: ", "zip archive")),
    "newer model": ("model.safetensors", newer, ("newer autospec", "pip install -U")),
    "flipped model": ("model.safetensors", flipped, ("model.safetensors: ", "changed")),
    "cut model": (
        "model.safetensors",
        lambda: dump_model(soil_bundle())[:-50],
        ("model.safetensors: ", "cut short"),
    ),
}


@pytest.mark.parametrize("kind", BAD_FILES)
def test_what_cannot_be_predicted_ends_in_one_message(kind: str, place: Path) -> None:
    name, content, words = BAD_FILES[kind]
    (place / name).write_bytes(content())
    done = run("predict", "model.safetensors", "scans.csv", cwd=place)
    assert done.returncode == 65, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(p.name for p in place.iterdir()) == ["model.safetensors", "scans.csv"]


def test_a_level_that_thirty_rows_do_not_support_is_refused(place: Path) -> None:
    done = run("predict", ".", "scans.csv", "--level", "0.99", cwd=place)
    assert done.returncode == 2
    assert "at least 99 calibration rows" in done.stderr
    assert "this model has 30" in done.stderr


def test_another_file_is_never_written_over_but_older_predictions_are(place: Path) -> None:
    (place / "mine.csv").write_text("my,notes\n1,2\n", encoding="utf-8")
    done = run("predict", ".", "scans.csv", "-o", "mine.csv", cwd=place)
    assert done.returncode == 74
    assert "left as it is" in done.stderr
    assert (place / "mine.csv").read_text(encoding="utf-8") == "my,notes\n1,2\n"
    for name in ("out.csv", "out.parquet"):
        first, again = (run("predict", ".", "scans.csv", "-o", name, cwd=place) for _ in "12")
        assert (first.returncode, again.returncode) == (0, 0)


@pytest.mark.parametrize("name", ["out.txt", "out"])
def test_a_name_of_another_kind_is_refused(name: str, place: Path) -> None:
    done = run("predict", ".", "scans.csv", "-o", name, cwd=place)
    assert done.returncode == 2
    assert ".csv or .parquet" in done.stderr


def test_a_folder_without_a_model_says_what_it_wants(tmp_path: Path) -> None:
    done = run("predict", ".", "scans.csv", cwd=tmp_path)
    assert done.returncode == 65
    assert "there is no model.safetensors" in done.stderr


def test_parquet_in_and_out_says_the_same_as_csv(place: Path) -> None:
    plain = predicted(place, "scans.csv")
    scans().to_parquet(place / "scans.parquet", index=False)
    done = run("predict", ".", "scans.parquet", "-o", "out.parquet", cwd=place)
    assert done.returncode == 0, done.stderr
    found = pd.read_parquet(place / "out.parquet")
    np.testing.assert_array_equal(found["prediction"], plain["prediction"])
    assert list(found) == list(plain)


def test_an_id_that_a_spreadsheet_would_run_is_escaped(place: Path) -> None:
    table = scans()
    table.loc[0, "sample"] = '=HYPERLINK("x"),1'
    as_csv(table, place / "scans.csv")
    found = predicted(place, "scans.csv")
    assert found.loc[0, "sample"] == "'" + table.loc[0, "sample"]


def test_explain_writes_a_page_and_a_table(place: Path) -> None:
    done = run("predict", ".", "scans.csv", "--explain", cwd=place)
    assert done.returncode == 0, done.stderr
    assert "Which bands" in (place / "scans-predictions-influence.html").read_text(encoding="utf-8")
    table = pd.read_csv(place / "scans-predictions-influence.csv")
    assert table["mean_absolute_change"].max() > 0
    assert "scans-predictions-influence.html" in done.stdout


def test_a_stop_while_the_influence_is_measured_keeps_the_predictions(place: Path) -> None:
    def stop(*rest: object) -> None:
        raise KeyboardInterrupt

    for words, said in (((), "intervals made to hold"), (("--json",), '"predicted": 12')):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("autospec.predict.explain.explain", stop)
            done = run("predict", ".", "scans.csv", "--explain", *words, cwd=place)
        assert done.returncode == 130
        assert done.stdout.count(said) == 1
        assert "measuring the influence of 48 parts" in done.stderr
        assert "The predictions are in scans-predictions.csv; the influence was not" in done.stderr
        assert "influence" not in done.stdout
    assert len(pd.read_csv(place / "scans-predictions.csv")) == 12


def test_another_page_beside_is_never_written_over(place: Path) -> None:
    page = place / "scans-predictions-influence.html"
    page.write_text("mine", encoding="utf-8")
    run("predict", ".", "scans.csv", cwd=place)
    done = run("predict", ".", "scans.csv", "--explain", cwd=place)
    assert (done.returncode, page.read_text(encoding="utf-8")) == (74, "mine")


def test_what_was_found_while_reading_is_told_after_the_table(place: Path) -> None:
    table = scans()
    table.loc[2, "sample"] = ""
    text = table.to_csv(index=False).split("\n")
    (place / "scans.csv").write_text("\n".join([*text[:4], "", *text[4:]]), encoding="utf-8")
    done = run("predict", ".", "scans.csv", cwd=place)
    assert "all rows of scans.csv to scans-predictions.csv" in done.stderr
    _, after = done.stdout.split("intervals made to hold")
    assert "1 row without an id: named by row number" in after
    assert "1 blank row skipped" in after
    assert "bands" not in after  # announced before


def test_progress_is_told_in_plain_words() -> None:
    from autospec.cli.predict_show import progress_line
    from autospec.predict.streaming import Progress

    assert progress_line(Progress(rows=1, total=None, seconds=1)) == "1 row, 1 a second"
    some = progress_line(Progress(rows=10, total=20, seconds=0.5))
    assert some == "10 of 20 rows, 20 a second; about 1 s to go"
    long = progress_line(Progress(rows=10, total=1010, seconds=1))
    assert long.endswith("about 1:40 min to go")


@pytest.fixture
def farm(place: Path) -> Path:
    """Three scans of two samples, one cut off and one with a name that is no text."""
    soils = soil_reflectance(4, 7)
    names = (b"F1-1.asd", b"F1-2.asd", b"F2-1.asd", b"\xff\xfe bad.asd")
    axis = np.array(AXIS, dtype=np.float64)
    for name, soil in zip(names, soils, strict=True):
        path = write_asd(place / "scans", os.fsdecode(name), soil, axis)
        if b"bad" in name:
            path.write_bytes(path.read_bytes()[:700])
    return place


def test_every_scan_of_a_folder_is_a_row_and_bad_ones_are_listed(farm: Path) -> None:
    done = run("predict", ".", "scans", "--json", cwd=farm)
    assert done.returncode == 0, done.stderr
    assert "every scan is a row (--replicates average makes one a sample)" in done.stderr
    table = pd.read_csv(farm / "scans-predictions.csv")
    assert table["id"].tolist() == ["F1-1", "F1-2", "F2-1", r"\udcff\udcfe bad.asd"]
    assert table["prediction"].notna().tolist() == [True, True, True, False]
    assert table["reason"][3].startswith("not predicted: cut off")
    said = json.loads(done.stdout)
    assert (said["rows"], said["predicted"], said["not_predicted"]) == (4, 3, 1)
    assert (said["bad_rows"][0]["row"], said["bad_rows"][0]["id"]) == (4, table["id"][3])
    plain = run("predict", ".", "scans", cwd=farm)
    assert "not predicted: row 4 (id \\udcff\\udcfe bad.asd): cut off" in plain.stdout


def test_scans_of_a_sample_are_averaged_when_told(farm: Path) -> None:
    done = run("predict", ".", "scans", "--replicates", "average", cwd=farm)
    assert done.returncode == 0, done.stderr
    assert "3 scans of 2 samples averaged" in done.stderr
    table = pd.read_csv(farm / "scans-predictions.csv")
    assert table["id"].tolist()[:2] == ["F1", "F2"]
    refused = run("predict", ".", "scans.csv", "--replicates", "average", cwd=farm)
    assert (refused.returncode, "Leave it out." in refused.stderr) == (2, True)


def test_a_flat_scan_costs_no_other(farm: Path) -> None:
    write_asd(farm / "scans", "F9.asd", np.full(len(AXIS), 0.3), np.array(AXIS, dtype=np.float64))
    said = json.loads(run("predict", ".", "scans", "--json", cwd=farm).stdout)
    assert (said["predicted"], said["bad_rows"][0]["id"]) == (3, "F9.asd")


def test_export_replaces_no_file_of_others(place: Path) -> None:
    (place / "soil.onnx").write_bytes(b"mine")
    done = run("export", ".", "--onnx", "soil.onnx", cwd=place)
    assert (done.returncode, (place / "soil.onnx").read_bytes()) == (74, b"mine")
    assert "choose another name with --onnx" in done.stderr


def test_the_exported_graph_predicts_what_the_command_does(place: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    done = run("export", ".", "--onnx", "soil.onnx", "--level", "0.9", cwd=place)
    assert done.returncode == 0, done.stderr
    session: Any = runtime.InferenceSession(str(place / "soil.onnx"))
    spectra = scans().to_numpy()[:, 1:].astype(np.float32)
    values = session.run(["prediction", "lower", "upper"], {"spectra": spectra})
    table = predicted(place, "scans.csv")
    wanted = table[["prediction", "lower", "upper"]].astype(float).to_numpy().T
    np.testing.assert_allclose(np.stack(values), wanted, rtol=1e-4)  # spectra of seven digits


def test_export_wants_a_name_that_ends_in_onnx(place: Path) -> None:
    done = run("export", ".", "--onnx", "soil.bin", cwd=place)
    assert done.returncode == 2
    assert ".onnx" in done.stderr


@pytest.mark.slow
def test_a_farm_is_localised_and_its_other_rows_predicted_in_a_fresh_process(
    tmp_path: Path,
) -> None:
    from autospec.data.sites import load_site

    words = ("--site", "sweden-skane", "--quick", "--draws", "2", "--b", "10")
    made = process("localise", *words, "-o", "farm", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "Predict new scans: autospec predict farm scans.csv" in made.stdout
    assert "model.safetensors is auto" in made.stderr
    assert "RMSE of PLSR" in (tmp_path / "farm" / "MODEL.md").read_text(encoding="utf-8")
    site = load_site("sweden-skane")
    frame(site.values[:25], site.axis).to_parquet(tmp_path / "scans.parquet", index=False)
    done = process("predict", "farm", "scans.parquet", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "scans-predictions.csv")
    model = autospec.load_model(tmp_path / "farm" / "model.safetensors")
    found = autospec.predict(model, site.rows(range(25)))
    np.testing.assert_array_equal(table["prediction"], found.predicted)
    np.testing.assert_array_equal(table["lower"], found.lower)
