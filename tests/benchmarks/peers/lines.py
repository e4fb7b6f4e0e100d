"""`Line`: one model on one draw of one farm; and the files of lines, which grow and are read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import DataError


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One model on one draw of one farm.

    Parameters
    ----------
    site, draw, model : str, int, str
    rows : str
        Digest of the draw's training and test rows and of the farm's lab values.
    n_train, n_test : int
    seconds : float
        Wall time to tune and fit, on one thread; of a failure, until it failed.
    rmse : float or None
        Of the sealed rows; None if it failed.
    predicted : tuple of float
        For the sealed rows, in their order; empty if it failed.
    failed : str
        Why; "" if it did not.
    about, version : str
        How the model was used, and the version of whose it is.
    """

    site: str
    draw: int
    model: str
    rows: str
    n_train: int
    n_test: int
    seconds: float
    rmse: float | None
    predicted: tuple[float, ...]
    failed: str
    about: str
    version: str

    @property
    def unit(self) -> tuple[str, int]:
        """The farm and the draw."""
        return self.site, self.draw


def digest_rows(train: IntArray, test: IntArray, target: FloatArray) -> str:
    """Digest which rows a draw has; lab values to six figures, so that no library's rounding tells.

    Parameters
    ----------
    train, test : int64, shape (n_train,), (n_test,)
        Positions among the farm's rows with a lab value.
    target : float64, shape (n,)
        Lab values of these.
    """
    text = json.dumps([train.tolist(), test.tolist(), [f"{y:.6g}" for y in target]])
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def round_predictions(predicted: FloatArray) -> tuple[float, ...]:
    """Return predictions of shape (n,) to seven figures."""
    return tuple(float(f"{p:.7g}") for p in predicted)


def append_lines(path: Path, lines: Iterable[Line]) -> None:
    """Write lines at the end of a file, at once."""
    text = "".join(json.dumps(asdict(line), ensure_ascii=False) + "\n" for line in lines)
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def drop_half_line(path: Path) -> None:
    """Cut what a killed run left of a line at the end of a file, if there is a file."""
    if path.exists():
        text = path.read_bytes()
        whole = text.rfind(b"\n") + 1
        if whole < len(text):
            path.write_bytes(text[:whole])


def read_lines(paths: Sequence[Path]) -> list[Line]:
    """Read the lines of several files; of a model that has a draw in two of them, the first counts.

    Raises
    ------
    DataError
        If a line cannot be read, stands twice in a file, or has other rows than another of its
        draw.
    """
    found: dict[tuple[str, int, str], Line] = {}
    rows: dict[tuple[str, int], str] = {}
    for path in paths:
        here: set[tuple[str, int, str]] = set()
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            where = f"{path.name}: line {number}"
            try:
                values = json.loads(text)
                line = Line(**values | {"predicted": tuple(values["predicted"])})
            except (json.JSONDecodeError, TypeError, KeyError) as error:
                raise DataError(f"{where}: not a line of bench_peer_sites.py ({error})") from error
            name = f"{line.model} on draw {line.draw} of {line.site}"
            key = (*line.unit, line.model)
            if key in here:
                raise DataError(f"{where}: {name} stands twice. Delete one of the two lines.")
            if rows.setdefault(line.unit, line.rows) != line.rows:
                raise DataError(f"{where}: {name} has other rows than the lines before it.")
            here.add(key)
            found.setdefault(key, line)
    return list(found.values())


def rmse(observed: FloatArray, predicted: FloatArray) -> float:
    """Return the root mean squared error."""
    return float(np.sqrt(np.mean((predicted - observed) ** 2)))
