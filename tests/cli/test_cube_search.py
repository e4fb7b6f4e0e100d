"""``autospec search --cube``: options, warnings, folders and exit codes; the search itself is made.

One test runs a whole search, from the file to the report.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from autospec.cli import app
from autospec.cli.cube_search import CubeChoice, cube_settings
from autospec.data.cubes.cube_files import write_cubes
from autospec.data.cubes.splits import CubeSplit
from autospec.errors import EXIT_INTERRUPTED, DataError, UsageError
from autospec.report import cube_model_files
from autospec.report.cubes import load_cube_result
from autospec.report.model_files import KeptModels
from autospec.report.sections import MODEL_FILE
from autospec.search.cubes import job
from autospec.search.cubes.result import CubeResult
from autospec.search.execution import Execution
from tests.report.cubes.made_cube_result import made_cubes, make_cube_result


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    path = tmp_path / "farm.npz"
    write_cubes(path, made_cubes(120, np.random.default_rng(0), "EPSG:4326"))
    return path


class FakeSearch:
    """Gives a made result, with the settings and the cubes that it is asked for."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.stopped: Any = "trials"

    def __call__(self, cubes: Any, **asked: Any) -> CubeResult:
        self.calls.append(asked)
        made = make_cube_result()
        data = replace(made.data, digest=cubes.digest)
        return replace(
            made,
            name=asked["name"],
            settings=asked["settings"],
            data=data,
            stopped=self.stopped,
        )


def keep_nothing(result: CubeResult, calibrated: object, folder: Path) -> KeptModels:
    assert calibrated is None
    (folder / MODEL_FILE).write_bytes(b"")
    return KeptModels(files=(folder / MODEL_FILE,), choice="model.safetensors is made.")


@pytest.fixture
def search(monkeypatch: pytest.MonkeyPatch) -> FakeSearch:
    """Make the search, and the model file, of nothing."""
    fake = FakeSearch()
    monkeypatch.setattr(job, "search_cubes", fake)
    monkeypatch.setattr(cube_model_files, "write_cube_models", keep_nothing)
    return fake


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, ["search", *map(str, words)], catch_exceptions=False)


