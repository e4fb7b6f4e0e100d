"""cube-run.json, the result of a search on cubes, there and back; no tables and no HTML."""

from __future__ import annotations

from pathlib import Path

from autospec.errors import OutputError
from autospec.report.folder import ResultFile, read_result
from autospec.report.jobs import CUBE_FILE, JOBS, refuse_other_study
from autospec.search.cubes.result import CUBE_SCHEMA_VERSION, CubeResult
from autospec.search.cubes.settings import CubeSettings


def load_cube_result(run: str | Path) -> CubeResult:
    """Read a cube-run.json and check all of it.

    Parameters
    ----------
    run : str or Path
        The file, or the output folder that holds it.

    Raises
    ------
    OutputError
        If it is missing, larger than 64 MB, cut short, of another schema version, or holds
        anything that no search on cubes writes.
    """
    return read_result(run, CUBE_RUN)


def finished_cube_result(
    folder: Path, name: str, settings: CubeSettings, digest: str
) -> CubeResult | None:
    """Return the folder's result if it is what these settings on these cubes would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    name : str
        Of the study that is asked for now.
    settings : CubeSettings
        What is asked for now.
    digest : str
        SHA-256 of the samples.

    Returns
    -------
    CubeResult or None
        None if there is no result, an unreadable one, one of another search, or one that was
        stopped by its budget or by hand and can go on.

    Raises
    ------
    UsageError
        If the folder holds the result of a study of another name, which would be lost.
    """
    try:
        result = load_cube_result(folder / CUBE_FILE)
    except OutputError:
        return None  # the search is taken up again, and writes the file anew
    refuse_other_study(folder, result.name, name)
    same = result.settings == settings and result.data.digest == digest
    return result if same and result.stopped in ("trials", "proposals") else None


def _disagreement(result: CubeResult) -> str:
    """Return in words what does not agree; empty if all does."""
    return _of_channels(result) or _of_places(result) or _of_folds(result) or _of_models(result)


def _of_channels(result: CubeResult) -> str:
    data = result.data
    counts = {len(data.channels), len(data.mean), len(data.sd), len(data.invalid_percent)}
    if counts != {data.shape[0]} or min(data.shape) < 1:
        return f"data: want a name, mean, sd and invalid_percent of {data.shape[0]} channels"
    return ""


def _of_places(result: CubeResult) -> str:
    split = result.split
    wanted = {"train": split.n_train, "test": split.n_test, "dropped": split.n_dropped}
    for role, n in wanted.items():
        found = sum(place.role == role for place in result.places)
        if found != n:
            return f"places: {found} of role {role!r}; split says {n}"
    tested = sorted((p.id, p.target) for p in result.places if p.role == "test")
    if tested != sorted(zip(result.test_ids, result.observed, strict=False)):
        return "test_ids and observed: want those of the places of role 'test'"
    return ""


def _of_folds(result: CubeResult) -> str:
    n = len(result.split.dropped_in_folds)
    if len(result.split.nearest_in_folds_km) != n:
        return "split: want as many of nearest_in_folds_km as of dropped_in_folds"
    wrong = [p.fold for p in result.places if not -1 <= p.fold < n]
    return f"places: fold {wrong[0]}; want -1 to {n - 1}" if wrong else ""


def _of_models(result: CubeResult) -> str:
    n, names = result.split.n_test, [model.name for model in result.models]
    if len(result.test_ids) != n or len(result.observed) != n:
        return f"test_ids and observed: want {n} of each"
    if len(set(names)) < len(names) or result.baseline not in names:
        return f"models: want every name once, and {result.baseline!r} among them"
    if sum(model.kind == "winner" for model in result.models) != 1:
        return "models: want one of kind 'winner'"
    for model in result.models:
        if len(model.predicted) not in (0, n):
            return f"{model.name!r} predicts {len(model.predicted)} rows; want {n}"
        bounds = n if model.trust else 0
        if not len(model.lower) == len(model.upper) == bounds:
            return f"{model.name!r}: want {bounds} lower and upper bounds"
    measured = any(model.trust for model in result.models)
    if len(result.in_domain) not in (0, n) or (measured and not result.in_domain):
        return f"in_domain: {len(result.in_domain)} rows; want {n}"
    if result.winner_trial not in {trial.number for trial in result.trials}:
        return f"winner_trial {result.winner_trial} is not among the trials"
    return ""


CUBE_RUN: ResultFile[CubeResult] = ResultFile(
    name=CUBE_FILE,
    kind=CubeResult,
    version=CUBE_SCHEMA_VERSION,
    job=JOBS[CUBE_FILE],
    disagreement=_disagreement,
)
