"""The folder of a training on maps: map-train.json there and back, and the names of its files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from autospec.data.writing import write_text
from autospec.errors import OutputError
from autospec.report.folder import ResultFile, read_result
from autospec.report.jobs import JOBS, MAP_TRAIN_FILE
from autospec.report.train_folder import dump_training
from autospec.training.map_result import MAP_SCHEMA_VERSION, NETWORK, MapTraining
from autospec.training.map_settings import MapSettings

FRAMES_FILE = "map-frames.npz"


def write_map_training(result: MapTraining, folder: Path) -> Path:
    """Write map-train.json into `folder`, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text(folder / MAP_TRAIN_FILE, dump_training(result))
    return folder / MAP_TRAIN_FILE


def load_map_training(run: str | Path) -> MapTraining:
    """Read a map-train.json and check all of it.

    Parameters
    ----------
    run : str or Path
        The file, or the output folder that holds it.

    Raises
    ------
    OutputError
        If it is missing, larger than 64 MB, cut short, of another schema version, or holds
        anything that no training writes.
    """
    return read_result(run, MAP_TRAINING)


def finished_map_training(
    folder: Path, name: str, settings: MapSettings, digest: Callable[[], str]
) -> MapTraining | None:
    """Return the folder's result if it is what these settings on this stack would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    name : str
        Of the stack.
    settings : MapSettings
        What is asked for now.
    digest : callable () -> str
        Of the stack; every value of it is read, and only if all else agrees.

    Returns
    -------
    MapTraining or None
        None if there is none, an unreadable one, one of another training, or one that can go on.
    """
    try:
        result = load_map_training(folder / MAP_TRAIN_FILE)
    except OutputError:
        return None  # the training is taken up again, and writes the file anew
    if (result.name, result.settings) != (name, settings):
        return None
    ended = result.ended in ("complete", "patience")
    return result if ended and result.data.digest == digest() else None


def _disagreement(result: MapTraining) -> str:
    k, names = len(result.data.targets), [model.name for model in result.models]
    if result.settings.aims.targets != result.data.targets or k == 0:
        return "settings.aims.targets and data.targets: want the same, one or more"
    for model in result.models:
        by_target = (model.scores, model.edge_rmse, model.interior_rmse, model.tile_pattern)
        if any(len(part) != k for part in by_target):
            return f"{model.name!r}: want scores, edges and tile_pattern of {k} targets"
        if any(target not in result.data.targets for _, target, _, _ in model.seasons):
            return f"{model.name!r}: seasons of a target that there is not"
    if names[:1] != [NETWORK] or len(set(names)) != len(names):
        return f"models: want {NETWORK!r} first, and different names"
    if result.rival not in names[1:]:
        return f"rival {result.rival!r} is not among the models beside the network"
    if [epoch.epoch for epoch in result.epochs] != list(range(1, len(result.epochs) + 1)):
        return "epochs: want all, from 1 on"
    first = 0 if result.settings.aims.horizon and result.settings.sizes.change else 1
    if not first <= result.best_epoch <= len(result.epochs):
        return f"best_epoch {result.best_epoch} is not among the epochs"
    return ""


MAP_TRAINING: ResultFile[MapTraining] = ResultFile(
    name=MAP_TRAIN_FILE,
    kind=MapTraining,
    version=MAP_SCHEMA_VERSION,
    job=JOBS[MAP_TRAIN_FILE],
    disagreement=_disagreement,
)
