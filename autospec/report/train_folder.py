"""The folder of a training: train.json there and back. The checkpoint is training's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from autospec.data.json_text import first_non_finite
from autospec.data.writing import write_text
from autospec.errors import OutputError
from autospec.report.folder import ResultFile, read_result
from autospec.report.jobs import JOBS, TRAIN_FILE
from autospec.training.cube_training import (
    NETWORK,
    TRAIN_SCHEMA_VERSION,
    TrainResult,
    TrainSettings,
)
from autospec.training.map_result import MapTraining


def dump_training(result: TrainResult | MapTraining) -> str:
    """Return `result` as JSON text: deterministic, keys in the order of the fields, no NaN."""
    data = asdict(result)
    bad = first_non_finite(data, "result")
    assert bad is None, f"{bad} is not finite"
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_training(result: TrainResult, folder: Path) -> Path:
    """Write train.json into `folder`, whole or not at all.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    write_text(folder / TRAIN_FILE, dump_training(result))
    return folder / TRAIN_FILE


def load_training(run: str | Path) -> TrainResult:
    """Read a train.json and check all of it.

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
    return read_result(run, TRAINING)


def finished_training(folder: Path, settings: TrainSettings, digest: str) -> TrainResult | None:
    """Return the folder's result if it is what these settings on these samples would give again.

    Parameters
    ----------
    folder : Path
        The output folder.
    settings : TrainSettings
        What is asked for now.
    digest : str
        Of the labelled samples.

    Returns
    -------
    TrainResult or None
        None if there is none, an unreadable one, one of another training, or one that can go on.
    """
    try:
        result = load_training(folder / TRAIN_FILE)
    except OutputError:
        return None  # the training is taken up again, and writes the file anew
    same = result.settings == settings and result.data.digest == digest
    return result if same and result.ended in ("complete", "patience") else None


def _disagreement(result: TrainResult) -> str:
    n = result.split.n_test
    if not len(result.test_ids) == len(result.observed) == n:
        return f"test_ids and observed: want {n} of each"
    for model in result.models:
        if len(model.predicted) != n:
            return f"{model.name!r} predicts {len(model.predicted)} samples; want {n}"
    if not any(model.name == NETWORK for model in result.models):
        return f"models: want one called {NETWORK!r}"
    if [epoch.epoch for epoch in result.epochs] != list(range(1, len(result.epochs) + 1)):
        return "epochs: want all, from 1 on"
    if not 1 <= result.best_epoch <= len(result.epochs):
        return f"best_epoch {result.best_epoch} is not among the epochs"
    return ""


TRAINING: ResultFile[TrainResult] = ResultFile(
    name=TRAIN_FILE,
    kind=TrainResult,
    version=TRAIN_SCHEMA_VERSION,
    job=JOBS[TRAIN_FILE],
    disagreement=_disagreement,
)
