"""Every error autospec raises on purpose, each with the exit code the command line ends with.

::

    AutospecError                 anything below; catch this one
    ├── UsageError        (2)     an option, a name or a study file is wrong
    │   └── SettingsDiffer  (2)   the output folder holds another study
    ├── DataError         (65)    a table of spectra, or a site, cannot be used
    ├── StorageError      (69)    the study database cannot be opened or written
    ├── OutputError       (74)    a result file cannot be written or read
    ├── RetryLater        (75)    another process holds the output folder, or is at the study
    ├── ReportedElsewhere (0)     another worker makes the report; this one is done
    ├── StudyFailed       (1)     the study cannot go on
    └── TrialFailed       (1)     this trial is lost; the study goes on
        └── OutOfMemory     (1)   it did not fit the memory there is

A user's mistake is one of these; our own mistake is an ``AssertionError``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import ClassVar

EXIT_INTERRUPTED = 130
SHOWN_PROBLEMS = 20


class AutospecError(Exception):
    """Base of all errors that autospec raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(AutospecError):
    """An option, a name or a study file is wrong."""

    exit_code: ClassVar[int] = 2


class SettingsDiffer(UsageError):
    """The output folder holds a study that was run with other settings."""


class DataError(AutospecError):
    """A table of spectra cannot be used; carries every problem found.

    Parameters
    ----------
    problems
        One line each: what, where, found, wanted, next step. The message shows the
        first 20 and says how many more there are.
    """

    exit_code: ClassVar[int] = 65

    def __init__(self, problems: str | Sequence[str]) -> None:
        self.problems: tuple[str, ...] = (
            (problems,) if isinstance(problems, str) else tuple(problems)
        )
        super().__init__("\n".join(shorten(self.problems)))


class StorageError(AutospecError):
    """The study database cannot be opened or written."""

    exit_code: ClassVar[int] = 69


class OutputError(AutospecError):
    """A result file cannot be written or read back."""

    exit_code: ClassVar[int] = 74


class RetryLater(AutospecError):
    """Another process holds what this one needs; the same call may work later."""

    exit_code: ClassVar[int] = 75


class ReportedElsewhere(AutospecError):
    """This worker is done, and another one makes the report, or has made it."""

    exit_code: ClassVar[int] = 0


class StudyFailed(AutospecError):
    """The study cannot go on."""


class TrialFailed(AutospecError):
    """This trial is lost; the study goes on."""


class OutOfMemory(TrialFailed):
    """A trial did not fit the memory there is."""


def shorten(lines: Sequence[str], limit: int = SHOWN_PROBLEMS) -> list[str]:
    """Return the first `limit` lines, and one that counts the rest."""
    shown = list(lines[:limit])
    if len(lines) > limit:
        shown.append(f"... and {len(lines) - limit} more of the same kind")
    return shown


def near(word: str, known: Iterable[str]) -> str:
    """Return `` Did you mean 'x'?`` for the nearest known word, or an empty string."""
    names = list(known)
    same = [name for name in names if name.casefold() == word.casefold()]  # 'ET' for 'et'
    matches = same or difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    return f" Did you mean {matches[0]!r}?" if matches else ""
