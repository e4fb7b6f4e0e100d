"""What a localisation comes to: the final model, the comparison, the words, in one result."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import DataError
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.comparison import (
    Comparison,
    auto_verdict,
    strategy_verdicts,
    transfer_verdict,
)
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.final_model import (
    align_selection,
    final_selection,
    fit_final,
    map_spectra,
)
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import Prepared
from autospec.localisation.remarks import (
    farm_remarks,
    interval_remarks,
    missing_models,
    network_remarks,
    train_samples,
)
from autospec.localisation.result import LocalisationResult, Stopped
from autospec.localisation.settings import LocaliseSettings
from autospec.localisation.trust_draw import pool_trust
from autospec.search.summary import describe_environment, summarise_spectra
from autospec.transfer.alignment_result import Alignment
from autospec.transfer.provenance import selection_stability


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Question:
    """What a localisation was asked.

    Parameters
    ----------
    name : str
        Of the farm, in tables.
    farm : Spectra
        As it was given.
    country : str or None
        The farm's.
    prepared : Prepared
        Farm and library on common bands.
    plans : tuple of SplitPlan
        The draws that run.
    settings : LocaliseSettings
    execution : LocaliseExecution
    digest : str
        Of the inputs.
    """

    name: str
    farm: Spectra
    country: str | None
    prepared: Prepared
    plans: tuple[SplitPlan, ...]
    settings: LocaliseSettings
    execution: LocaliseExecution
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finished:
    """What its draws left.

    Parameters
    ----------
    baselines, intervals, networks : sequence of Piece
        By draw.
    notes : sequence of str
        Of how it ended.
    stopped : {"complete", "budget", "interrupt"}
    started : str
        When, in UTC.
    clock : float
        The same on the monotonic clock.
    """

    baselines: Sequence[Piece]
    intervals: Sequence[Piece]
    networks: Sequence[Piece]
    notes: Sequence[str]
    stopped: Stopped
    started: str
    clock: float


def conclude(asked: Question, found: Finished, models: LibraryModels) -> LocalisationResult:
    """Fit the final model, measure the selection, and put the result together."""
    searched = time.monotonic()
    settings, prepared = asked.settings, asked.prepared
    final, calibrated, failures = fit_final(prepared, models, settings.seed)
    if calibrated is not None and asked.execution.on_model is not None:
        asked.execution.on_model(calibrated)
    trusts = tuple(piece.trust for piece in found.intervals if piece.trust is not None)
    record, selected = final_selection(prepared, settings.seed, asked.execution.device)
    draws = {piece.draw.number: piece.draw for piece in found.baselines}
    comparison = Comparison(farm=prepared.farm.own, draws=draws, seed=settings.seed)
    pieces = [*found.baselines, *found.networks]
    rows = comparison.rows(pieces)
    library = summarise_spectra(prepared.library, prepared.library)
    trained = train_samples(prepared.farm.own, asked.plans[0])
    chosen = [np.array(piece.selected, dtype=np.int64) for piece in found.baselines]
    alignment, unaligned = _alignment(asked, found)
    return LocalisationResult(
        name=asked.name,
        settings=settings,
        farm=summarise_spectra(asked.farm, asked.farm.labelled()),
        library=library,
        country=asked.country,
        inputs_digest=asked.digest,
        farm_ids=prepared.farm.own.ids,
        farm_fields=prepared.farm.own.fields,
        observed=tuple(float(v) for v in prepared.farm.own.target),
        library_rows=prepared.library.n,
        library_fields=library.fields,
        aligned=prepared.aligned,
        purged=prepared.purged,
        draws=tuple(draws.values()),
        models=rows,
        selections=(*(s for piece in pieces for s in piece.selections), record),
        networks=tuple(dict.fromkeys(r for piece in found.networks for r in piece.networks)),
        alignment=alignment,
        stability=selection_stability(chosen, prepared.library.n) if len(chosen) > 1 else None,
        spectra_map=map_spectra(prepared, selected, settings.seed),
        trust=pool_trust(prepared.farm.own, found.baselines, trusts, settings.seed),
        intervals=trusts,
        final=final,
        verdict=auto_verdict(rows, asked.farm.target_unit, trained),
        transfer_verdict=transfer_verdict(comparison, rows),
        strategy_verdicts=strategy_verdicts(rows),
        notes=(*found.notes, *unaligned, *_remarks(asked, found, failures), *prepared.notes),
        stopped=found.stopped,
        environment=describe_environment(
            asked.execution.device,
            started=found.started,
            seconds_search=searched - found.clock,
            seconds_final=time.monotonic() - searched,
        ),
    )


def _alignment(asked: Question, found: Finished) -> tuple[Alignment | None, tuple[str, ...]]:
    """Measure the selection of the first draw; None, and why, where that cannot be done."""
    try:
        return align_selection(asked.prepared, found.baselines[0], asked.settings.seed), ()
    except DataError as error:
        return None, (f"The alignment could not be measured: {error}",)


def _remarks(asked: Question, found: Finished, failures: dict[str, str]) -> Iterator[str]:
    """Say what a reader would else have to find out."""
    yield from farm_remarks(asked.prepared.farm.own, asked.plans[0], asked.settings)
    if not asked.settings.quick:
        yield from network_remarks(found.baselines, found.networks, asked.prepared, asked.country)
    yield from interval_remarks(asked.plans, found.baselines, found.intervals)
    yield from missing_models([*found.baselines, *found.networks])
    yield from (f"Final model: {name}: {why}" for name, why in failures.items())
