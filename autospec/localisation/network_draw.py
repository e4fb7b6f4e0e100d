"""One draw of the networks: the strategies of the published design on the rows of the baselines."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import UsageError, near
from autospec.localisation.baseline_draw import selection_record
from autospec.localisation.pieces import ModelPiece, Piece
from autospec.localisation.preparation import Prepared, compact_spectra
from autospec.localisation.protocol import open_draw, score_outcome
from autospec.localisation.result import Draw, NetworkRecord, SelectionRecord, Uses
from autospec.localisation.settings import LocaliseSettings
from autospec.nets.architecture import PUBLISHED, architecture_from_json
from autospec.search.space import SearchSpace
from autospec.transfer.network_settings import NetworkSettings, Resources
from autospec.transfer.rs_local import rs_local
from autospec.transfer.strategies import (
    COUNTRY,
    GLOBAL,
    LOCAL,
    FittedStrategy,
    SelectedRows,
    TrainedStrategies,
    train_draw_networks,
)

if TYPE_CHECKING:
    from autospec.search.design import Design

ABOUT = {
    "Local": "network searched and trained on the farm's rows",
    "Global": "network searched and trained on the library; it knows nothing of the farm",
    "Country": "the same on the library rows of the farm's country",
    "slope and bias": "its predictions on a line fitted to the farm's rows",
    "DTL-I": "instance transfer: network searched and trained on K ∪ m",
    "DTL-R": "representation transfer: the library's network, fine-tuned on the farm's rows",
    "DTL-IR": "both: pre-trained on what stands left of the arrow, fine-tuned on what stands right",
}


def network_settings(
    settings: LocaliseSettings, axis: FloatArray, seconds: float, number: int
) -> NetworkSettings:
    """Return what the networks of a draw are told; number −1 is the library's own networks.

    Raises
    ------
    UsageError
        If the architecture cannot be used.
    """
    stream = np.random.SeedSequence([settings.seed, number + 1])
    return NetworkSettings(
        trials=settings.trials,
        seconds=seconds,
        members=settings.members,
        seed=int(stream.generate_state(1)[0] % 2**31),
        fixed=fixed_design(settings.architecture, axis),
    )


def fixed_design(architecture: str, axis: FloatArray) -> Design | None:
    """Return the design that `--architecture` asks for; None where designs are searched.

    A file fixes the architecture; preprocessing and training are those of the published designs.

    Raises
    ------
    UsageError
        If there is no such architecture, or its file does not hold one.
    """
    if architecture == "searched":
        return None
    space = SearchSpace()
    if architecture in PUBLISHED:
        return space.published_design(architecture, axis)
    try:
        given = architecture_from_json(json.loads(Path(architecture).read_bytes()))
    except FileNotFoundError as error:
        raise UsageError(
            f"there is no architecture {architecture!r}.{near(architecture, PUBLISHED)} Want "
            f"{', '.join(PUBLISHED)}, or the JSON file of one."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise UsageError(f"{architecture}: {error}; want the JSON file of one") from error
    return replace(space.published_design("sweden", axis), architecture=given)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NetworkDraw:
    """One draw of the networks, ready to run.

    Parameters
    ----------
    prepared : Prepared
        The rows.
    library_networks : TrainedStrategies
        Global and Country.
    plan : SplitPlan
        The draw.
    number : int
        Its number.
    selected : tuple of int
        The global selection of this draw, made for the baselines.
    networks : NetworkSettings
        Of this draw.
    resources : Resources
        Where and how long.
    """

    prepared: Prepared
    library_networks: TrainedStrategies
    plan: SplitPlan
    number: int
    selected: tuple[int, ...]
    networks: NetworkSettings
    resources: Resources

    def run(self, fingerprint: str) -> Piece:
        """Select from the country, train every strategy, open the test rows, score.

        Raises
        ------
        StopSearch
            If the user interrupts.
        """
        country, records = self.select_country()
        return replace(self.train(country, fingerprint), selections=records)

    def train(self, country: tuple[int, ...], fingerprint: str, only: str | None = None) -> Piece:
        """Train every strategy, or one; open the test rows, and score.

        Parameters
        ----------
        country : tuple of int
            The selection from the country; empty without one.
        fingerprint : str
            Of the piece.
        only : str, optional
            One strategy; "slope and bias" has its origin's row with it.

        Raises
        ------
        StopSearch
            If the user interrupts, or the time of a worker is up.
        """
        observed = self.prepared.farm.own.target
        trained = train_draw_networks(
            self.library_networks,
            self.prepared.networked.rows(self.plan.train),
            SelectedRows(library=self._rows(self.selected), country=self._rows(country)),
            self.networks,
            self.resources,
            only,
        )
        fitted = [one for one in trained.fitted if _asked_for(one.name, only)]
        failures = {name: why for name, why in trained.failed.items() if _asked_for(name, only)}
        calls = [(one.name, self._on_rows(one)) for one in fitted]
        draw, predicted = open_draw(self.plan, self.number, calls)
        models = []
        for one in fitted:
            if np.isfinite(predicted[one.name]).all():
                models.append(_piece(one, draw, observed, predicted[one.name]))
            else:
                failures[one.name] = "a prediction is not finite"
        return Piece(
            fingerprint=fingerprint,
            draw=draw,
            models=tuple(models),
            failures=failures,
            networks=tuple(self._record(one) for one in fitted),
        )

    def select_country(self) -> tuple[tuple[int, ...], tuple[SelectionRecord, ...]]:
        """Select from the country's rows: positions in the library, none without a country."""
        rows = self.prepared.country
        if rows is None:
            return (), ()
        settings = self.prepared.selection
        k = min(settings.k, len(rows) // 2)
        if k <= settings.components + 1:
            return (), ()
        library, clock = self.prepared.compact.rows(rows), time.monotonic()
        selection = rs_local(
            library,
            compact_spectra(self.prepared.farm.aligned.rows(self.plan.train)),
            replace(settings, k=k),
            seed=self.networks.seed,
            device=self.resources.device,
        )
        seconds = time.monotonic() - clock
        record = selection_record(library, selection, self.number, seconds, "country")
        return tuple(int(i) for i in rows[selection.indices]), (record,)

    def _rows(self, selected: tuple[int, ...]) -> Spectra | None:
        if not selected:
            return None
        return self.prepared.library.rows(np.array(selected, dtype=np.int64))

    def _record(self, one: FittedStrategy) -> NetworkRecord:
        return NetworkRecord(
            strategy=one.name,
            draw=None if one.name in (GLOBAL, COUNTRY) else self.number,
            design=one.design,
            epochs=one.epochs,
            bands=one.bands,
            trials=one.trials,
            cv_rmse=one.cv_rmse,
        )

    def _on_rows(self, one: FittedStrategy) -> Callable[[IntArray], FloatArray]:
        return lambda rows: one.predict(self.prepared.networked.values[rows])


def _asked_for(name: str, only: str | None) -> bool:
    return only in (None, name, f"{name}, slope and bias")


def about(name: str) -> str:
    """Say in a line what a strategy is."""
    if "slope and bias" in name:
        return ABOUT["slope and bias"]
    known = next(key for key in sorted(ABOUT, key=len, reverse=True) if name.startswith(key))
    return ABOUT[known]


def uses(name: str) -> Uses:
    """Say whose lab values a strategy learns from."""
    if name == LOCAL:
        return "farm"
    return "library" if name in (GLOBAL, COUNTRY) else "both"


def _piece(
    one: FittedStrategy, draw: Draw, observed: FloatArray, predicted: FloatArray
) -> ModelPiece:
    return ModelPiece(
        name=one.name,
        kind="strategy",
        uses=uses(one.name),
        about=about(one.name),
        outcome=score_outcome(
            draw,
            observed,
            predicted,
            inner_rmse=one.cv_rmse,
            detail=one.detail,
            seconds=one.seconds,
        ),
    )