def test_options_become_settings(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    words = "--trials 7 --budget 90s --seed 3 --sampler random --control random --folds 4"
    done = invoke(
        *("--cube", samples, "--target", "soc", *words.split(), "--buffer-km", "0.5"),
        *("--block-km", "4", "--show-leakage", "--device", "cpu", "-o", tmp_path / "out"),
    )
    assert done.exit_code == 0
    (asked,) = search.calls
    settings, execution = asked["settings"], asked["execution"]
    assert (settings.trials, settings.budget_s, settings.seed) == (7, 90.0, 3)
    assert (settings.sampler, settings.control) == ("random", "random")
    assert settings.show_leakage
    assert settings.split == CubeSplit(buffer_km=0.5, block_km=4.0, folds=4, seed=3)
    assert isinstance(execution, Execution)
    assert execution.device == "cpu"
    assert asked["name"] == "farm"
    assert "out/study.db" in str(execution.storage)


def test_the_result_is_shown_and_written(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    done = invoke("--cube", samples, "-o", tmp_path / "out")
    assert "SYNTHETIC" in done.stdout
    assert "Best architecture for farm" in done.stdout
    assert "Under random folds" in done.stdout
    assert (tmp_path / "out" / "report.html").is_file()
    assert (tmp_path / "out" / "cube-run.json").is_file()


def test_json_is_the_metrics(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    done = invoke("--cube", samples, "-o", tmp_path / "out", "--json")
    written = (tmp_path / "out" / "metrics.json").read_text(encoding="utf-8")
    assert json.loads(done.stdout) == json.loads(written)


def test_a_finished_search_is_not_run_again(
    search: FakeSearch, samples: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        done = invoke("--cube", samples, "-o", tmp_path / "out")
    assert len(search.calls) == 1
    assert "already finished" in done.stderr
    assert "Best architecture" in done.stdout


def test_a_finished_search_without_its_model_is_run_again(
    search: FakeSearch, samples: Path, tmp_path: Path
) -> None:
    invoke("--cube", samples, "-o", tmp_path / "out")
    (tmp_path / "out" / MODEL_FILE).unlink()
    done = invoke("--cube", samples, "-o", tmp_path / "out")
    assert len(search.calls) == 2
    assert "the winner is refitted" in done.stderr


def test_other_settings_run_again(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    for seed in (1, 2):
        invoke("--cube", samples, "-o", tmp_path / "out", "--seed", seed)
    assert len(search.calls) == 2


def test_an_interrupted_search_ends_with_its_code(
    search: FakeSearch, samples: Path, tmp_path: Path
) -> None:
    search.stopped = "interrupt"
    done = invoke("--cube", samples, "-o", tmp_path / "out")
    assert done.exit_code == EXIT_INTERRUPTED
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_random_split_warns_of_leakage_first(
    search: FakeSearch, samples: Path, tmp_path: Path
) -> None:
    done = invoke("--cube", samples, "--split", "random", "-o", tmp_path / "out")
    assert done.stderr.startswith("Warning: a random split leaks")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--site", "sweden"], "--site"),
        (["--study", "paper"], "--study"),
        (["farm.csv"], "FILE"),
        (["--lab", "lab.csv", "--repeats", "2"], "--lab, --repeats"),
        (["--quantity", "reflectance"], "--quantity"),
        (["--allow-negative"], "--allow-negative"),
    ],
)
def test_options_of_spectra_are_refused_by_name(
    samples: Path, words: list[str], named: str
) -> None:
    with pytest.raises(UsageError, match=f"^{named}: for spectra"):
        invoke("--cube", samples, *words)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--split", "blocks"], "--split"),
        (["--buffer-km", "1"], "--buffer-km"),
        (["--block-km", "1", "--show-leakage"], "--block-km, --show-leakage"),
    ],
)
def test_options_of_cubes_are_refused_without_cubes(words: list[str], named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named}: for cubes"):
        invoke("--site", "sweden", *words)


@pytest.mark.parametrize("kind", ["forward", "random"])
def test_distances_belong_to_blocks(kind: str) -> None:
    choice = CubeChoice(target=None, split=kind, buffer_km=1.0, block_km=None, show_leakage=False)
    with pytest.raises(UsageError, match="for --split blocks"):
        cube_settings(choice, {})


def test_a_square_without_a_side_is_refused() -> None:
    choice = CubeChoice(target=None, split=None, buffer_km=None, block_km=0.0, show_leakage=False)
    with pytest.raises(UsageError, match="--block-km 0: want"):
        cube_settings(choice, {})


def test_another_lab_value_is_refused(search: FakeSearch, samples: Path) -> None:
    with pytest.raises(UsageError, match="the lab value is 'soc'"):
        invoke("--cube", samples, "--target", "clay")


@pytest.mark.parametrize("words", [["--folds", "20", "--buffer-km", "500"]])
def test_an_impossible_split_leaves_no_folder(
    search: FakeSearch, samples: Path, tmp_path: Path, words: list[str]
) -> None:
    with pytest.raises(DataError):
        invoke("--cube", samples, *words, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_job_is_kept(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"result of a search \(run\.json\)"):
        invoke("--cube", samples, "-o", tmp_path)


def test_the_report_can_be_written_again(search: FakeSearch, samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    invoke("--cube", samples, "-o", out)
    before = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    done = CliRunner().invoke(app, ["report", str(out)], catch_exceptions=False)
    assert done.exit_code == 0
    assert (out / "report.html").read_bytes() == before
    table = CliRunner().invoke(app, ["export-table", str(out)], catch_exceptions=False)
    assert "Convolutional 3-D" in table.stdout


@pytest.mark.slow
def test_a_whole_search_from_the_file_to_the_model(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    made = made_cubes(80, rng, "EPSG:32632")
    shape = (80, 2, 4, 4, 2)
    wide = replace(
        made,
        values=rng.normal(size=shape).astype(np.float32),
        valid=np.ones(shape, dtype=bool),
        channels=("a", "b"),
        times=np.tile(np.array(["2020-01-01", "2020-02-01"], "datetime64[s]"), (80, 1)),
    )
    write_cubes(tmp_path / "farm.npz", wide)
    words = ("--cube", tmp_path / "farm.npz", "-o", tmp_path / "out", "--device", "cpu")
    few = ("--trials", 1, "--folds", 2, "--block-km", 6, "--budget", "120s", "--show-leakage")
    done = invoke(*words, *few)
    assert done.exit_code == 0
    assert "gradient boosting" in done.stdout
    out = tmp_path / "out"
    result = load_cube_result(out)
    assert result.trials[0].label == "published: small3d"
    assert result.split.kind == "blocks"
    assert {row.name for row in result.leakage} >= {"autospec winner", "ridge", "mean"}
    assert (out / MODEL_FILE).stat().st_size > 0
    assert "already finished" in invoke(*words, *few).stderr
