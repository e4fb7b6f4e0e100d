"""What a search is told: settings, and the study files that carry them.

Studies say what to run, never how: there is no device, no thread count and no path of a machine
in a study file.
"""

from __future__ import annotations

import re
import tomllib
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from annotated_types import Ge, Gt, Le

from autospec.errors import UsageError, near
from autospec.search.design import Caps
from autospec.search.space import SearchSpace

Sampler = Literal["tpe", "gp", "random"]
Control = Literal["none", "random"]
STUDY_FOLDER = "studies"
MAX_STUDY_BYTES = 1_000_000
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


def read_study(name: str | Path) -> StudyFile:
    """Read a study file, by path or by the name of one that autospec brings along.

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
    path = find_study(str(name))
    try:
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise UsageError(f"{path}: larger than {MAX_STUDY_BYTES} bytes; is this a study file?")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # tomllib's own error is a ValueError
        raise UsageError(f"{path}: cannot be read as a study file: {error}") from error
    return _parse_study(data, str(path))


def find_study(name: str) -> Path:
    """Return the path of a study file, given its path or the name of a bundled one."""
    with suppress(OSError):  # longer than a name may be
        if Path(name).is_file():
            return Path(name)
    names = sorted(p.stem for p in _bundled_studies().glob("*.toml"))
    if name in names:
        return _bundled_studies() / f"{name}.toml"
    raise UsageError(
        f"there is no study file {name!r}.{near(name, names)} "
        f"Want a path to a .toml file, or one of: {', '.join(names)}"
    )


def _bundled_studies() -> Path:
    """Return the folder of bundled studies: inside an installed package, or beside a clone's."""
    package = Path(__file__).parents[1]
    inside = package / STUDY_FOLDER
    return inside if inside.is_dir() else package.parent / STUDY_FOLDER


def _parse_study(data: dict[str, Any], where: str) -> StudyFile:
    from pydantic import TypeAdapter, ValidationError

    problems = _unknown_keys(data, where)
    search = data.get("search")
    if isinstance(search, dict) and isinstance(search.get("budget"), str):
        search["budget_s"] = parse_duration(search.pop("budget"))
    if not problems:
        try:
            return TypeAdapter(StudyFile).validate_python(data)
        except ValidationError as error:
            for item in error.errors():
                key = ".".join(str(part) for part in item["loc"])
                message = item["msg"].removeprefix("Value error, ")
                problems.append(f"{where}: {key} = {item['input']!r}: {message}")
    raise UsageError("\n".join(problems))


def _unknown_keys(data: dict[str, Any], where: str) -> list[str]:
    """Name every key that no setting has, with the nearest one that exists."""
    known: dict[str, tuple[str, ...]] = {
        "": _names(StudyFile),
        "data": _names(DataSource),
        "search": (*_names(SearchSettings), "budget"),
        "search.space": _names(SearchSpace),
        "search.caps": _names(Caps),
    }
    problems: list[str] = []

    def walk(table: dict[str, Any], prefix: str) -> None:
        for key, value in table.items():
            full = f"{prefix}.{key}" if prefix else key
            if key not in known[prefix]:
                section = f"[{prefix}]" if prefix else "the file"
                problems.append(
                    f"{where}: {section} has no setting {key!r}.{near(key, known[prefix])}"
                )
            elif isinstance(value, dict) and full in known:
                walk(value, full)

    walk(data, "")
    return problems


def _names(kind: type) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))
