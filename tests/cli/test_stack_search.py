"""``autospec search --stack``: options, folders, files and exit codes, with small networks.

The command's own space is of networks that take minutes: it is exchanged for one that takes none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result
from typer.testing import CliRunner

from autospec.cli import app
from autospec.cli.stack_search import StackSearch, stack_settings
from autospec.data.cubes.stack_files import write_stack
from autospec.data.maps.problem import MapAims
from autospec.errors import EXIT_INTERRUPTED, DataError, OutputError, UsageError
from autospec.predict.bundle import load_model
from autospec.report.jobs import MAP_FILE
from autospec.report.map_search import load_map_search
from autospec.report.map_search.folder import dump_map_search
from autospec.report.sections import MODEL_FILE
from autospec.search.maps import job
from autospec.search.maps.result import MapSearchResult
from autospec.training.map_preset import MapPreset, map_preset
from tests.search.maps.made_stack import SETTINGS, made_stack

NOTHING = StackSearch(
    targets=None, horizon=None, length=None, tile=None, split=None, buffer=None, block=None
)
FILES = {
    "report.html",
    "map.html",
    "map-run.json",
    "map-frames.npz",
    "best_architecture.csv",
    "best_architecture.json",
    "leaderboard.csv",
    "scores.csv",
    "seasons.csv",
    "edges.csv",
    "epochs.csv",
    "model.safetensors",
    "MODEL.md",
    "assets",
}


class SmallSearch:
    """Searches small networks, and says that it was another search."""

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []
        self.stopped: Any = "trials"

    def __call__(self, stack: Any, **asked: Any) -> MapSearchResult:
        self.calls.append(asked)
        settings = replace(SETTINGS, aims=replace(asked["settings"].aims, length=4), trials=1)
        execution = replace(asked["execution"], storage=None)
        found = REAL(stack, name=asked["name"], settings=settings, execution=execution)
        final = replace(
            found.final, settings=replace(found.final.settings, aims=asked["settings"].aims)
        )
        return replace(found, settings=asked["settings"], final=final, stopped=self.stopped)


REAL = job.search_maps


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("stack") / "Made Up.npz"
    write_stack(path, made_stack())
    return path


@pytest.fixture(scope="module")
def small() -> Iterator[SmallSearch]:
    fake = SmallSearch()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "search_maps", fake)
        yield fake


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, ["search", *map(str, words)], catch_exceptions=False)


def asked(file: Path, out: Path, *words: object) -> tuple[object, ...]:
    return ("--stack", file, "--target", "et", "--horizon", "1", "--length", "6", *words, "-o", out)


@pytest.fixture(scope="module")
def done(small: SmallSearch, file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "out"
    result = invoke(*asked(file, out, "--trials", "5", "--budget", "7m", "--device", "cpu"))
    assert result.exit_code == 0
    assert "Best network for made-up" in result.stdout
    assert "sealed values of et" in result.stdout
    assert "SYNTHETIC" in result.stdout
    return out


def test_options_reach_the_search(done: Path, small: SmallSearch) -> None:
    settings = small.calls[0]["settings"]
    assert settings.aims == MapAims(targets=("et",), horizon=1, length=6)
    assert (settings.trials, settings.budget_s) == (5, 420.0)
    assert small.calls[0]["name"] == "made-up"


def test_every_file_is_written(done: Path) -> None:
    assert {path.name for path in done.iterdir() if not path.name.startswith(".")} == FILES


def test_the_result_comes_back_from_its_file(done: Path) -> None:
    result = load_map_search(done)
    assert dump_map_search(result) == (done / MAP_FILE).read_text(encoding="utf-8")


def test_the_model_is_one_of_maps(done: Path) -> None:
    bundle = load_model(done / MODEL_FILE)
    assert bundle.name == "made-up-maps"
    assert bundle.provenance.job == "search"
    assert "found by a search" in bundle.model_kind


def test_a_finished_search_is_not_run_again(done: Path, file: Path, small: SmallSearch) -> None:
    calls = len(small.calls)
    again = invoke(*asked(file, done, "--trials", "5", "--budget", "7m", "--device", "cpu"))
    assert again.exit_code == 0
    assert "already finished" in again.stderr
    assert len(small.calls) == calls


def test_json_is_the_result(done: Path, file: Path) -> None:
    words = ("--trials", "5", "--budget", "7m", "--json")
    printed = json.loads(invoke(*asked(file, done, *words)).stdout)
    assert printed["schema_version"] == 1
    assert printed["final"]["models"][0]["name"] == "network"


def test_the_report_can_be_written_again(done: Path) -> None:
    before = (done / "report.html").read_bytes()
    (done / "report.html").unlink()
    runner = CliRunner()
    assert runner.invoke(app, ["report", str(done)], catch_exceptions=False).exit_code == 0
    assert (done / "report.html").read_bytes() == before
    table = runner.invoke(app, ["export-table", str(done)], catch_exceptions=False)
    assert "Sub-pixel convolutional 2-D" in table.stdout


def test_the_winner_can_be_trained_with_other_seeds(done: Path) -> None:
    text = (done / "best_architecture.json").read_text(encoding="utf-8")
    winner = load_map_search(done).winner
    assert map_preset(json.loads(text)) == MapPreset(sizes=winner.sizes, terms=winner.terms)


def test_a_search_stands_in_a_comparison(done: Path, tmp_path: Path) -> None:
    words = ["compare", str(done), "-o", str(tmp_path / "compared")]
    assert CliRunner().invoke(app, words, catch_exceptions=False).exit_code == 0


def test_a_file_that_was_changed_is_refused(done: Path, tmp_path: Path) -> None:
    data = json.loads((done / MAP_FILE).read_text(encoding="utf-8"))
    data["winner_trial"] = 77
    (tmp_path / MAP_FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(OutputError, match="winner_trial 77 is not among the trials"):
        load_map_search(tmp_path)


def test_an_interrupted_search_says_so(
    small: SmallSearch, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "stopped", "interrupt")
    assert invoke(*asked(file, tmp_path / "out")).exit_code == EXIT_INTERRUPTED


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["--site", "sweden"], "--site: for spectra, not for stacks"),
        (["--buffer-km", "1"], "--buffer-km: for cubes, not for stacks"),
        (["--folds", "3"], "--folds: for spectra or cubes, not for stacks"),
    ],
    ids=str,
)
def test_options_of_others_are_refused_by_name(file: Path, words: list[str], named: str) -> None:
    with pytest.raises(UsageError, match=f"^{named}"):
        invoke("--stack", file, *words)


@pytest.mark.parametrize("words", [["--horizon", "1"], ["--tile", "32"], ["--block", "4"]], ids=str)
def test_options_of_stacks_are_refused_without_one(words: list[str]) -> None:
    with pytest.raises(UsageError, match=f"^{words[0]}: for stacks. Name --stack"):
        invoke("--site", "sweden", *words)


def test_cubes_and_a_stack_are_refused(file: Path) -> None:
    with pytest.raises(UsageError, match="--cube and --stack: want one"):
        invoke("--stack", file, "--cube", file)


def test_several_targets_are_for_stacks() -> None:
    with pytest.raises(UsageError, match="several are for stacks"):
        invoke("--site", "sweden", "--target", "soc", "--target", "clay")


@pytest.mark.parametrize(
    ("said", "error", "words"),
    [
        (["--target", "et", "--split", "random"], UsageError, "--split random: for cubes"),
        ([], UsageError, "no target"),
        (["--target", "eet", "--horizon", "1"], UsageError, "eet"),
        (
            ["--target", "et", "--horizon", "1", "--length", "300"],
            DataError,
            r"^Made Up.npz: .*300",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_asked_leaves_no_folder(
    file: Path, tmp_path: Path, said: list[str], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        invoke("--stack", file, *said, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_target_that_never_differs_leaves_no_folder(tmp_path: Path) -> None:
    stack = made_stack()
    values = np.array(stack.dynamic)
    values[:, stack.channels.index("et")] = 0.25
    write_stack(tmp_path / "flat.npz", replace(stack, dynamic=values))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "search_maps", REAL)
        with pytest.raises(DataError, match=r"^flat\.npz: target 'et' is 0\.25 in all cells"):
            invoke(*asked(tmp_path / "flat.npz", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_another_job_is_kept(file: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match=r"result of a search \(run\.json\)"):
        invoke(*asked(file, tmp_path))


def test_the_seed_fixes_the_split_too() -> None:
    settings = stack_settings(replace(NOTHING, targets=["et"]), ("rain", "et"), {"seed": 5})
    assert (settings.seed, settings.split.seed) == (5, 5)
