"""``autospec localise`` from files to results: the real job on real soils, as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from autospec.cli import localise_all, main
from autospec.data.sites import load_site
from autospec.data.spectra import Spectra
from tests.localisation.landscape import few_recipes

QUICK = ("--quick", "--draws", "2", "--b", "10")


def run(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "autospec", "localise", *map(str, words)],
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "100"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def table(spectra: Spectra, *, step: int, unlabelled: int = 0) -> pd.DataFrame:
    """A user's table: SOC in g/kg, reflectance in percent, every `step`-th band."""
    target = spectra.target.copy()
    target[:unlabelled] = np.nan
    bands = pd.DataFrame(
        100.0 * spectra.values[:, ::step],
        columns=[f"{position:g}" for position in spectra.axis[::step]],
    )
    frame = pd.DataFrame({"sample": spectra.ids, "field": spectra.fields, "soc": target})
    return pd.concat([frame, bands], axis=1)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A farm (every 4th band, 10 rows without a lab value) and a library that holds some of it."""
    folder = tmp_path_factory.mktemp("farm")
    farm, library = load_site("sweden-skane"), load_site("sweden-uppsala")
    farm = farm.rows(range(60))
    table(farm, step=4, unlabelled=10).to_csv(folder / "farm.csv", index=False)
    both = pd.concat([table(library, step=10), table(farm.rows(range(40, 45)), step=10)])
    both.to_parquet(folder / "library.parquet", index=False)
    return folder


@pytest.fixture(scope="module")
def done(files: Path) -> subprocess.CompletedProcess[str]:
    return run(
        *("--global", "library.parquet", "--local", "farm.csv", "--target", "soc"),
        *("--id", "sample", "--n", "25", *QUICK, "-o", "out"),
        cwd=files,
    )


def test_a_farm_and_a_library_in_files_give_a_report(
    done: subprocess.CompletedProcess[str], files: Path
) -> None:
    assert done.returncode == 0, done.stderr
    assert "Trained on 25 samples of the farm, auto predicts the others" in done.stdout
    found = {path.name for path in (files / "out").iterdir()}
    assert {"report.html", "comparison.csv", "selected_rows.csv", "predictions.csv"} <= found
    comparison = pd.read_csv(files / "out" / "comparison.csv")
    assert {"auto", "PLSR local", "mean", "library prior"} <= set(comparison["model"])
    assert comparison.set_index("model").loc["auto", "draws"] == 2


def test_the_rows_without_a_lab_value_are_predicted(
    done: subprocess.CompletedProcess[str], files: Path
) -> None:
    assert done.returncode == 0
    predicted = pd.read_csv(files / "out" / "final_predictions.csv")
    truth = load_site("sweden-skane").rows(range(10))
    assert list(predicted["id"]) == list(truth.ids)
    values = predicted.iloc[:, 1].to_numpy()
    assert np.corrcoef(values, truth.target)[0, 1] > 0.2  # ten rows of one field
    assert ((predicted["lower"] <= values) & (values <= predicted["upper"])).all()
    assert (predicted["level"] == 0.9).all() and predicted["in_domain"].mean() > 0.5


def test_what_was_done_to_the_tables_is_stated(
    done: subprocess.CompletedProcess[str], files: Path
) -> None:
    assert done.returncode == 0
    result = json.loads((files / "out" / "localisation.json").read_text(encoding="utf-8"))
    assert result["purged"].startswith("5 library rows are the farm's own")
    assert result["library_rows"] == 120
    assert any("2081" not in note and "bands" in note for note in result["notes"])


def test_the_same_command_runs_nothing_again(
    done: subprocess.CompletedProcess[str], files: Path
) -> None:
    again = run(
        *("--global", "library.parquet", "--local", "farm.csv", "--target", "soc"),
        *("--id", "sample", "--n", "25", *QUICK, "-o", "out"),
        cwd=files,
    )
    assert again.returncode == 0
    assert "nothing was run again" in again.stderr
    assert again.stdout == done.stdout


def spoil(frame: pd.DataFrame, fault: str) -> pd.DataFrame:
    if fault == "few":
        return frame.assign(soc=frame["soc"].where(frame.index >= 52))
    if fault == "constant":
        return frame.assign(soc=12.5)
    shifted = {name: f"{float(name) + 9000:g}" for name in frame.columns if name[:1].isdigit()}
    return frame.rename(columns=shifted)


@pytest.mark.parametrize(
    ("fault", "wanted"),
    [
        ("few", "want at least 10"),
        ("constant", "12.5"),
        ("elsewhere", "share"),
    ],
)
def test_a_farm_that_cannot_be_used_is_one_message(
    fault: str, wanted: str, files: Path, tmp_path: Path
) -> None:
    spoil(pd.read_csv(files / "farm.csv"), fault).to_csv(tmp_path / "farm.csv", index=False)
    ended = run(
        *("--global", files / "library.parquet", "--local", "farm.csv", "--target", "soc"),
        *("--id", "sample", *QUICK),
        cwd=tmp_path,
    )
    assert ended.returncode == 65, ended.stderr
    assert wanted in ended.stderr and "Traceback" not in ended.stderr
    assert not (tmp_path / "runs").exists()


def test_a_farm_wholly_inside_the_library_is_refused(files: Path, tmp_path: Path) -> None:
    farm = replace(load_site("sweden-skane").rows(range(30)), fields=("x",) * 30)
    table(farm, step=10).to_csv(tmp_path / "both.csv", index=False)
    ended = run(
        *("--global", "both.csv", "--local", "both.csv", "--target", "soc"),
        *("--id", "sample", *QUICK),
        cwd=tmp_path,
    )
    assert ended.returncode == 65
    assert "30 library rows are the farm's own" in ended.stderr


@pytest.mark.slow
def test_a_benchmark_of_two_farms_and_two_targets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The real job under a study of one draw: number 1 of two."""
    monkeypatch.setattr(localise_all, "farm_sites", lambda: ("germany-rp", "brazil-mato-grosso"))
    study, out = tmp_path / "two.toml", tmp_path / "out"
    study.write_text(
        "[localise]\ntargets = ['clay', 'ph']\nsizes = [30]\ndraws = 2\nfirst_draw = 1\n"
        "quick = true\nb = 10\n",
        encoding="utf-8",
    )
    words = ["localise", "--study", str(study), "--site", "all", "-o", str(out)]
    monkeypatch.setattr(sys, "argv", ["autospec", *words])
    with few_recipes(), pytest.raises(SystemExit) as end:
        main()
    told = capsys.readouterr()
    assert not end.value.code, told.err
    assert "4 localisations of 2 sites" in told.err and "1 draw (1) of 30 training rows" in told.err
    table = pd.read_csv(out / "benchmark.csv")
    assert set(table["draws"]) == {1} and set(table["site"]) == {"germany-rp", "brazil-mato-grosso"}
    assert dict(zip(table["target"], table["unit"], strict=True)) == {"clay": "%", "ph": "pH"}
    auto = table[table["model"] == "auto"]
    assert auto["held"].between(0, 1).all() and (auto["over_best"] >= 1).all()
    choices = table[table["model"] != "mean"].groupby(["site", "target"])["rmse"].min()
    own = auto.set_index(["site", "target"])
    np.testing.assert_allclose(own["over_best"], own["rmse"] / choices.loc[own.index])
    data = json.loads((out / "benchmark.json").read_text(encoding="utf-8"))
    assert data["draws"] == [1] and [part["target"] for part in data["parts"]] == ["clay", "ph"]
    draws = pd.read_csv(out / "clay-n30" / "germany-rp" / "draws.csv")
    assert set(draws["draw"]) == {1}
