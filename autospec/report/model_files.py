"""The model files of a run's folder: which model is recommended, and what its card tells of it.

Of a search's winner and PLSR the one with the lower RMSE in the inner cross-validation is
``model.safetensors``; the test rows have no say in that. A localisation keeps auto. The same result
gives the same files, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from autospec.errors import UsageError
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.metrics import Estimate
from autospec.localisation.result import AUTO, MEAN, PLSR_LOCAL, LocalisationResult
from autospec.predict.bundle import make_bundle, save_model
from autospec.predict.card import card_name
from autospec.predict.document import Accuracy, ModelBundle, describe_provenance
from autospec.report.sections import MODEL_FILE
from autospec.report.trust_section import TUNED
from autospec.report.words import count, number
from autospec.search.candidates import MEAN as MEAN_ROW
from autospec.search.candidates import WINNER
from autospec.search.final import PLSR
from autospec.search.result import ModelResult, SearchResult

OTHER_FILES = {"winner": "network.safetensors", "plsr": "plsr.safetensors"}
ROWS = {"winner": WINNER, "plsr": PLSR}
NO_MODEL = "No model file was written"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptModels:
    """What was written.

    Parameters
    ----------
    files : tuple of Path
        Model files, the recommended one first; none if there was nothing to keep.
    choice : str
        Which is recommended and why, or why there is none, in a sentence.
    """

    files: tuple[Path, ...]
    choice: str


def write_search_models(
    result: SearchResult, models: Mapping[str, CalibratedModel], folder: Path
) -> KeptModels:
    """Write the winner and PLSR into a run's folder.

    Parameters
    ----------
    result : SearchResult
        Of the run.
    models : mapping of str to CalibratedModel
        "winner" and "plsr", or fewer: what `Execution.on_model` was given.
    folder : Path
        Held by the caller; files of an earlier run are replaced, or removed.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    left, lost = list(models), ""
    while True:
        order, choice = _recommended(result, left)
        written: list[Path] = []
        for place, key in enumerate(order):
            path = folder / (OTHER_FILES[key] if place else MODEL_FILE)
            try:
                save_model(_search_bundle(result, key, models[key], choice + lost), path)
            except UsageError as error:  # a search of hours does not end because of this
                left.remove(key)
                lost += f" {ROWS[key]} was not written: {error}"
                break
            written.append(path)
        else:
            remove_others(folder, written)
            return KeptModels(files=tuple(written), choice=choice + lost)


