"""cube-run.json comes back as it was, and nothing else is taken for one."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospec.errors import OutputError, UsageError
from autospec.report.cubes import load_cube_result
from autospec.report.cubes.folder import finished_cube_result
from autospec.report.folder import dump_result, load_result
from autospec.report.jobs import CUBE_FILE, JOBS, refuse_other
from autospec.search.cubes.result import CubeResult
from tests.report.cubes.made_cube_result import make_cube_result


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / CUBE_FILE).write_text(dump_result(make_cube_result()), encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("of", ["folder", "file"])
def test_a_result_comes_back_as_it_was(run: Path, of: str) -> None:
    assert load_cube_result(run if of == "folder" else run / CUBE_FILE) == make_cube_result()


def changed(run: Path, *keys: str, to: Any) -> None:
    """Put a value into the file at a path of keys."""
    data = json.loads((run / CUBE_FILE).read_text(encoding="utf-8"))
    part = data
    for key in keys[:-1]:
        part = part[int(key) if isinstance(part, list) else key]
    last = keys[-1]
    part[int(last) if isinstance(part, list) else last] = to
    (run / CUBE_FILE).write_text(json.dumps(data), encoding="utf-8")


@pytest.mark.parametrize(
    ("keys", "to", "said"),
    [
        (("schema_version",), 7, "schema_version is 7"),
        (("places", "0", "x"), "9.6", "places.0.x"),
        (("places", "0", "fold"), 99, "fold 99"),
        (("split", "n_test"), 3, "split says 3"),
        (("split", "nearest_in_folds_km"), [], "nearest_in_folds_km"),
        (("data", "channels"), ["one"], "channels"),
        (("data", "mean"), [1.0], "channels"),
        (("observed", "0"), -1.0, "those of the places"),
        (("in_domain",), [True], "in_domain"),
        (("baseline",), "PLSR", "'PLSR'"),
        (("winner_trial",), 999, "winner_trial 999"),
        (("models", "0", "kind"), "baseline", "kind 'winner'"),
        (("models", "1", "name"), "ridge", "every name once"),
        (("models", "1", "predicted"), [1.0], "predicts 1 rows"),
        (("models", "0", "lower"), [1.0], "lower and upper bounds"),
    ],
)
def test_what_no_search_writes_is_refused_by_name(
    run: Path, keys: tuple[str, ...], to: Any, said: str
) -> None:
    changed(run, *keys, to=to)
    with pytest.raises(OutputError, match=said):
        load_cube_result(run)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": NaN}', "[" * 100_000])
def test_a_damaged_file_is_refused(run: Path, text: str) -> None:
    (run / CUBE_FILE).write_text(text, encoding="utf-8")
    with pytest.raises(OutputError, match="not a result of a search on cubes"):
        load_cube_result(run)


def test_a_folder_of_another_job_is_refused(run: Path) -> None:
    with pytest.raises(OutputError, match=r"run\.json"):
        load_result(run)


@pytest.mark.parametrize("theirs", sorted(set(JOBS) - {CUBE_FILE}))
def test_no_two_jobs_share_a_folder(tmp_path: Path, theirs: str) -> None:
    (tmp_path / CUBE_FILE).write_text("{}", encoding="utf-8")
    refuse_other(tmp_path, CUBE_FILE)
    with pytest.raises(UsageError, match="search on cubes"):
        refuse_other(tmp_path, theirs)


def finished(folder: Path, result: CubeResult) -> CubeResult | None:
    (folder / CUBE_FILE).write_text(dump_result(result), encoding="utf-8")
    asked = make_cube_result()
    return finished_cube_result(folder, asked.name, asked.settings, asked.data.digest)


def test_a_finished_search_is_not_run_again(tmp_path: Path) -> None:
    assert finished(tmp_path, make_cube_result()) == make_cube_result()


@pytest.mark.parametrize("stopped", ["budget", "interrupt"])
def test_a_stopped_search_goes_on(tmp_path: Path, stopped: Any) -> None:
    assert finished(tmp_path, replace(make_cube_result(), stopped=stopped)) is None


def test_other_settings_or_other_cubes_are_another_search(tmp_path: Path) -> None:
    made = make_cube_result()
    assert finished(tmp_path, replace(made, settings=replace(made.settings, seed=99))) is None
    assert finished(tmp_path, replace(made, data=replace(made.data, digest="00"))) is None


def test_the_result_of_a_search_on_other_data_is_not_overwritten(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds the search 'other'"):
        finished(tmp_path, replace(make_cube_result(), name="other"))
