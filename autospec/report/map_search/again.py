"""`write_search_again`: the report of a finished search on a stack, from what its folder holds."""

from __future__ import annotations

from pathlib import Path

from autospec.evaluate.map_frames import read_frames
from autospec.report.map_folder import FRAMES_FILE
from autospec.report.map_search.folder import load_map_search
from autospec.report.map_search.page import write_map_search


def write_search_again(run: Path) -> tuple[Path, ...]:
    """Write the report of a finished search on a stack; the caller holds the folder's lock.

    Parameters
    ----------
    run : Path
        Its folder. Without the file of its maps the report says that they were not kept.

    Raises
    ------
    OutputError
        If a file of the search is damaged, or a file cannot be written.
    """
    frames = run / FRAMES_FILE
    return write_map_search(
        load_map_search(run), read_frames(frames) if frames.exists() else None, run
    )
