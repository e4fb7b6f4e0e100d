"""`localise`: the whole study design on one farm; the report room writes what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from sklearn import config_context
from threadpoolctl import threadpool_limits

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import StudyFailed
from autospec.localisation.baseline_draw import run_baselines
from autospec.localisation.candidates import LibraryModels, learn_library
from autospec.localisation.conclusion import Finished, Question, conclude
from autospec.localisation.execution import LocaliseExecution
from autospec.localisation.inputs import inputs_digest
from autospec.localisation.network_draw import fixed_design
from autospec.localisation.network_stage import NetworkStage
from autospec.localisation.pieces import (
    BASELINE_SETTINGS,
    NETWORK_SETTINGS,
    Piece,
    fingerprint,
    read_piece,
    write_piece,
)
from autospec.localisation.preparation import Prepared, prepare
from autospec.localisation.progress import LocaliseProgress, Stage
from autospec.localisation.protocol import lay_draws
from autospec.localisation.remarks import announcement
from autospec.localisation.result import AUTO, LocalisationResult, Stopped
from autospec.localisation.settings import LocaliseSettings, draw_words
from autospec.localisation.shared import SharedRun
from autospec.localisation.trust_draw import interval_level, measure_intervals
from autospec.localisation.units import Unit
from autospec.search.claims import Crew, worker_name
from autospec.search.plan import StopSearch
from autospec.search.storage import open_shared
from autospec.transfer.network_settings import Resources
from autospec.transfer.networks import check_fits

QUICK_INTERVALS = 3  # draws on which --quick measures intervals: they cost as much as the rest
RESERVE_S = 20.0  # kept back for the final model, the diagnostics and the report


def localise(
    library: Spectra | Sequence[Spectra],
    farm: Spectra,
    *,
    name: str = "farm",
    settings: LocaliseSettings | None = None,
    country: str | None = None,
    execution: LocaliseExecution | None = None,
) -> LocalisationResult:
    """Move a library's knowledge to a farm, and compare every way to do so on the same rows.

    Parameters
    ----------
    library : Spectra or sequence of Spectra
        One table or several, each on its own axis. The farm's own rows in it are left out.
    farm : Spectra
        At least 10 samples with a lab value; rows without one are predicted by the final model.
    name : str
        Of the farm, in tables.
    settings : LocaliseSettings, optional
        By default ten draws of 30 training samples, networks on the first three, nine minutes.
    country : str, optional
        The farm's: a field of the library, or the country that a named site's field lies in.
    execution : LocaliseExecution, optional
        Where and how; by default in memory, on whatever device there is.

    Returns
    -------
    LocalisationResult

    Raises
    ------
    DataError
        If farm and library cannot be used together, or the farm has too few lab values.
    UsageError
        If a setting does not suit the library.
    StudyFailed
        If it was stopped before one draw was finished, or nothing could be fitted.
    ReportedElsewhere
        If it is shared, and another worker makes the report.
    """
    settings, execution = settings or LocaliseSettings(), execution or LocaliseExecution()
    crew = _form_crew(execution)
    tables = (library,) if isinstance(library, Spectra) else tuple(library)
    digest = inputs_digest(tables, farm, country=country, architecture=settings.architecture)
    plans = lay_draws(farm.labelled(), settings)
    prepared = prepare(tables, farm, settings, country)
    fixed = fixed_design(settings.architecture, prepared.library.axis)
    if fixed is not None and not settings.quick:
        check_fits(fixed, prepared.library)  # now, not after all draws of the baselines
    run = _Run(
        prepared=prepared,
        plans=plans,
        settings=settings,
        execution=execution,
        digest=digest,
        started=datetime.now(UTC).isoformat(timespec="seconds"),
        clock=execution.started or time.monotonic(),
    )
    run.announce()
    # on tables this small more threads only wait for each other; that all is finite was checked
    with threadpool_limits(1), config_context(assume_finite=True, skip_parameter_validation=True):
        models = learn_library(prepared.narrow, settings.seed)
        if crew is not None:
            run.run_shared(models, crew)
        else:
            run.run_alone(models)
        return run.finish(models, name, farm, country)


def _form_crew(execution: LocaliseExecution) -> Crew | None:
    if not execution.shared:
        return None

    def say(text: str) -> None:
        execution.progress(LocaliseProgress(stage="plan", message=text))

    return Crew(
        name=worker_name(), storage=open_shared(execution.storage, say, execution.interrupted)
    )


@dataclass(slots=True, kw_only=True, eq=False)
class _Run:
    """One localisation under way."""

    prepared: Prepared
    plans: tuple[SplitPlan, ...]
    settings: LocaliseSettings
    execution: LocaliseExecution
    digest: str
    started: str
    clock: float
    baselines: list[Piece] = field(default_factory=list)
    intervals: list[Piece] = field(default_factory=list)
    networks: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    stopped: Stopped = "complete"

    def seconds_left(self) -> float:
        """Return what the budget leaves, the end kept back."""
        return self.settings.budget_s - (time.monotonic() - self.clock) - RESERVE_S

    def say(
        self, stage: Stage, message: str, done: int = 0, total: int = 0, eta: float | None = None
    ) -> None:
        """Report progress."""
        best = ""
        if self.baselines:
            errors = [m.outcome.rmse for p in self.baselines for m in p.models if m.name == AUTO]
            unit = self.prepared.farm.own.target_unit
            best = f"auto: RMSE {sum(errors) / len(errors):.3g} {unit} over {len(errors)} draws"
        self.execution.progress(
            LocaliseProgress(
                stage=stage, message=message, done=done, total=total, eta_s=eta, best=best
            )
        )

    def announce(self) -> None:
        """Say beforehand what it will cost."""
        message = announcement(self.prepared, self.plans, self.settings)
        self.say("plan", message, total=len(self.settings.numbers))

    def _why_stop(self) -> Stopped | None:
        if self.execution.interrupted():
            return "interrupt"
        return "budget" if self.seconds_left() < 0 else None

    def run_alone(self, models: LibraryModels) -> None:
        """Run all draws, then their intervals, then the networks."""
        self.run_draws(models)
        self.run_intervals(models)
        if not self.settings.quick:
            self.run_networks()

    def run_shared(self, models: LibraryModels, crew: Crew) -> None:
        """Run whatever other workers leave, and take up what all have made."""

        def tell(unit: Unit, done: int, total: int) -> None:
            self.say(unit.stage, unit.name, done, total)

        shared = SharedRun(
            prepared=self.prepared,
            models=models,
            plans=self.plans,
            settings=self.settings,
            digest=self.digest,
            level=interval_level(self._plans_to_run()),
            interval_draws=self._interval_draws(len(self.settings.numbers)),
            crew=crew,
            execution=self.execution,
            resources=self._resources(lambda text: self.say("networks", text)),
        )
        found = shared.run(self._why_stop, tell)
        self.baselines += found.baselines
        self.intervals += found.intervals
        self.networks += found.networks
        if found.stopped != "complete":
            self._stop(found.stopped, found.reached)
        self._need_a_draw()

    def _plans_to_run(self) -> tuple[SplitPlan, ...]:
        return self.plans[self.settings.first_draw :]

    def _interval_draws(self, draws: int) -> int:
        wanted = self.settings.trust_draws
        if wanted is None:
            wanted = QUICK_INTERVALS if self.settings.quick else draws
        return min(wanted, draws)

    def _resources(self, on_step: Callable[[str], None]) -> Resources:
        return Resources(
            device=self.execution.device,
            storage=self.execution.storage,
            interrupted=self.execution.interrupted,
            on_step=on_step,
            seconds_left=self.seconds_left,
        )

    def _need_a_draw(self) -> None:
        if not self.baselines:
            raise StudyFailed(
                "stopped before the first draw was finished, so there is nothing to report. "
                "Run the same command again."
            )

    def run_draws(self, models: LibraryModels) -> None:
        """Run baselines and auto on every draw."""
        mark = fingerprint(self.digest, self.settings, BASELINE_SETTINGS)
        fresh: list[float] = []
        numbers = self.settings.numbers
        for done, number in enumerate(numbers):
            piece = read_piece(self.execution.pieces, f"draw-{number}", mark)
            if piece is None:
                why = self._why_stop()
                if why == "interrupt" or (why and self.baselines):
                    self._stop(why, f"{done} of {draw_words(numbers)}")
                    break
                begun = time.monotonic()
                piece = run_baselines(
                    self.prepared,
                    models,
                    self.plans[number],
                    number,
                    seed=self.settings.seed,
                    device=self.execution.device,
                    fingerprint=mark,
                )
                fresh.append(time.monotonic() - begun)
                write_piece(self.execution.pieces, f"draw-{number}", piece)
            self.baselines.append(piece)
            left = len(numbers) - done - 1
            eta = sum(fresh) / len(fresh) * left if fresh else None
            self.say("draws", f"draw {number}", done + 1, len(numbers), eta)
        self._need_a_draw()

    def _stop(self, why: Stopped, reached: str) -> None:
        self.stopped = why
        cause = "Ctrl-C" if why == "interrupt" else "The time budget"
        self.notes.append(
            f"{cause} ended it after {reached}. Run the same command again to go on from there, "
            "with a longer --budget if you can."
        )

    def run_intervals(self, models: LibraryModels) -> None:
        """Measure auto's intervals and domain on the first draws, or on all."""
        level, seed = interval_level(self._plans_to_run()), self.settings.seed
        draws = self._interval_draws(len(self.baselines))
        wanted = self.baselines[:draws] if level is not None else []
        mark = fingerprint(self.digest, self.settings, BASELINE_SETTINGS)
        for done, baselines in enumerate(wanted):
            name = f"intervals-{baselines.draw.number}"
            piece = read_piece(self.execution.pieces, name, mark)
            if piece is None:
                if self.stopped == "complete" and (why := self._why_stop()):
                    self._stop(why, f"the intervals of {done} of {len(wanted)} draws")
                if self.stopped != "complete":
                    break
                plan = self.plans[baselines.draw.number]
                assert level is not None, "else nothing is wanted"
                piece = measure_intervals(
                    self.prepared, models, plan, baselines, level=level, seed=seed
                )
                write_piece(self.execution.pieces, name, piece)
            self.intervals.append(piece)
            self.say("intervals", f"draw {baselines.draw.number}", done + 1, len(wanted))

    def run_networks(self) -> None:
        """Run the networks on the first draws, as far as the time goes."""
        numbers = [p.draw.number for p in self.baselines[: self.settings.network_draws]]
        wanted = len(numbers)
        mark = fingerprint(self.digest, self.settings, NETWORK_SETTINGS)
        known = {i: read_piece(self.execution.pieces, f"networks-{i}", mark) for i in numbers}
        self.networks += [piece for piece in known.values() if piece is not None]
        missing = [i for i, piece in known.items() if piece is None]
        if missing and self.stopped == "complete":
            try:
                self._train_networks(missing, wanted, mark)
            except StopSearch as stop:
                self._stop(
                    "interrupt" if stop.why == "interrupt" else "budget",
                    f"the networks of {len(self.networks)} of {wanted} draws",
                )
        self.networks.sort(key=lambda piece: piece.draw.number)

    def _train_networks(self, missing: list[int], wanted: int, mark: str) -> None:
        resources = self._resources(
            lambda text: self.say("networks", text, len(self.networks), wanted)
        )
        stage = NetworkStage(
            prepared=self.prepared,
            plans=self.plans,
            selected={piece.draw.number: piece.selected for piece in self.baselines},
            settings=self.settings,
            # other settings are other studies, in the same storage
            resources=replace(resources, study=mark[:8]),
        )
        begun = time.monotonic()
        for done, piece in enumerate(stage.pieces(missing, mark), start=1):
            number = piece.draw.number
            if self.seconds_left() > 0:  # else strategies may be missing only for want of time
                write_piece(self.execution.pieces, f"networks-{number}", piece)
            self.networks.append(piece)
            eta = (time.monotonic() - begun) / done * (len(missing) - done)
            text = f"networks of draw {number}"
            self.say("networks", text, len(self.networks), wanted, eta)
        if self.seconds_left() < 0:
            reached = (
                f"the networks of {len(self.networks)} of {wanted} draws, some perhaps in part"
            )
            self._stop("budget", reached)

    def finish(
        self, models: LibraryModels, name: str, farm: Spectra, country: str | None
    ) -> LocalisationResult:
        """Fit the final model, and put the result together."""
        self.say("final", "the final model, on every row with a lab value")
        asked = Question(
            name=name,
            farm=farm,
            country=country,
            prepared=self.prepared,
            plans=self._plans_to_run(),
            settings=self.settings,
            execution=self.execution,
            digest=self.digest,
        )
        found = Finished(
            baselines=self.baselines,
            intervals=self.intervals,
            networks=self.networks,
            notes=self.notes,
            stopped=self.stopped,
            started=self.started,
            clock=self.clock,
        )
        return conclude(asked, found, models)
