"""The networks of a localisation as units of several workers: one a draw and strategy.

All workers take part in the searches of the library, whose designs become pieces. Their networks do
not: with the design known they are trained in as many steps as two folds of one trial, so each
worker that needs them trains them again, with the same seeds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import DataError, StorageError, TrialFailed
from autospec.localisation.network_draw import NetworkDraw, network_settings
from autospec.localisation.network_stage import OF_THE_LIBRARY
from autospec.localisation.pieces import LibraryChoice, Piece, read_kept, read_piece
from autospec.localisation.preparation import Prepared
from autospec.localisation.protocol import open_draw
from autospec.localisation.settings import LocaliseSettings
from autospec.localisation.units import Unit
from autospec.search.shared_pieces import SharedPieces
from autospec.transfer.network_settings import NetworkSettings, Resources
from autospec.transfer.strategies import (
    COUNTRY,
    GLOBAL,
    LOCAL,
    TrainedStrategies,
    choose_library_design,
    refit_library_networks,
    strategies_from,
)

LATE = "the time was up before it began"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedNetworks:
    """The networks of the first draws, ready to be made by several workers.

    Parameters
    ----------
    prepared : Prepared
        The rows.
    plans : sequence of SplitPlan
        The draws, by number.
    numbers : range
        Of the draws that have networks.
    settings : LocaliseSettings
        Of the run.
    resources : Resources
        Where and how long, with a crew; its `study` is what the names of all studies begin with.
    pieces : SharedPieces
        Of the networks.
    mark : str
        Their fingerprint.
    draws : SharedPieces
        Of the baselines, whose selections are used.
    draw_mark : str
        Their fingerprint.
    library : dict of str to TrainedStrategies
        Global and Country, as soon as this worker has trained them.
    """

    prepared: Prepared
    plans: Sequence[SplitPlan]
    numbers: range
    settings: LocaliseSettings
    resources: Resources
    pieces: SharedPieces
    mark: str
    draws: SharedPieces
    draw_mark: str
    library: dict[str, TrainedStrategies] = field(default_factory=dict)

    @property
    def origins(self) -> tuple[str, ...]:
        """Global, and Country if there is one."""
        return (GLOBAL,) if self.prepared.country is None else (GLOBAL, COUNTRY)

    def units(self) -> Iterator[Unit]:
        """Lay the units: first those that need no networks of the library."""
        for number in self.numbers:
            if self.prepared.country is not None:
                yield Unit(
                    name=_country(number),
                    stage="networks",
                    pieces=self.pieces,
                    make=partial(self._select_country, number),
                    fail=partial(self._failed, number, ()),
                )
            yield self._strategy(LOCAL, number)
        for number in self.numbers:
            yield from (self._strategy(strategies_from(o)[1], number, o) for o in self.origins)
        for origin in self.origins:
            choose = partial(self._choose, origin)
            searched = self._settings(OF_THE_LIBRARY).fixed is None
            yield Unit(
                name=_design(origin),
                stage="networks",
                pieces=self.pieces,
                make=choose,
                fail=self._no_design,
                before=choose if searched else None,
            )
        for number in self.numbers:
            for origin in self.origins:
                corrected, _, *tuned = strategies_from(origin)
                for name in (corrected, *tuned):
                    unit = self._strategy(name, number, origin)
                    yield replace(unit, needs=(*unit.needs, _design(origin)))

    def merged(self, number: int) -> Piece | None:
        """Return what there is of a draw as one piece, as one process makes it; None for nothing.

        Strategies in order; those that found no time are failures.
        """
        names = [LOCAL, *(name for origin in self.origins for name in strategies_from(origin))]
        found = {name: read_piece(self.pieces, _of(name, number), self.mark) for name in names}
        there = [piece for piece in found.values() if piece is not None]
        if not there:
            return None
        models = {model.name: model for piece in there for model in piece.models}
        records = {record.strategy: record for piece in there for record in piece.networks}
        failures = {name: LATE for name, piece in found.items() if piece is None}
        for piece in there:
            failures |= piece.failures
        selection = read_piece(self.pieces, _country(number), self.mark)
        order = (*self.origins, *names)
        return Piece(
            fingerprint=self.mark,
            draw=there[0].draw,
            models=tuple(models[name] for name in order if name in models),
            failures={name: failures[name] for name in order if name in failures},
            selections=selection.selections if selection is not None else (),
            networks=tuple(records[name] for name in order if name in records),
        )

    def _strategy(self, name: str, number: int, origin: str | None = None) -> Unit:
        """Lay the unit of a strategy; a selection from its origin's rows is needed where it is."""
        models: tuple[str, ...] = (name,)
        if origin is not None and name == strategies_from(origin)[0]:
            models = (origin, name)  # its piece has the row of the origin too
        unit = Unit(
            name=_of(name, number),
            stage="networks",
            pieces=self.pieces,
            make=partial(self._train, name, number, origin),
            fail=partial(self._failed, number, models),
        )
        if origin is None:
            return unit
        return replace(unit, needs=(_draw(number) if origin == GLOBAL else _country(number),))

    def _settings(self, number: int) -> NetworkSettings:
        axis = self.prepared.library.axis
        return network_settings(self.settings, axis, self.settings.budget_s, number)

    def _rows(self, origin: str) -> Spectra:
        library, country = self.prepared.library, self.prepared.country
        if origin == GLOBAL:
            return library
        assert country is not None, "else it is no origin"
        return library.rows(country)

    def _choose(self, origin: str) -> LibraryChoice:
        resources = replace(self.resources, study=f"{self.resources.study}-library", together=True)
        settings = self._settings(OF_THE_LIBRARY)
        try:
            chosen = choose_library_design(origin, self._rows(origin), settings, resources)
        except (TrialFailed, DataError) as error:
            return LibraryChoice(fingerprint=self.mark, chosen=None, failure=str(error))
        return LibraryChoice(fingerprint=self.mark, chosen=chosen)

    def _networks(self, origin: str) -> TrainedStrategies:
        """Return Global or Country, trained here unless they were."""
        if origin not in self.library:
            name = _design(origin)
            choice = read_kept(self.pieces, name, self.mark, LibraryChoice)
            if choice is None:
                raise unreadable(name, self.pieces)
            if choice.chosen is None:
                self.library[origin] = TrainedStrategies(fitted=(), failed={origin: choice.failure})
            else:
                self.library[origin] = refit_library_networks(
                    origin,
                    self._rows(origin),
                    choice.chosen,
                    self._settings(OF_THE_LIBRARY),
                    self.resources,
                )
        return self.library[origin]

    def _train(self, name: str, number: int, origin: str | None) -> Piece:
        """Train one strategy on a draw."""
        networks = TrainedStrategies(fitted=(), failed={})
        selected: tuple[int, ...] = ()
        country: tuple[int, ...] = ()
        if origin is not None and name != strategies_from(origin)[1]:
            networks = self._networks(origin)
        if origin == GLOBAL:
            selected = self._selected(self.draws, _draw(number), self.draw_mark)
        elif origin == COUNTRY:
            country = self._selected(self.pieces, _country(number), self.mark)
        return self._laid(number, networks, selected).train(country, self.mark, name)

    def _select_country(self, number: int) -> Piece:
        laid = self._laid(number, TrainedStrategies(fitted=(), failed={}), ())
        selected, records = laid.select_country()
        return Piece(
            fingerprint=self.mark,
            draw=open_draw(self.plans[number], number, [])[0],
            models=(),
            failures={},
            selections=records,
            selected=selected,
        )

    def _failed(self, number: int, models: tuple[str, ...], why: str) -> Piece:
        """Return the piece of models of a draw, or of its selection, that cannot be made."""
        return Piece(
            fingerprint=self.mark,
            draw=open_draw(self.plans[number], number, [])[0],
            models=(),
            failures=dict.fromkeys(models, why),
        )

    def _no_design(self, why: str) -> LibraryChoice:
        return LibraryChoice(fingerprint=self.mark, chosen=None, failure=why)

    def _laid(
        self, number: int, networks: TrainedStrategies, selected: tuple[int, ...]
    ) -> NetworkDraw:
        return NetworkDraw(
            prepared=self.prepared,
            library_networks=networks,
            plan=self.plans[number],
            number=number,
            selected=selected,
            networks=self._settings(number),
            resources=replace(self.resources, study=f"{self.resources.study}-draw-{number}"),
        )

    def _selected(self, store: SharedPieces, name: str, mark: str) -> tuple[int, ...]:
        piece = read_piece(store, name, mark)
        if piece is None:
            raise unreadable(name, store)
        return piece.selected


def unreadable(name: str, store: SharedPieces) -> StorageError:
    """Return the error of a piece that is finished and cannot be read."""
    return StorageError(
        f"{name!r} in study {store.study.study_name!r} of the storage cannot be read: it was "
        "written by another program, or damaged. Delete that study, and run the same command "
        f"again: optuna delete-study --study-name {store.study.study_name}"
    )


def _draw(number: int) -> str:
    return f"draw-{number}"


def _country(number: int) -> str:
    return f"country-{number}"


def _design(origin: str) -> str:
    return f"design of {origin}"


def _of(name: str, number: int) -> str:
    return f"networks-{number}: {name}"
