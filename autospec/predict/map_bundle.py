"""`make_map_bundle`: a trained network of maps written down as plain data; nothing is fitted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from autospec.evaluate.metrics import Estimate
from autospec.predict.bundle import settled
from autospec.predict.document import Accuracy, MapBundle, Provenance, state_provenance
from autospec.training.map_network import MapNetwork
from autospec.training.map_result import NETWORK, MapModel, MapTraining


def make_map_bundle(
    network: MapNetwork,
    *,
    training: MapTraining,
    name: str,
    provenance: Provenance | None = None,
    accuracy: tuple[Accuracy, ...] | None = None,
    limits: tuple[str, ...] = (),
) -> MapBundle:
    """Write a trained network of maps down so that it can be kept.

    Parameters
    ----------
    network : MapNetwork
    training : MapTraining
        What its training found: names, steps and cells of the stack, and scores.
    name : str
        Lower-case letters, digits, hyphens, underscores; at most 64.
    provenance : Provenance, optional
        By default that of `autospec train`.
    accuracy : tuple of Accuracy, optional
        By default the scores of the training, the other models' among them.
    limits : tuple of str
        When not to trust it, in sentences.

    Raises
    ------
    UsageError
        If the name cannot be one, or the parts do not fit together.
    """
    data = training.data
    if provenance is None:
        provenance = state_provenance(
            "train", data.digest, data.provenance, (training.split.digest,)
        )
    state = {
        key: value.detach().cpu().numpy().copy()
        for key, value in network.network.state_dict().items()
    }
    bundle = MapBundle(
        name=name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model_kind=f"One CNN-Transformer, with the weights of epoch {training.best_epoch}",
        aims=network.aims,
        inputs=data.inputs,
        static_channels=data.static_channels,
        step_s=data.step_s,
        cell=data.cell,
        crs=data.crs,
        tile=training.settings.tile,
        first_time=data.first_time,
        last_time=data.last_time,
        synthetic=data.synthetic,
        sizes=network.sizes,
        gaps=network.gaps,
        scaler=network.scaler,
        state=state,
        provenance=provenance,
        accuracy=tuple(_accuracy(training)) if accuracy is None else accuracy,
        limits=(*limits, training.verdict, *_held_out(training)),
    )
    return settled(bundle)


def _accuracy(training: MapTraining) -> Iterator[Accuracy]:
    """Yield the scores of all models, target by target."""
    for k, target in enumerate(training.data.targets):
        for model in training.models:
            yield from _scores_of(model, k, target)


def _scores_of(model: MapModel, k: int, target: str) -> Iterator[Accuracy]:
    scores = model.scores[k]
    rows = f"{scores.pooled.n:,} sealed cells and dates, in {scores.n_groups:,} groups"
    whose = "" if model.name == NETWORK else f" of {model.name}"
    numbers = {"RMSE": scores.pooled.rmse}
    if model.name == NETWORK:
        numbers |= {"ME": scores.pooled.me, "R2": scores.pooled.r2}
    for what, number in numbers.items():
        if number.value is not None:
            yield _record(f"{what}{whose}, {target}", number, rows)


def _record(what: str, number: Estimate, rows: str) -> Accuracy:
    assert number.value is not None, "undefined ones are left out"
    return Accuracy(
        what=what, value=number.value, low=number.low, high=number.high, unit="", rows=rows
    )


def _held_out(training: MapTraining) -> tuple[str, ...]:
    """Say what its scores are about: another place, or a later time."""
    if training.split.kind == "forward":
        return (
            "Its scores are of later dates at the places that it learned from: elsewhere it may do "
            "worse.",
        )
    return (
        "Its scores are of other places on the dates that it learned from: on other dates it may "
        "do worse.",
    )
