"""map-run.json, the result of a search on a stack, there and back; no tables and no HTML."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from autospec.data.json_text import first_non_finite
from autospec.errors import OutputError
from autospec.report.folder import ResultFile, read_result
from autospec.report.jobs import JOBS, MAP_FILE, refuse_other_study
from autospec.report.map_folder import MAP_TRAINING
from autospec.search.maps.result import MAP_RUN_VERSION, MapSearchResult
from autospec.search.maps.settings import MapSearchSettings
from autospec.training.map_result import MapModel


def dump_map_search(result: MapSearchResult) -> str:
    """Return `result` as JSON text: deterministic, keys in the order of the fields, no NaN."""
    data = asdict(result)
    bad = first_non_finite(data, "result")
    assert bad is None, f"{bad} is not finite"
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load_map_search(run: str | Path) -> MapSearchResult:
    """Read a map-run.json and check all of it.

    Parameters
    ----------
    run : str or Path
        The file, or the output folder that holds it.

    Raises
    ------
    OutputError
        If it is missing, larger than 64 MB, cut short, of another schema version, or holds
        anything that no search on a stack writes.
    """
    return read_result(run, MAP_RUN)


def finished_map_search(
    folder: Path, name: str, settings: MapSearchSettings, digest: Callable[[], str]
) -> MapSearchResult | None:
    """Return the folder's result if it is what these settings on this stack would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    name : str
        Of the study that is asked for now.
    settings : MapSearchSettings
        What is asked for now.
    digest : callable () -> str
        Of the stack; every value of it is read, and only if all else agrees.

    Returns
    -------
    MapSearchResult or None
        None if there is no result, an unreadable one, one of another search, or one that was
        stopped by its budget or by hand and can go on.

    Raises
    ------
    UsageError
        If the folder holds the result of a study of another name, which would be lost.
    """
    try:
        result = load_map_search(folder / MAP_FILE)
    except OutputError:
        return None  # the search is taken up again, and writes the file anew
    refuse_other_study(folder, result.name, name)
    if result.settings != settings or result.stopped not in ("trials", "proposals"):
        return None
    return result if result.final.data.digest == digest() else None


def _disagreement(result: MapSearchResult) -> str:
    """Return in words what does not agree; empty if all does."""
    found = MAP_TRAINING.disagreement(result.final)
    if found:
        return f"final: {found}"
    if result.winner_trial not in {trial.number for trial in result.trials}:
        return f"winner_trial {result.winner_trial} is not among the trials"
    if result.settings.aims != result.final.settings.aims:
        return "settings.aims and final.settings.aims: want the same"
    if result.winner.sizes != result.final.settings.sizes:
        return "winner.sizes and final.settings.sizes: want the same"
    names = [model.name for model in (*result.final.models, *result.others)]
    if len(set(names)) != len(names):
        return "final.models and others: want every name once"
    return next(filter(None, map(_of_model(result), result.others)), "")


def _of_model(result: MapSearchResult) -> Callable[[MapModel], str]:
    k = len(result.final.data.targets)

    def problem(model: MapModel) -> str:
        by_target = (model.scores, model.edge_rmse, model.interior_rmse, model.tile_pattern)
        if any(len(part) != k for part in by_target):
            return f"{model.name!r}: want scores, edges and tile_pattern of {k} targets"
        return ""

    return problem


MAP_RUN: ResultFile[MapSearchResult] = ResultFile(
    name=MAP_FILE,
    kind=MapSearchResult,
    version=MAP_RUN_VERSION,
    job=JOBS[MAP_FILE],
    disagreement=_disagreement,
)
