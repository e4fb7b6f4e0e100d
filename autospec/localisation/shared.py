"""A localisation made by several workers: its units, who is at them, and what they came to.

Every worker lays the same draws and learns the library by itself, which takes seconds. Draws,
intervals, and strategies are units; each is made by one worker, from its own seeds, so that it does
not matter by which. The last one that leaves makes the final model and the report.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

from autospec.data.splits import SplitPlan
from autospec.errors import ReportedElsewhere, StudyFailed
from autospec.localisation.baseline_draw import run_baselines
from autospec.localisation.candidates import LibraryModels
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.pieces import (
    BASELINE_SETTINGS,
    NETWORK_SETTINGS,
    Piece,
    fingerprint,
    read_piece,
)
from autospec.localisation.preparation import Prepared
from autospec.localisation.protocol import open_draw
from autospec.localisation.result import AUTO, Stopped
from autospec.localisation.settings import LocaliseSettings
from autospec.localisation.shared_networks import SharedNetworks, unreadable
from autospec.localisation.trust_draw import measure_intervals
from autospec.localisation.units import Unit, finished, why_failed, work_off
from autospec.search.claims import Crew
from autospec.search.shared_pieces import SharedPieces, open_pieces
from autospec.transfer.network_settings import Resources


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """What all workers came to, in the order of the draws."""

    baselines: tuple[Piece, ...]
    intervals: tuple[Piece, ...]
    networks: tuple[Piece, ...]
    stopped: Stopped
    reached: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SharedRun:
    """One localisation, as one of its workers sees it.

    Parameters
    ----------
    prepared, models
        The rows, and what the library alone taught.
    plans : tuple of SplitPlan
        The draws, by number; those before `first_draw` do not run.
    settings : LocaliseSettings
        Of the run.
    digest : str
        Of the inputs.
    level : float or None
        Of the intervals; None for none.
    interval_draws : int
        Draws on which they are measured: the first ones of those that run.
    crew : Crew
        This worker.
    execution : LocaliseExecution
        Where, and whose turn the report is.
    resources : Resources
        Of the networks; the crew and the names of studies are added here.
    """

    prepared: Prepared
    models: LibraryModels
    plans: tuple[SplitPlan, ...]
    settings: LocaliseSettings
    digest: str
    level: float | None
    interval_draws: int
    crew: Crew
    execution: LocaliseExecution
    resources: Resources

    @property
    def name(self) -> str:
        """Of the whole job in the storage: of its inputs and of all settings but the budget."""
        names = tuple(f.name for f in fields(self.settings))
        marking = tuple(name for name in names if name not in self.settings.EXTENDABLE)
        return f"localise-{fingerprint(self.digest, self.settings, marking)[:16]}"

    def run(
        self,
        why_stop: Callable[[], Stopped | None],
        tell: Callable[[Unit, int, int], None],
    ) -> Found:
        """Make units until all are made or this worker is to stop, then take the report's turn.

        Parameters
        ----------
        why_stop : callable () -> Stopped or None
            Asked before each unit; the first draw is finished all the same, unless the user
            interrupts.
        tell : callable (Unit, int, int) -> None
            Told of each unit that is made, and of how many of its stage.

        Raises
        ------
        ReportedElsewhere
            If other workers are still at units, or one of them makes the report.
        """
        draws = open_pieces(f"localise-{self._draw_mark[:16]}-draws", self.crew)
        networks = self._networks(draws)
        units = (*self._baselines(draws), *(networks.units() if networks is not None else ()))
        present = open_pieces(f"{self.name}-workers", self.crew)

        def stop(done: set[str]) -> Stopped | None:
            why = why_stop()
            begun = any(unit.stage == "draws" and unit.name in done for unit in units)
            return why if begun or why == "interrupt" else None

        def say(unit: Unit, done: set[str]) -> None:
            alike = [other for other in units if other.stage == unit.stage]
            tell(unit, sum(other.name in done for other in alike), len(alike))

        with present.claim(self.crew.name):
            stopped = work_off(units, stop, say)
        self._take_turn(units, present, stopped)
        return self._found(units, draws, networks, stopped)

    def _take_turn(self, units: Sequence[Unit], present: SharedPieces, stopped: Stopped) -> None:
        done, at_work = finished(units), sorted(present.busy())
        names = [unit.name for unit in units]
        made = sum(name in done for name in names)
        if stopped != "complete" and made < len(units) and at_work:
            raise ReportedElsewhere(
                f"{made} of {len(units)} units are finished, and other workers "
                f"({', '.join(at_work[:3])}{' ...' if at_work[3:] else ''}) are still at work; "
                "the last one makes the report."
            )
        if not self.execution.report:
            raise ReportedElsewhere(
                f"{made} of {len(units)} units are finished; this worker leaves the report."
            )
        self.execution.turn.take_once(self.name, f"{made} units", self.crew)

    @property
    def _draw_mark(self) -> str:
        return fingerprint(self.digest, self.settings, BASELINE_SETTINGS)

    @property
    def _network_mark(self) -> str:
        return fingerprint(self.digest, self.settings, NETWORK_SETTINGS)

    def _networks(self, draws: SharedPieces) -> SharedNetworks | None:
        if self.settings.quick or not self.settings.network_draws:
            return None
        study = f"localise-{self._network_mark[:16]}"
        return SharedNetworks(
            prepared=self.prepared,
            plans=self.plans,
            numbers=self.settings.numbers[: self.settings.network_draws],
            settings=self.settings,
            resources=replace(self.resources, crew=self.crew, study=study),
            pieces=open_pieces(f"{study}-networks", self.crew),
            mark=self._network_mark,
            draws=draws,
            draw_mark=self._draw_mark,
        )

    def _baselines(self, store: SharedPieces) -> Iterator[Unit]:
        for number in self.settings.numbers:
            yield Unit(
                name=f"draw-{number}",
                stage="draws",
                pieces=store,
                make=partial(self._run_draw, number),
                fail=partial(self._failed_draw, number),
            )
        for number in self.settings.numbers[: self.interval_draws if self.level is not None else 0]:
            yield Unit(
                name=f"intervals-{number}",
                stage="intervals",
                pieces=store,
                make=partial(self._measure, store, number),
                fail=partial(self._failed_draw, number),
                needs=(f"draw-{number}",),
            )

    def _run_draw(self, number: int) -> Piece:
        return run_baselines(
            self.prepared,
            self.models,
            self.plans[number],
            number,
            seed=self.settings.seed,
            device=self.execution.device,
            fingerprint=self._draw_mark,
        )

    def _measure(self, store: SharedPieces, number: int) -> Piece:
        baselines = self._read(store, f"draw-{number}")
        assert self.level is not None, "else there is no such unit"
        return measure_intervals(
            self.prepared,
            self.models,
            self.plans[number],
            baselines,
            level=self.level,
            seed=self.settings.seed,
        )

    def _failed_draw(self, number: int, why: str) -> Piece:
        """Return the piece of a draw, or of its intervals, that cannot be made."""
        return Piece(
            fingerprint=self._draw_mark,
            draw=open_draw(self.plans[number], number, [])[0],
            models=(),
            failures={AUTO: why},
        )

    def _read(self, store: SharedPieces, name: str) -> Piece:
        piece = read_piece(store, name, self._draw_mark)
        if piece is None:
            raise unreadable(name, store)
        return piece

    def _found(
        self,
        units: Sequence[Unit],
        store: SharedPieces,
        networks: SharedNetworks | None,
        stopped: Stopped,
    ) -> Found:
        """Read what there is; of the draws those that have none missing before them.

        A draw that failed has no models to compare: only the remarks on intervals speak of it.
        """
        done, failed = finished(units), why_failed(units)
        first, end = self.settings.first_draw, self.settings.draws
        missing = (i for i in self.settings.numbers if f"draw-{i}" not in done)
        begun = range(first, next(missing, end))
        numbers = [i for i in begun if f"draw-{i}" not in failed]
        if begun and not numbers:
            raise StudyFailed(
                f"not one draw could be made: {failed[f'draw-{first}']}. Give each worker more "
                "memory, delete what is kept of this run, and run the same command again: optuna "
                f"delete-study --study-name {store.study.study_name}"
            )
        intervals = [i for i in begun if f"intervals-{i}" in done]
        pieces = {i: self._read(store, f"intervals-{i}") for i in intervals}
        for i in set(begun) - set(numbers):
            pieces[i] = self._failed_draw(i, f"draw-{i}: {failed[f'draw-{i}']}")
        trained = [i for i in numbers if networks is not None and i in networks.numbers]
        merged = [networks.merged(i) for i in trained if networks is not None]
        made = sum(unit.name in done for unit in units)
        return Found(
            baselines=tuple(self._read(store, f"draw-{i}") for i in numbers),
            intervals=tuple(pieces.values()),
            networks=tuple(piece for piece in merged if piece is not None),
            stopped="complete" if made == len(units) else stopped,
            reached=f"{made} of {len(units)} units of all workers",
        )
