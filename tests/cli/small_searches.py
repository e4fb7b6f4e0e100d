"""`autospec` with small searches on cubes and maps, as a program: the command's own take minutes.

The process that begins a study is given small settings; its workers are the real command, and read
them from the study.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from autospec.__main__ import main
from autospec.cli import cube_search, stack_search
from tests.search.cubes.made_study import SETTINGS as ON_CUBES
from tests.search.maps.made_stack import SETTINGS as ON_MAPS

CUBE_SETTINGS, STACK_SETTINGS = cube_search.cube_settings, stack_search.stack_settings


def small_cube_settings(*asked: Any) -> Any:
    """Return what was asked, with a small space."""
    found = CUBE_SETTINGS(*asked)
    return replace(found, members=2, published=False, space=ON_CUBES.space)


def small_stack_settings(*asked: Any) -> Any:
    """Return what was asked, with a small space and short epochs."""
    found = STACK_SETTINGS(*asked)
    return replace(found, tiles_an_epoch=4, published=False, space=ON_MAPS.space)


if __name__ == "__main__":
    cube_search.cube_settings = small_cube_settings
    stack_search.stack_settings = small_stack_settings
    main()
