"""The folder of a localisation: localisation.json there and back, and the pieces of a job in work.

Whole-file writes and the lock are in `autospec.report.folder`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from autospec.data.writing import cannot, write_text
from autospec.errors import OutputError
from autospec.localisation.result import AUTO, SCHEMA_VERSION, LocalisationResult
from autospec.localisation.settings import LocaliseSettings
from autospec.report.folder import ResultFile, read_result
from autospec.report.jobs import LOCALISATION_FILE

MAX_PIECE_BYTES = 16 * 1024 * 1024
PIECES = "pieces"
_PIECE_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,63}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePieces:
    """Finished pieces of a job as files ``pieces/NAME.json``; they survive any end of the process.

    Parameters
    ----------
    folder : Path
        The output folder.
    """

    folder: Path

    def read(self, name: str) -> str | None:
        """Return the piece called `name`.

        Returns
        -------
        str or None
            None if there is none, or one that autospec cannot have written: larger than 16 MB, or
            no UTF-8. It is then made anew.

        Raises
        ------
        OutputError
            If it is there and may not be read.
        """
        path = self._path(name)
        try:
            with path.open("rb") as stream:
                content = stream.read(MAX_PIECE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(cannot("read", path, error)) from error
        try:
            return content.decode() if len(content) <= MAX_PIECE_BYTES else None
        except UnicodeDecodeError:
            return None

    def write(self, name: str, text: str) -> None:
        """Keep `text` as the piece called `name`, whole or not at all.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        write_text(self._path(name), text)

    def _path(self, name: str) -> Path:
        assert _PIECE_NAME.match(name) and not name.endswith("\n"), f"{name!r} names no piece"
        return self.folder / PIECES / f"{name}.json"


def load_localisation(run: str | Path) -> LocalisationResult:
    """Read a localisation.json and check all of it.

    Parameters
    ----------
    run : str or Path
        The file, or the output folder that holds it.

    Raises
    ------
    OutputError
        If it is missing, larger than 64 MB, cut short, of another schema version, or holds
        anything that no localisation writes.
    """
    return read_result(run, LOCALISATION)


def finished_localisation(
    folder: Path, settings: LocaliseSettings, digest: str, *, spent_counts: bool = False
) -> LocalisationResult | None:
    """Return the folder's result if it is what these settings on these inputs would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    settings : LocaliseSettings
        What is asked for now. A complete result needs no other budget, so that may differ.
    digest : str
        `autospec.localisation.inputs.inputs_digest` of what is there now.
    spent_counts : bool
        Whether a result that its budget ended counts too, if the budget is the same.

    Returns
    -------
    LocalisationResult or None
        None if there is no result, an unreadable one, one of another job, or one that can go on.
    """
    try:
        result = load_localisation(folder / LOCALISATION_FILE)
    except OutputError:
        return None  # the job is taken up again, and writes the file anew
    budget = settings.budget_s if result.stopped == "complete" else result.settings.budget_s
    same = replace(result.settings, budget_s=budget) == settings
    ended = result.stopped == "complete" or (spent_counts and result.stopped == "budget")
    return result if same and ended and result.inputs_digest == digest else None


def _disagreement(result: LocalisationResult) -> str:
    """Return in words what does not agree; empty if all does."""
    return _of_rows(result) or _of_models(result) or _of_intervals(result) or _of_library(result)


def _of_rows(result: LocalisationResult) -> str:
    n = len(result.farm_ids)
    if not len(result.farm_fields) == len(result.observed) == n:
        return f"farm_ids, farm_fields and observed: want {n} of each"
    final = result.final
    if len(final.ids) != len(final.predicted):
        return "final.ids and final.predicted: want as many of each"
    for name in ("lower", "upper", "inside", "reasons"):
        if len(getattr(final, name)) not in (0, len(final.ids)):
            return f"final.ids and final.{name}: want as many of each, or none of the latter"
    if len(final.lower) != len(final.upper) or len(final.inside) != len(final.reasons):
        return "final: want as many of lower as of upper, and of inside as of reasons"
    for i, draw in enumerate(result.draws):
        number = result.settings.first_draw + i
        rows = (*draw.train, *draw.test)
        if draw.number != number or len(set(rows)) < len(rows) or not all(0 <= r < n for r in rows):
            return f"draws.{i}: want number {number} and different rows from 0 to {n - 1}"
    return ""


def _of_models(result: LocalisationResult) -> str:
    names = [model.name for model in result.models]
    if not names or len(set(names)) < len(names):
        return "models: want at least one, and every name once"
    tests = {draw.number: len(draw.test) for draw in result.draws}
    for model in result.models:
        numbers = [outcome.draw for outcome in model.outcomes]
        if numbers != sorted(set(numbers)) or not set(numbers) <= set(tests):
            return f"{model.name!r} has outcomes of draws {numbers}; want each draw at most once"
        for outcome in model.outcomes:
            if len(outcome.predicted) != tests[outcome.draw]:
                return (
                    f"{model.name!r} predicts {len(outcome.predicted)} rows in draw "
                    f"{outcome.draw}; want {tests[outcome.draw]}"
                )
    return ""


def _of_intervals(result: LocalisationResult) -> str:
    tests = {draw.number: len(draw.test) for draw in result.draws}
    numbers = [trust.draw for trust in result.intervals]
    auto = {o.draw for m in result.models if m.name == AUTO for o in m.outcomes}
    if numbers != sorted(set(numbers)) or not set(numbers) <= auto:
        return f"intervals of draws {numbers}; want draws of {AUTO}, each at most once"
    if (result.trust is None) != (not numbers):
        return "trust and intervals: want both or neither"
    for trust in result.intervals:
        if not len(trust.lower) == len(trust.upper) == len(trust.inside) == tests[trust.draw]:
            return f"intervals of draw {trust.draw}: want {tests[trust.draw]} rows"
    return ""


def _of_library(result: LocalisationResult) -> str:
    for record in result.selections:
        if len(record.ids) != len(record.fields):
            return f"selections: draw {record.draw}: want a field for each of the ids"
    if len(result.spectra_map.library) != len(result.spectra_map.library_fields):
        return "spectra_map: want a field for each library point"
    for name, data in (("farm", result.farm), ("library", result.library)):
        curves = (*data.envelope, *data.examples)
        if len(data.envelope) != 5 or any(len(curve) != len(data.axis) for curve in curves):
            return f"{name}.envelope and {name}.examples: want {len(data.axis)} bands each"
        if len(data.examples) != len(data.example_targets):
            return f"{name}.examples and {name}.example_targets: want as many of each"
    return ""


LOCALISATION: ResultFile[LocalisationResult] = ResultFile(
    name=LOCALISATION_FILE,
    kind=LocalisationResult,
    version=SCHEMA_VERSION,
    job="localisation",
    disagreement=_disagreement,
)