def write_localise_model(
    result: LocalisationResult, calibrated: CalibratedModel | None, folder: Path
) -> KeptModels:
    """Write auto, fitted on every labelled row of the farm, into a run's folder.

    Parameters
    ----------
    result : LocalisationResult
        Of the run.
    calibrated : CalibratedModel or None
        What `LocaliseExecution.on_model` was given.
    folder : Path
        Held by the caller; a file of an earlier run is replaced, or removed.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    if calibrated is None:
        remove_others(folder, [])
        return KeptModels(files=(), choice=f"{NO_MODEL}: auto has no intervals; see the notes.")
    path = folder / MODEL_FILE
    try:
        save_model(_localise_bundle(result, calibrated), path)
    except UsageError as error:
        remove_others(folder, [])
        return KeptModels(files=(), choice=f"{NO_MODEL}: {error}")
    remove_others(folder, [path])
    return KeptModels(files=(path,), choice=f"{MODEL_FILE} is auto, on {_learnt(calibrated)}.")


def _learnt(calibrated: CalibratedModel) -> str:
    return f"{count(calibrated.train.n)} labelled rows of the farm"


def _localise_bundle(result: LocalisationResult, calibrated: CalibratedModel) -> ModelBundle:
    learnt, trained = _learnt(calibrated), _training_rows(result)
    named = {"RMSE": AUTO, "RMSE of PLSR": PLSR_LOCAL, "RMSE of the mean": MEAN}
    known = {row.name: row.rmse for row in result.models if row.rmse.value is not None}
    draws = {row.name: _draws(len(row.outcomes)) for row in result.models}
    bundle = make_bundle(
        calibrated,
        name=model_name(result.name, "auto"),
        model_kind=f"auto, a stack fitted on {learnt}: {result.final.detail}",
        provenance=describe_provenance("localise", calibrated.train, (result.inputs_digest,)),
        accuracy=tuple(
            accuracy_of(
                what,
                known[name],
                result.farm.target_unit,
                f"test rows of {draws[name]} of {trained} training rows",
            )
            for what, name in named.items()
            if name in known
        ),
        trust=result.trust,
        trust_rows=_localise_trust_rows(result, calibrated),
        limits=(
            "It is this farm's: another farm wants samples of its own and another run.",
            f"The accuracy is that of models of {trained} training rows; this one learned from "
            f"{learnt}.",
            *_fewer_draws(result),
        ),
    )
    return replace(bundle, made=result.environment.started)


def _draws(n: int) -> str:
    return f"{count(n)} draw{'s' if n != 1 else ''}"


def _training_rows(result: LocalisationResult) -> str:
    """Return how many rows trained in a draw: a small farm has fewer than were asked for."""
    sizes = sorted({len(draw.train) for draw in result.draws})
    return " to ".join(dict.fromkeys((count(sizes[0]), count(sizes[-1])))) if sizes else "no"


def _localise_trust_rows(result: LocalisationResult, calibrated: CalibratedModel) -> str:
    if result.trust is None:
        return ""
    return (
        f"the test rows of {_draws(len(result.intervals))} (a row counts once a draw), predicted "
        f"by models made the same way from {_training_rows(result)} training rows; this one "
        f"learned from all {_learnt(calibrated)}"
    )


def _fewer_draws(result: LocalisationResult) -> tuple[str, ...]:
    """Say over how many draws accuracy and trust are, where these differ."""
    scored, counted = len(result.model(AUTO).outcomes), len(result.intervals)
    if result.trust is None or scored == counted:
        return ()
    return (
        f"The accuracy is over {_draws(scored)}; intervals and domain were counted on "
        f"{counted} of them.",
    )


def _recommended(result: SearchResult, keys: Sequence[str]) -> tuple[list[str], str]:
    """Order what can be kept by the RMSE of the inner cross-validation, and say so."""
    rmse = {row.name: row.cv_rmse for row in result.models}
    known = {key: value for key in keys if (value := rmse.get(ROWS[key])) is not None}
    order = sorted(keys, key=lambda key: known.get(key, float("inf")))
    if not order:
        return [], f"{NO_MODEL}: no model has intervals; see the notes."
    if len(order) == 1:
        return order, f"{MODEL_FILE} is {ROWS[order[0]]}: the only model that could be calibrated."
    first, second = (f"{ROWS[key]} ({number(known.get(key))})" for key in order)
    return order, (
        f"{MODEL_FILE} is {first}, {OTHER_FILES[order[1]]} is {second}: RMSE in "
        f"{result.data.target_unit} of the inner cross-validation, which alone chose."
    )


def _search_bundle(
    result: SearchResult, key: str, calibrated: CalibratedModel, choice: str
) -> ModelBundle:
    rows = {row.name: row for row in result.models}
    own = rows[ROWS[key]]
    named = {"RMSE": own, "RMSE of PLSR": rows.get(PLSR), "RMSE of the mean": rows.get(MEAN_ROW)}
    bundle = make_bundle(
        calibrated,
        name=model_name(result.name, "network" if key == "winner" else "plsr"),
        model_kind=_kind(result, key, own),
        provenance=describe_provenance("search", calibrated.train, (result.split_digest,)),
        accuracy=tuple(
            accuracy_of(
                what, row.scores.rmse, result.data.target_unit, f"{result.n_test} sealed test rows"
            )
            for what, row in named.items()
            if row is not None
            and row.scores is not None
            and not (key == "plsr" and what == "RMSE of PLSR")
        ),
        trust=own.trust,
        trust_rows=f"the {result.n_test} sealed test rows, which it never saw" if own.trust else "",
        limits=(choice, TUNED) if key == "winner" else (choice,),
    )
    return replace(bundle, made=result.environment.started)


def _kind(result: SearchResult, key: str, own: ModelResult) -> str:
    if key == "plsr":
        return f"PLSR, {own.detail}"
    members = count(result.settings.members)
    return f"The mean of {members} 1D-CNNs that a search found; {own.detail}"


def accuracy_of(what: str, rmse: Estimate, unit: str, rows: str) -> Accuracy:
    """Return a measured RMSE as a line of a card."""
    assert rmse.value is not None
    return Accuracy(what=what, value=rmse.value, low=rmse.low, high=rmse.high, unit=unit, rows=rows)


def model_name(run: str, model: str) -> str:
    """Return a name of a model; a long one of a run is cut."""
    return f"{run[: 63 - len(model)].rstrip('-_')}-{model}"


def remove_others(folder: Path, written: Sequence[Path]) -> None:
    """Remove model files of an earlier run: a stale one would be taken for this run's."""
    for name in (MODEL_FILE, *OTHER_FILES.values()):
        path = folder / name
        if path not in written:
            path.unlink(missing_ok=True)
            (folder / card_name(path.stem)).unlink(missing_ok=True)
