"""`write_report_again`: the report of a finished training on maps, from what its folder holds."""

from __future__ import annotations

from pathlib import Path

from autospec.evaluate.map_frames import read_frames
from autospec.report.map_folder import FRAMES_FILE, load_map_training
from autospec.report.maps.page import write_map_report


def write_report_again(run: Path) -> tuple[Path, ...]:
    """Write the report of a finished training on maps; the caller holds the folder's lock.

    Parameters
    ----------
    run : Path
        Its folder. Without the file of its maps the report says that they were not kept.

    Raises
    ------
    OutputError
        If a file of the training is damaged, or a file cannot be written.
    """
    frames = run / FRAMES_FILE
    return write_map_report(
        load_map_training(run), read_frames(frames) if frames.exists() else None, run
    )
