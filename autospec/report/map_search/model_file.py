"""The model file of a search on a stack: its winner, and what the card tells of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autospec.predict.bundle import save_model
from autospec.predict.document import state_provenance
from autospec.predict.map_bundle import make_map_bundle
from autospec.report.map_search.tables import with_others
from autospec.report.model_files import model_name, remove_others
from autospec.report.sections import MODEL_FILE
from autospec.report.words import count
from autospec.search.maps.result import MapSearchResult
from autospec.training.map_network import MapNetwork

CHOSEN = (
    "Its design, its epochs and the network itself were chosen on the watched part of the stack, "
    "which is not among what it was scored on."
)


def write_map_search_model(result: MapSearchResult, network: MapNetwork, folder: Path) -> Path:
    """Write the winner of a search on a stack into its folder, with its card.

    Parameters
    ----------
    result : MapSearchResult
        Of the search.
    network : MapNetwork
        The winner's, which was scored.
    folder : Path
        Held by the caller; a file of an earlier run is replaced.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    path, final = folder / MODEL_FILE, result.final
    found = f"found by a search of {count(len(result.trials))} trials"
    bundle = make_map_bundle(
        network,
        training=with_others(result),
        name=model_name(result.name, "maps"),
        provenance=state_provenance(
            "search", final.data.digest, final.data.provenance, (final.split.digest,)
        ),
        limits=(CHOSEN, *result.notes, *final.notes),
    )
    kind = f"{bundle.model_kind}, {found}"
    save_model(replace(bundle, made=result.environment.started, model_kind=kind), path)
    remove_others(folder, (path,))
    return path
