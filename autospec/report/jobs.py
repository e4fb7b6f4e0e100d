"""Which job an output folder belongs to, by the name of its result file; nothing is read here."""

from __future__ import annotations

from pathlib import Path

from autospec.errors import UsageError

SEARCH_FILE, LOCALISATION_FILE = "run.json", "localisation.json"
CUBE_FILE, TRAIN_FILE = "cube-run.json", "train.json"
MAP_TRAIN_FILE, MAP_FILE = "map-train.json", "map-run.json"
JOBS = {
    SEARCH_FILE: "search",
    LOCALISATION_FILE: "localisation",
    CUBE_FILE: "search on cubes",
    TRAIN_FILE: "training",
    MAP_TRAIN_FILE: "training on maps",
    MAP_FILE: "search on maps",
}


def refuse_other(folder: Path, file: str) -> None:
    """Refuse a folder that holds the result of another job: their reports share names.

    Parameters
    ----------
    folder : Path
        The output folder.
    file : str
        What this job will write, such as one of `JOBS`.

    Raises
    ------
    UsageError
        If the file of another lies there.
    """
    other = next((name for name in JOBS if name != file and (folder / name).exists()), None)
    if other is not None:
        job = JOBS[other]
        raise UsageError(
            f"{folder} holds the result of a {job} ({other}), whose report would be overwritten. "
            "Choose another folder with --out."
        )


def refuse_other_study(folder: Path, theirs: str, ours: str) -> None:
    """Refuse a folder whose search has another name: it is one on other data.

    Raises
    ------
    UsageError
        If the names differ.
    """
    if theirs != ours:
        raise UsageError(
            f"{folder} holds the search {theirs!r}, and this one is {ours!r}: its report would be "
            "overwritten. Choose another folder with --out."
        )
