"""The model file of a training: its network, and what the card tells of it."""

from __future__ import annotations

from pathlib import Path

from autospec.data.cubes.splits import LEAKAGE_WARNING
from autospec.evaluate.cube_trust import CalibratedCubes
from autospec.predict.bundle import save_model
from autospec.predict.cube_bundle import make_cube_bundle
from autospec.predict.document import describe_provenance
from autospec.report.model_files import accuracy_of, model_name, remove_others
from autospec.report.sections import MODEL_FILE
from autospec.report.words import count
from autospec.training.cube_training import NETWORK, TrainResult

CHOSEN = (
    "The epoch was chosen on the watched samples, whose errors are among those that its intervals "
    "are made of: they may be a little too narrow."
)
UNCHECKED = "How often its intervals hold was not measured on sealed samples."


def write_train_model(result: TrainResult, calibrated: CalibratedCubes, folder: Path) -> Path:
    """Write the network of a training into its folder, with its card.

    Parameters
    ----------
    result : TrainResult
        Of the training.
    calibrated : CalibratedCubes
        Its network, with twins and domain.
    folder : Path
        Held by the caller; a file of an earlier run is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path = folder / MODEL_FILE
    rows, unit = f"{count(result.split.n_test)} sealed test samples", result.data.target_unit
    bundle = make_cube_bundle(
        calibrated,
        name=model_name(result.name, "train"),
        model_kind=f"One 3D-CNN, with the weights of epoch {result.best_epoch}",
        provenance=describe_provenance("train", calibrated.train, (result.split.digest,)),
        accuracy=tuple(
            accuracy_of(what, model.scores.rmse, unit, rows)
            for model in result.models
            for what in ("RMSE" if model.name == NETWORK else f"RMSE of {model.name}",)
        ),
        limits=_limits(result),
    )
    save_model(bundle, path)
    remove_others(folder, (path,))
    return path


def _limits(result: TrainResult) -> tuple[str, ...]:
    split = result.split
    watched = (
        f"Of its training samples {count(split.n_fit)} were learned from; {count(split.n_watch)} "
        "were watched, to choose the epoch, and others left out between."
    )
    leaks = (f"Its scores are optimistic: {LEAKAGE_WARNING}.",)
    random = result.settings.split.kind == "random"
    return (result.verdict, watched, *(leaks if random else ()), CHOSEN, UNCHECKED)
