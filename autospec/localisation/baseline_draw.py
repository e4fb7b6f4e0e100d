"""One draw of the baselines and auto: select, fit, open the test rows, score."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.localisation.auto import Auto, fit_autos
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.members import Member, fit_members
from autospec.localisation.pieces import ModelPiece, Piece
from autospec.localisation.preparation import Prepared, compact_spectra
from autospec.localisation.protocol import open_draw, score_outcome
from autospec.localisation.result import Draw, SelectionRecord
from autospec.transfer.rs_local import rs_local
from autospec.transfer.selection import Selection

if TYPE_CHECKING:
    from autospec.training.trainer import Device

FINAL_SELECTION = 1_000_003  # the final model's selection draws from a stream of its own


def select_rows(
    prepared: Prepared, train: Spectra, seed: tuple[int, int], device: Device
) -> tuple[Selection, float]:
    """Let RS-Local select library rows, the training rows judging; selection and seconds.

    Parameters
    ----------
    prepared : Prepared
        The library and RS-Local's settings.
    train : Spectra
        Training rows of one draw, aligned.
    seed : pair of int
        The run's seed and the draw's number.
    device : {"auto", "cpu", "cuda"}
        Where PLS is fitted.
    """
    clock = time.monotonic()
    selection = rs_local(
        prepared.compact,
        compact_spectra(train),
        prepared.selection,
        seed=int(np.random.SeedSequence(seed).generate_state(1)[0]),
        device=device,
    )
    return selection, time.monotonic() - clock


def selection_record(
    library: Spectra,
    selection: Selection,
    draw: int | None,
    seconds: float,
    scope: Literal["global", "country"] = "global",
) -> SelectionRecord:
    """Return what is kept of a selection from `library`: all of it, or a country's rows."""
    fields = tuple(library.fields[i] for i in selection.indices)
    return SelectionRecord(
        draw=draw,
        library=scope,
        ids=selection.ids,
        fields=fields,
        sources=dict(Counter(fields).most_common()),
        trace=selection.trace,
        fits=selection.fits,
        discarded=selection.discarded,
        seconds=round(seconds, 3),
    )


def run_baselines(
    prepared: Prepared,
    models: LibraryModels,
    plan: SplitPlan,
    number: int,
    *,
    seed: int,
    device: Device,
    fingerprint: str,
) -> Piece:
    """Run one draw of everything but the networks.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    plan : SplitPlan
        The draw's training rows, inner folds and sealed test rows.
    number : int
        The draw's number.
    seed : int
        The run's.
    device : {"auto", "cpu", "cuda"}
        Where RS-Local's PLS is fitted.
    fingerprint : str
        Of the piece.
    """
    train = prepared.farm.rows(plan.train)
    selection, seconds = select_rows(prepared, train.aligned, (seed, number), device)
    members, failures = fit_members(models, train, plan.folds, selection.indices)
    autos = fit_autos(members, train.own.target)
    calls = [(one.name, _on_rows(prepared, one)) for one in members]
    draw, predicted = open_draw(plan, number, calls)
    for auto in autos:
        predicted[auto.name] = auto.mix(np.stack([predicted[m.name] for m in auto.members]))
    rows = []
    everyone: tuple[Member | Auto, ...] = (*autos, *members)
    for one in everyone:
        if np.isfinite(predicted[one.name]).all():
            rows.append(_piece(one, draw, prepared.farm.own.target, predicted[one.name]))
        else:
            failures[one.name] = "a prediction is not finite"
    return Piece(
        fingerprint=fingerprint,
        draw=draw,
        models=tuple(rows),
        failures=failures,
        selections=(selection_record(prepared.library, selection, number, seconds),),
        selected=tuple(int(i) for i in selection.indices),
    )


def _on_rows(prepared: Prepared, one: Member) -> Callable[[IntArray], FloatArray]:
    return lambda rows: one.predict(prepared.farm.rows(rows))


def _piece(
    one: Member | Auto, draw: Draw, observed: FloatArray, predicted: FloatArray
) -> ModelPiece:
    if isinstance(one, Auto):
        inner, detail = one.inner_rmse, one.detail
        seconds = sum(member.seconds for member in one.members)
    else:
        held = one.fitted.out_of_fold
        inner = float(np.sqrt(np.mean((held - observed[list(draw.train)]) ** 2)))
        detail, seconds = one.fitted.detail, one.seconds
    return ModelPiece(
        name=one.name,
        kind="auto" if isinstance(one, Auto) else "baseline",
        uses=one.uses,
        about=one.about,
        outcome=score_outcome(
            draw, observed, predicted, inner_rmse=inner, detail=detail, seconds=seconds
        ),
    )
