"""The packages of the extra ``cubes``: whether they are there, and what to do if not."""

from __future__ import annotations

import importlib.util

from autospec.errors import UsageError

INSTALL = 'pip install "autospec-soil[cubes]"'


def need(packages: tuple[str, ...], what: str) -> None:
    """Refuse what cannot be done without packages of the extra.

    Raises
    ------
    UsageError
        Naming what is missing and how it is installed.
    """
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{what} wants {', '.join(missing)}. Install them: {INSTALL}")
