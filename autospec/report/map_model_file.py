"""The model file of a training on maps: its network, and what the card tells of it."""

from __future__ import annotations

from pathlib import Path

from autospec.predict.bundle import save_model
from autospec.predict.map_bundle import make_map_bundle
from autospec.report.model_files import model_name, remove_others
from autospec.report.sections import MODEL_FILE
from autospec.training.map_network import MapNetwork
from autospec.training.map_result import MapTraining


def write_map_model(result: MapTraining, network: MapNetwork, folder: Path) -> Path:
    """Write the network of a training into its folder, with its card.

    Parameters
    ----------
    result : MapTraining
        Of the training.
    network : MapNetwork
        The one that was scored.
    folder : Path
        Held by the caller; a file of an earlier run is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = folder / MODEL_FILE
    name = model_name(result.name, "train")
    save_model(make_map_bundle(network, training=result, name=name), path)
    remove_others(folder, (path,))
    return path
