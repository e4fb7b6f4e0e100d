"""What reading a file has found so far, and how rows are named in it; no checks live here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autospec.errors import shorten

LINES_A_KIND = 50


@dataclass(frozen=True, slots=True)
class Findings:
    """Three growing lists of sentences about one file.

    Parameters
    ----------
    recognised
        What was understood without changing anything: columns, units, quantity.
    mended
        What was changed on the way in: scales, order, encodings, groups.
    problems
        What keeps the file from being used, one line each.
    """

    recognised: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def refuse(self, lines: Iterable[str]) -> None:
        """Add the problems of one kind: the first 50 lines, then a count of the rest."""
        self.problems.extend(shorten(list(lines), LINES_A_KIND))


@dataclass(frozen=True, slots=True, kw_only=True)
class RowNames:
    """How messages name a row: its number in the file, and its id when it has one.

    Parameters
    ----------
    numbers : sequence of int, length n
        Row numbers a user sees.
    ids : sequence of str, length n
        Sample names; empty where the file gives none.
    """

    numbers: Sequence[int]
    ids: Sequence[str]

    def __getitem__(self, row: int) -> str:
        """Return ``row 17 (id S-204)`` for a row counted from 0."""
        name = "".join(c if c.isprintable() else "?" for c in self.ids[row][:40])
        return f"row {self.numbers[row]} (id {name})" if name else f"row {self.numbers[row]}"


def some(names: Iterable[str], limit: int = 5) -> str:
    """Quote the first names of a list, and count the others."""
    quoted = [repr(name) for name in names]
    more = f" and {len(quoted) - limit} more" if len(quoted) > limit else ""
    return ", ".join(quoted[:limit]) + more


def count(number: int, noun: str) -> str:
    """Return ``1 row`` or ``3 rows``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
