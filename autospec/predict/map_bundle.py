"""`make_map_bundle`: a trained network of maps written down as plain data; nothing is fitted."""

from __future__ import annotations

from datetime import UTC, datetime

from autospec.predict.bundle import settled
from autospec.predict.document import Accuracy, MapBundle, Provenance, state_provenance
from autospec.training.map_network import MapNetwork
from autospec.training.map_result import NETWORK, MapTraining


def make_map_bundle(
    network: MapNetwork,
    *,
    training: MapTraining,
    name: str,
    provenance: Provenance | None = None,
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
    limits
        As of `MapBundle`; the verdict and what its scores are about are added.

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
    epoch = training.best_epoch
    which = f"with the weights of epoch {epoch}" if epoch else "untrained: no epoch was better"
    bundle = MapBundle(
        name=name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model_kind=f"One CNN-Transformer, {which}",
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
        accuracy=_accuracy(training),
        limits=(training.verdict, *limits, _held_out(training)),
    )
    return settled(bundle)


def _accuracy(training: MapTraining) -> tuple[Accuracy, ...]:
    """Return the RMSE of the network on what was held out, and of the simpler models beside it."""
    targets = training.data.targets
    return tuple(
        Accuracy(
            what=("RMSE" if model.name == NETWORK else f"RMSE of {model.name}")
            + (f", {target}" if len(targets) > 1 else ""),
            value=scores.pooled.rmse.value,
            low=scores.pooled.rmse.low,
            high=scores.pooled.rmse.high,
            unit="",
            rows=f"{scores.pooled.n:,} sealed values of {target}",
        )
        for k, target in enumerate(targets)
        for model in training.models
        for scores in (model.scores[k],)
        if scores.pooled.rmse.value is not None
    )


def _held_out(training: MapTraining) -> str:
    """Say what its scores are about: a later time, or another place."""
    if training.split.kind == "forward":
        return (
            "Its scores are of later dates at the places that it learned from: elsewhere it may do "
            "worse."
        )
    return (
        "Its scores are of other places on the dates that it learned from: on other dates it may "
        "do worse."
    )
