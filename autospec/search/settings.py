"""What a search is told: settings, and what a study file of them holds.

Studies say what to run, never how: there is no device, no thread count and no path of a machine
in a study file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from autospec.errors import UsageError
from autospec.search.design import Caps
from autospec.search.space import SearchSpace
from autospec.search.study_file import checked, load_study, setting_names, unknown_keys

Sampler = Literal["tpe", "gp", "random"]
Control = Literal["none", "random"]
_DURATION = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(s|m|h|d)?\s*$")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """What a search does; the same settings and seed give the same study.

    Parameters
    ----------
    trials : int
        Designs to train (infeasible ones do not count), published ones included.
    budget_s : float
        Wall-clock seconds for the whole job, refits included; the search stops early enough.
    seed : int
        Fixes the split, the folds, every network and every proposal.
    sampler : {"tpe", "gp", "random"}
        Tree-structured Parzen estimator, Gaussian process, or random search.
    control : {"none", "random"}
        Whether random search runs beside it with as many trials.
    test_fraction : float
        Share of the rows sealed as the test set.
    folds, repeats : int
        Inner cross-validation.
    members : int
        Networks (seeds) of the refitted ensemble.
    published : bool
        Whether the three published architectures are tried first and scored.
    space, caps : SearchSpace, Caps
        What is searched, and what a searched design may cost.
    """

    trials: Annotated[int, Ge(1)] = 24
    budget_s: Annotated[float, Gt(0)] = 300.0
    seed: Annotated[int, Ge(0)] = 0
    sampler: Sampler = "tpe"
    control: Control = "none"
    test_fraction: Annotated[float, Ge(0.05), Le(0.5)] = 0.25
    folds: Annotated[int, Ge(2), Le(20)] = 5
    repeats: Annotated[int, Ge(1), Le(20)] = 1
    members: Annotated[int, Ge(1), Le(100)] = 5
    published: bool = True
    space: SearchSpace = field(default_factory=SearchSpace)
    caps: Caps = field(default_factory=Caps)

    EXTENDABLE: ClassVar[frozenset[str]] = frozenset({"trials", "budget_s", "control"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSource:
    """Where a study's spectra come from: a named site, or a file and how to read it."""

    site: str | None = None
    file: str | None = None
    target: str | None = None
    target_unit: str | None = None
    id: str | None = None
    group: str | None = None
    field: str | None = None
    quantity: Literal["reflectance", "absorbance"] | None = None
    axis_unit: Literal["nm", "cm-1"] | None = None
    allow_negative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyFile:
    """A parsed study file: ``[data]``, ``[search]``, ``[search.space]`` and ``[search.caps]``."""

    data: DataSource = field(default_factory=DataSource)
    search: SearchSettings = field(default_factory=SearchSettings)


_KNOWN = {
    "": setting_names(StudyFile),
    "data": setting_names(DataSource),
    "search": (*setting_names(SearchSettings), "budget"),
    "search.space": setting_names(SearchSpace),
    "search.caps": setting_names(Caps),
}


def parse_duration(text: str) -> float:
    """Return the seconds in "90", "90s", "10m", "1.5h" or "2d".

    Raises
    ------
    UsageError
        If the text is no duration above 0.
    """
    match = _DURATION.match(text)
    seconds = float(match[1]) * _SECONDS[match[2] or "s"] if match else 0.0
    if seconds <= 0:
        raise UsageError(f"{text!r} is no duration; want a number and s, m, h or d, such as 10m")
    return seconds


def take_budget(table: object) -> None:
    """Turn a table's `budget`, such as "10m", into its `budget_s`.

    Raises
    ------
    UsageError
        If it is no duration above 0.
    """
    if isinstance(table, dict) and "budget" in table:
        table["budget_s"] = parse_duration(str(table.pop("budget")))


def read_study(name: str | Path) -> StudyFile:
    """Read a search's study file, by path or by the name of one that autospec brings along.

    Parameters
    ----------
    name : str or Path
        A path to a ``.toml`` file, or a name such as "sweden" or "paper".

    Raises
    ------
    UsageError
        If there is no such file, or anything in it is unknown or out of range; every problem is
        named, with the nearest known word.
    """
    data, where = load_study(name, "search")
    problems = unknown_keys(data, where, _KNOWN)
    if problems:
        raise UsageError("\n".join(problems))
    take_budget(data.get("search"))
    return checked(StudyFile, data, where)
