"""What a study file of ``autospec localise`` holds: settings, targets and sizes, in ``[localise]``.

How a study file is found and read is in `autospec.search.study_file`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from annotated_types import Ge

from autospec.data.sites import Target
from autospec.errors import UsageError
from autospec.localisation.settings import MIN_SAMPLES, LocaliseSettings
from autospec.search.settings import take_budget
from autospec.search.study_file import checked, load_study, setting_names, unknown_keys

TABLE = "localise"
GRID = ("targets", "sizes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """What a study localises each farm for.

    Parameters
    ----------
    targets : tuple of {"soc", "clay", "ph"}
        Lab values; empty: the one that the command names.
    sizes : tuple of int
        Training samples in a draw; empty: `LocaliseSettings.n`.
    """

    targets: tuple[Target, ...] = ()
    sizes: tuple[Annotated[int, Ge(MIN_SAMPLES)], ...] = ()

    def __post_init__(self) -> None:
        """Refuse what would be run twice."""
        for name in GRID:
            values = getattr(self, name)
            if len(set(values)) < len(values):
                shown = ", ".join(map(str, values))
                raise UsageError(f"{TABLE}.{name} = {shown}; want each once")


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaliseStudy:
    """A parsed study file."""

    settings: LocaliseSettings = field(default_factory=LocaliseSettings)
    grid: Grid = field(default_factory=Grid)


def read_localise_study(name: str | Path) -> LocaliseStudy:
    """Read a localisation's study file, by path or by the name of one that autospec brings along.

    Parameters
    ----------
    name : str or Path
        A path to a ``.toml`` file, or a name such as "benchmark-sites".

    Raises
    ------
    UsageError
        If there is no such file, or anything in it is unknown or out of range; every problem is
        named, with the nearest known word.
    """
    data, where = load_study(name, TABLE)
    known = {"": (TABLE,), TABLE: (*setting_names(LocaliseSettings), "budget", *GRID)}
    problems = unknown_keys(data, where, known)
    table = data.get(TABLE)
    if not isinstance(table, dict):
        problems.append(f"{where}: there is no table [{TABLE}]")
    elif "n" in table and "sizes" in table:
        problems.append(f"{where}: [{TABLE}] has both n and sizes; want one of the two")
    if problems or not isinstance(table, dict):
        raise UsageError("\n".join(problems))
    take_budget(table)
    grid = {key: table.pop(key) for key in GRID if key in table}
    return LocaliseStudy(
        settings=checked(LocaliseSettings, table, where, TABLE),
        grid=checked(Grid, grid, where, TABLE),
    )
