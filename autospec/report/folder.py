"""The output folder's results there and back; no tables, no HTML, and no writing of files."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from autospec.data.json_text import first_non_finite
from autospec.data.writing import cannot
from autospec.errors import OutputError, UsageError
from autospec.report.jobs import refuse_other_study
from autospec.search.result import SCHEMA_VERSION, SearchResult
from autospec.search.settings import SearchSettings

if TYPE_CHECKING:
    from autospec.localisation.result import LocalisationResult
    from autospec.search.cubes.result import CubeResult

MAX_RUN_BYTES = 64 * 1024 * 1024
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFile(Generic[R]):
    """One kind of result as a file of an output folder.

    Parameters
    ----------
    name : str
        Of the file.
    kind : type
        The dataclass in it.
    version : int
        Its schema version.
    job : str
        What writes it: "search".
    disagreement : callable (result) -> str
        Says in words what in a well-formed result does not agree; empty if all does.
    """

    name: str
    kind: type[R]
    version: int
    job: str
    disagreement: Callable[[R], str]


def dump_result(result: SearchResult | LocalisationResult | CubeResult) -> str:
    """Return `result` as JSON text: deterministic, keys in the order of the fields, no NaN."""
    data = asdict(result)
    bad = first_non_finite(data, "result")
    assert bad is None, f"{bad} is not finite"
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def load_result(run: str | Path) -> SearchResult:
    """Read a run.json and check all of it.

    Parameters
    ----------
    run : str or Path
        The file, or the output folder that holds it.

    Raises
    ------
    OutputError
        If it is missing, larger than 64 MB, cut short, of another schema version, or holds
        anything that no search writes.
    """
    return read_result(run, SEARCH)


def read_result(run: str | Path, file: ResultFile[R]) -> R:
    """Read a result of one kind and check all of it; parameters and errors as `load_result`'s."""
    run = Path(run)
    path = run / file.name if run.is_dir() else run
    content = _read_capped(path, file)
    data = _parse(path, content, file.job)
    version = data.get("schema_version")
    if version != file.version:
        raise OutputError(
            f"{path}: schema_version is {version!r}; this autospec reads {file.version}. "
            f"Read it with the autospec that wrote it, or run the {file.job} again."
        )
    try:
        # Strict JSON mode: lists become tuples, but "3" is no number and 1 is no bool.
        result: R = TypeAdapter(file.kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise OutputError(_corrupt(path, f"{where}: {first['msg']}", file.job)) from error
    except UsageError as error:  # numbers that no study can run on
        raise OutputError(_corrupt(path, str(error), file.job)) from error
    problem = file.disagreement(result)
    if problem:
        raise OutputError(_corrupt(path, problem, file.job))
    return result


def finished_result(
    folder: Path, name: str, settings: SearchSettings, digest: str
) -> SearchResult | None:
    """Return the folder's result if it is what these settings on these spectra would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    name : str
        Of the study that is asked for now.
    settings : SearchSettings
        What is asked for now.
    digest : str
        SHA-256 of the labelled spectra.

    Returns
    -------
    SearchResult or None
        None if there is no result, an unreadable one, one of another search, or one that was
        stopped by its budget or by hand and can go on.

    Raises
    ------
    UsageError
        If the folder holds the result of a study of another name, which would be lost.
    """
    try:
        result = load_result(folder / "run.json")
    except OutputError:
        return None  # the search is taken up again, and writes the file anew
    refuse_other_study(folder, result.name, name)
    same = result.settings == settings and result.data.digest == digest
    return result if same and result.stopped in ("trials", "proposals") else None


def _read_capped(path: Path, file: ResultFile[R]) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(MAX_RUN_BYTES + 1)
    except FileNotFoundError as error:
        raise OutputError(
            f"{path}: there is no such file. Want the {file.name} that a {file.job} writes into "
            f"its output folder: run the {file.job} first, or name its folder."
        ) from error
    except OSError as error:
        raise OutputError(cannot("read", path, error)) from error
    if len(content) > MAX_RUN_BYTES:
        raise OutputError(
            f"{path}: larger than {MAX_RUN_BYTES // 1024**2} MB; is this a {file.name}? "
            f"Name the output folder of a {file.job}."
        )
    return content


def _parse(path: Path, content: bytes, job: str) -> dict[str, Any]:
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise OutputError(_corrupt(path, f"no JSON: {error}", job)) from error
    if not isinstance(data, dict):
        raise OutputError(_corrupt(path, "no JSON object at the top", job))
    bad = first_non_finite(data, "run")
    if bad:
        raise OutputError(_corrupt(path, f"{bad} is not finite", job))
    return data


def _corrupt(path: Path, problem: str, job: str) -> str:
    return (
        f"{path}: not a result of a {job}: {problem}. Run the same {job} again with the same "
        "--out: it takes up what was finished and writes the file anew."
    )


def _disagreement(result: SearchResult) -> str:
    """Return in words which lengths do not agree; empty if all do."""
    n, b = result.n_test, len(result.data.axis)
    if not len(result.test_ids) == len(result.test_fields) == len(result.observed) == n:
        return f"test_ids, test_fields and observed: want {n} of each"
    for model in result.models:
        if len(model.predicted) not in (0, n):
            return f"{model.name!r} predicts {len(model.predicted)} rows; want {n}"
        bounds = len(model.predicted) if model.trust else 0
        if not len(model.lower) == len(model.upper) == bounds:
            return f"{model.name!r}: want {bounds} lower and upper bounds"
    if len(result.in_domain) not in (0, n) or (
        not result.in_domain and any(model.trust for model in result.models)
    ):
        return f"in_domain: {len(result.in_domain)} rows; want {n}"
    curves = (*result.data.envelope, *result.data.examples)
    if len(result.data.envelope) != 5 or any(len(curve) != b for curve in curves):
        return f"data.envelope and data.examples: want 5 curves and any number, of {b} bands each"
    if len(result.data.examples) != len(result.data.example_targets):
        return "data.examples and data.example_targets: want as many of each"
    if result.winner_trial not in {trial.number for trial in result.trials}:
        return f"winner_trial {result.winner_trial} is not among the trials"
    if not any(model.kind == "winner" for model in result.models):
        return "models: want one of kind 'winner'"
    return ""


SEARCH: ResultFile[SearchResult] = ResultFile(
    name="run.json",
    kind=SearchResult,
    version=SCHEMA_VERSION,
    job="search",
    disagreement=_disagreement,
)
