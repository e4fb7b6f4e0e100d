"""Study files of any command: found by path or by name, read, and every problem named at once.

What a search's may hold is in `autospec.search.settings`, a localisation's in
`autospec.localisation.study`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from autospec.errors import UsageError, near

STUDY_FOLDER = "studies"
MAX_STUDY_BYTES = 1_000_000
COMMANDS = ("search", "localise")  # each has a table of its name; a file is for one of them
T = TypeVar("T")


def load_study(name: str | Path, command: str) -> tuple[dict[str, Any], str]:
    """Read a study file, by path or by the name of one that autospec brings along.

    Parameters
    ----------
    name : str or Path
        A path to a ``.toml`` file, or a name such as "sweden".
    command : {"search", "localise"}
        Whose it has to be.

    Returns
    -------
    dict, str
        Its tables, not checked yet, and its path.

    Raises
    ------
    UsageError
        If there is no such file, it cannot be read, or it is for another command.
    """
    path = find_study(str(name))
    try:
        if path.stat().st_size > MAX_STUDY_BYTES:
            raise UsageError(f"{path}: larger than {MAX_STUDY_BYTES} bytes; is this a study file?")
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:  # tomllib's own error is a ValueError
        raise UsageError(f"{path}: cannot be read as a study file: {error}") from error
    for other in COMMANDS:
        if other != command and other in data:
            raise UsageError(
                f"{path}: [{other}] is for autospec {other}; autospec {command} wants a study "
                f"file with a table [{command}]"
            )
    return data, str(path)


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


def unknown_keys(
    data: dict[str, Any], where: str, known: Mapping[str, tuple[str, ...]]
) -> list[str]:
    """Name every key that no setting has, with the nearest one that exists.

    Parameters
    ----------
    data : dict
        The file's tables.
    where : str
        Its path.
    known : mapping of str to tuple of str
        Table → its keys; "" is the file, and "a.b" the table b in a.
    """
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


def checked(kind: type[T], values: object, where: str, prefix: str = "") -> T:
    """Return values as a dataclass.

    Parameters
    ----------
    kind : type
        The dataclass.
    values : object
        By name; lists become tuples.
    where, prefix : str
        The file, and the table in it that they are from.

    Raises
    ------
    UsageError
        If any is out of range; every problem is named.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(values)
    except UsageError as error:  # what only all values together can tell
        raise UsageError(f"{where}: {error}") from error
    except ValidationError as error:
        problems = []
        for item in error.errors():
            key = ".".join(str(part) for part in (prefix, *item["loc"]) if part != "")
            message = item["msg"].removeprefix("Value error, ")
            problems.append(f"{where}: {key} = {item['input']!r}: {message}")
        raise UsageError("\n".join(problems)) from error


def setting_names(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass' fields."""
    return tuple(f.name for f in fields(kind))
