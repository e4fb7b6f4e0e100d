"""The model file of a search on cubes: its winner, and what its card tells of it.

The baselines are not kept: their forests are another program's, and they stand beside the winner to
be compared with. The same result gives the same file, byte for byte.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autospec.data.cubes.splits import LEAKAGE_WARNING
from autospec.errors import UsageError
from autospec.evaluate.cube_trust import CalibratedCubes
from autospec.predict.bundle import save_model
from autospec.predict.cube_bundle import make_cube_bundle
from autospec.predict.document import Accuracy, CubeBundle, describe_provenance
from autospec.report.model_files import (
    NO_MODEL,
    KeptModels,
    accuracy_of,
    model_name,
    remove_others,
)
from autospec.report.sections import MODEL_FILE
from autospec.report.trust_section import TUNED
from autospec.report.words import count, number
from autospec.search.candidates import MEAN, WINNER
from autospec.search.cubes.result import CubeResult


def write_cube_models(
    result: CubeResult, calibrated: CalibratedCubes | None, folder: Path
) -> KeptModels:
    """Write the winner of a search on cubes into a run's folder.

    Parameters
    ----------
    result : CubeResult
        Of the run.
    calibrated : CalibratedCubes or None
        What `Execution.on_model` was given as "winner", if it was.
    folder : Path
        Held by the caller; a file of an earlier run is replaced, or removed.

    Returns
    -------
    KeptModels
        One file, or none and why.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    if calibrated is None:
        remove_others(folder, ())
        return KeptModels(
            files=(), choice=f"{NO_MODEL}: the winner has no intervals; see the notes."
        )
    path = folder / MODEL_FILE
    try:
        save_model(_bundle(result, calibrated), path)
    except UsageError as error:  # a search of hours does not end because of this
        remove_others(folder, ())
        return KeptModels(files=(), choice=f"{NO_MODEL}: {error}")
    remove_others(folder, (path,))
    return KeptModels(files=(path,), choice=_choice(result))


def _choice(result: CubeResult) -> str:
    """Say what is kept, and how the best baseline, which is not, stands beside it."""
    winner, baseline = result.model(WINNER), result.model(result.baseline)
    return (
        f"{MODEL_FILE} is {WINNER} (RMSE {number(winner.cv_rmse)} {result.data.target_unit} in the "
        f"inner cross-validation, {result.baseline} {number(baseline.cv_rmse)}); baselines are not "
        "kept."
    )


def _bundle(result: CubeResult, calibrated: CalibratedCubes) -> CubeBundle:
    own, members = result.model(WINNER), count(result.settings.members)
    rows = f"{count(result.split.n_test)} sealed test samples"
    bundle = make_cube_bundle(
        calibrated,
        name=model_name(result.name, "cubes"),
        model_kind=f"The mean of {members} 3D-CNNs that a search found; {own.detail}",
        provenance=describe_provenance("search", calibrated.train, (result.split.digest,)),
        accuracy=_accuracies(result, rows),
        trust=own.trust,
        trust_rows=f"the {rows}, which it never saw" if own.trust else "",
        limits=(result.verdict, _choice(result), *_split_words(result), TUNED),
    )
    return replace(bundle, made=result.environment.started)


def _accuracies(result: CubeResult, rows: str) -> tuple[Accuracy, ...]:
    """Return the RMSE of the winner, of the best baseline and of the mean, as far as scored."""
    named = {
        "RMSE": WINNER,
        f"RMSE of {result.baseline}": result.baseline,
        "RMSE of the mean": MEAN,
    }
    if result.baseline == MEAN:
        del named[f"RMSE of {MEAN}"]
    scored = {model.name: model.scores for model in result.models}
    return tuple(
        accuracy_of(what, scores.rmse, result.data.target_unit, rows)
        for what, name in named.items()
        if (scores := scored.get(name)) is not None
    )


def _split_words(result: CubeResult) -> tuple[str, ...]:
    """Say what the split lets the scores stand for."""
    split = result.split
    if split.kind == "random":
        return (f"Its scores are optimistic: {LEAKAGE_WARNING}.",)
    if split.kind == "forward":
        return ("Its scores are those of later dates at places like those it learned from.",)
    return (
        f"Its scores are those of whole squares of {split.block_km:.3g} km held out, at least "
        f"{split.buffer_km:g} km from all that it learned from.",
    )
