"""`localise`: the whole study design on one farm; the report room writes what it returns."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import numpy as np
from sklearn import config_context
from threadpoolctl import threadpool_limits

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan
from autospec.errors import DataError, StudyFailed
from autospec.localisation.baseline_draw import run_baselines
from autospec.localisation.candidates import LibraryModels, learn_library
from autospec.localisation.comparison import (
    Comparison,
    auto_verdict,
    strategy_verdicts,
    transfer_verdict,
)
from autospec.localisation.final_model import (
    align_selection,
    final_selection,
    fit_final,
    map_spectra,
)
from autospec.localisation.inputs import inputs_digest
from autospec.localisation.network_draw import NetworkDraw, fixed_design, network_settings
from autospec.localisation.pieces import (
    BASELINE_SETTINGS,
    NETWORK_SETTINGS,
    Piece,
    PieceStore,
    fingerprint,
    read_piece,
    write_piece,
)
from autospec.localisation.preparation import MIN_COUNTRY, Prepared, prepare
from autospec.localisation.progress import LocaliseCallback, LocaliseProgress, Stage, silent
from autospec.localisation.protocol import lay_draws, training_samples
from autospec.localisation.result import AUTO, LocalisationResult, Stopped
from autospec.localisation.settings import LocaliseSettings
from autospec.search.plan import StopSearch
from autospec.search.summary import describe_environment, summarise_spectra
from autospec.training.trainer import Device
from autospec.transfer.alignment_result import Alignment
from autospec.transfer.network_settings import Resources
from autospec.transfer.networks import check_fits
from autospec.transfer.provenance import selection_stability
from autospec.transfer.strategies import train_library_networks

RESERVE_S = 15.0  # kept back for the final model, the diagnostics and the report
OVERHEAD = 2.0  # a search's seconds, times this, is what it costs with its final networks


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class LocaliseExecution:
    """How a localisation runs; nothing here changes what it finds, unless time runs short.

    Parameters
    ----------
    pieces : PieceStore or None
        Keeps finished draws, so that the same call takes up what was stopped.
    storage : str or None
        An Optuna storage URL for the searches; None keeps them in memory.
    device : {"auto", "cpu", "cuda"}
        Where networks train and RS-Local fits PLS.
    progress : callable (LocaliseProgress) -> None
        Told how far it is.
    interrupted : callable () -> bool
        Asked between draws and after each epoch; True ends it, and what is finished is reported.
    """

    pieces: PieceStore | None = None
    storage: str | None = None
    device: Device = "auto"
    progress: LocaliseCallback = silent
    interrupted: Callable[[], bool] = _never


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
        By default ten draws of 30 training samples, networks on the first three, ten minutes.
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
    """
    settings, execution = settings or LocaliseSettings(), execution or LocaliseExecution()
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
        clock=time.monotonic(),
    )
    run.announce()
    # on tables this small more threads only wait for each other; that all is finite was checked
    with threadpool_limits(1), config_context(assume_finite=True, skip_parameter_validation=True):
        models = learn_library(prepared.narrow, settings.seed)
        run.run_draws(models)
        if not settings.quick:
            run.run_networks()
        return run.finish(models, name, farm, country)


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
        s, p = self.settings, self.prepared
        networks = (
            "no networks (--quick)"
            if s.quick
            else f"then networks on the first {min(s.network_draws, s.draws)}"
        )
        train, test = len(self.plans[0].train), self.plans[0].n_test
        self.say(
            "plan",
            f"{p.farm.own.n} rows of the farm with {p.farm.own.target_name}, {p.library.n} library "
            f"rows. {s.draws} draws of {train} training rows, {test} sealed to test; {networks}. "
            f"RS-Local selects {p.selection.wanted} rows in each draw. It ends within "
            f"{s.budget_s / 60:.3g} minutes whatever is left. Stop early with Ctrl-C: finished "
            "draws are reported and kept.",
            total=s.draws,
        )

    def _why_stop(self) -> Stopped | None:
        if self.execution.interrupted():
            return "interrupt"
        return "budget" if self.seconds_left() < 0 else None

    def run_draws(self, models: LibraryModels) -> None:
        """Run baselines and auto on every draw."""
        mark = fingerprint(self.digest, self.settings, BASELINE_SETTINGS)
        fresh: list[float] = []
        for number, plan in enumerate(self.plans):
            piece = read_piece(self.execution.pieces, f"draw-{number}", mark)
            if piece is None:
                why = self._why_stop()
                if why == "interrupt" or (why and self.baselines):
                    self._stop(why, f"{number} of {len(self.plans)} draws")
                    break
                begun = time.monotonic()
                piece = run_baselines(
                    self.prepared,
                    models,
                    plan,
                    number,
                    seed=self.settings.seed,
                    device=self.execution.device,
                    fingerprint=mark,
                )
                fresh.append(time.monotonic() - begun)
                write_piece(self.execution.pieces, f"draw-{number}", piece)
            self.baselines.append(piece)
            done = number + 1
            eta = sum(fresh) / len(fresh) * (len(self.plans) - done) if fresh else None
            self.say("draws", f"draw {done}", done, len(self.plans), eta)
        if not self.baselines:
            raise StudyFailed(
                "stopped before the first draw was finished, so there is nothing to report. "
                "Run the same command again."
            )

    def _stop(self, why: Stopped, reached: str) -> None:
        self.stopped = why
        cause = "Ctrl-C" if why == "interrupt" else "The time budget"
        self.notes.append(
            f"{cause} ended it after {reached}. Run the same command again to go on from there, "
            "with a longer --budget if you can."
        )

    def run_networks(self) -> None:
        """Run the networks on the first draws, as far as the time goes."""
        wanted = min(self.settings.network_draws, len(self.baselines))
        mark = fingerprint(self.digest, self.settings, NETWORK_SETTINGS)
        known = [read_piece(self.execution.pieces, f"networks-{i}", mark) for i in range(wanted)]
        self.networks += [piece for piece in known if piece is not None]
        missing = [i for i, piece in enumerate(known) if piece is None]
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
        axis = self.prepared.library.axis
        libraries = 1 if self.prepared.country is None else 2
        # a library's own search counts twice: its trials train on far more rows
        searches = 2 * libraries + (1 + libraries) * len(missing)
        seconds = max(self.seconds_left() / OVERHEAD / searches, 1.0)
        resources = Resources(
            device=self.execution.device,
            storage=self.execution.storage,
            study="library",
            interrupted=self.execution.interrupted,
            on_step=lambda text: self.say("networks", text, len(self.networks), wanted, None),
            seconds_left=self.seconds_left,
        )
        library_networks = train_library_networks(
            self.prepared.library,
            self.prepared.country,
            network_settings(self.settings, axis, 2 * seconds, -1),
            resources,
        )
        for number in missing:
            begun = time.monotonic()
            piece = NetworkDraw(
                prepared=self.prepared,
                library_networks=library_networks,
                plan=self.plans[number],
                number=number,
                selected=self.baselines[number].selected,
                networks=network_settings(self.settings, axis, seconds, number),
                resources=replace(resources, study=f"draw-{number}"),
            ).run(mark)
            if self.seconds_left() > 0:  # else strategies may be missing only for want of time
                write_piece(self.execution.pieces, f"networks-{number}", piece)
            self.networks.append(piece)
            spent = time.monotonic() - begun
            left = len(missing) - missing.index(number) - 1
            self.say(
                "networks",
                f"networks of draw {number + 1}",
                len(self.networks),
                wanted,
                left * spent,
            )
        if self.seconds_left() < 0:
            self._stop(
                "budget",
                f"the networks of {len(self.networks)} of {wanted} draws, some perhaps in part",
            )

    def finish(
        self, models: LibraryModels, name: str, farm: Spectra, country: str | None
    ) -> LocalisationResult:
        """Fit the final model, measure the selection, and put the result together."""
        searched = time.monotonic()
        settings, prepared = self.settings, self.prepared
        self.say("final", "the final model, on every row with a lab value")
        final, failures = fit_final(prepared, models, settings.seed)
        record, selected = final_selection(prepared, settings.seed, self.execution.device)
        draws = {piece.draw.number: piece.draw for piece in self.baselines}
        comparison = Comparison(farm=prepared.farm.own, draws=draws, seed=settings.seed)
        rows = comparison.rows([*self.baselines, *self.networks])
        pieces = [*self.baselines, *self.networks]
        chosen = [np.array(piece.selected, dtype=np.int64) for piece in self.baselines]
        return LocalisationResult(
            name=name,
            settings=settings,
            farm=summarise_spectra(farm, farm.labelled()),
            library=summarise_spectra(prepared.library, prepared.library),
            inputs_digest=self.digest,
            farm_ids=prepared.farm.own.ids,
            farm_fields=prepared.farm.own.fields,
            observed=tuple(float(v) for v in prepared.farm.own.target),
            library_rows=prepared.library.n,
            library_fields=summarise_spectra(prepared.library, prepared.library).fields,
            aligned=prepared.aligned,
            purged=prepared.purged,
            draws=tuple(draws.values()),
            models=rows,
            selections=(*(s for piece in pieces for s in piece.selections), record),
            networks=tuple(dict.fromkeys(r for piece in self.networks for r in piece.networks)),
            alignment=self._alignment(),
            stability=selection_stability(chosen, prepared.library.n) if len(chosen) > 1 else None,
            spectra_map=map_spectra(prepared, selected, settings.seed),
            final=final,
            verdict=auto_verdict(rows, farm.target_unit, self._train_samples()),
            transfer_verdict=transfer_verdict(comparison, rows),
            strategy_verdicts=strategy_verdicts(rows),
            notes=(*self.notes, *self._remarks(country, failures), *prepared.notes),
            stopped=self.stopped,
            environment=describe_environment(
                self.execution.device,
                started=self.started,
                seconds_search=searched - self.clock,
                seconds_final=time.monotonic() - searched,
            ),
        )

    def _alignment(self) -> Alignment | None:
        """Measure the selection of the first draw; None where that cannot be done."""
        try:
            return align_selection(self.prepared, self.baselines[0], self.settings.seed)
        except DataError as error:
            self.notes.append(f"The alignment could not be measured: {error}")
            return None

    def _remarks(self, country: str | None, failures: dict[str, str]) -> Iterator[str]:
        """Say what a reader would else have to find out."""
        s, prepared = self.settings, self.prepared
        samples, train = len(set(prepared.farm.own.groups)), self._train_samples()
        if training_samples(samples, s.n) < s.n:
            yield (
                f"The farm has {samples} samples with {prepared.farm.own.target_name}: "
                f"{train} of them train in a draw, not {s.n}, so that there are some to test on."
            )
        if not s.quick and prepared.country is None:
            why = f"fewer than {MIN_COUNTRY} usable library rows are of {country!r}"
            if country is None:
                why = "no country was given"
            yield f"No Country networks: {why}."
        networked = {piece.draw.number for piece in self.networks}
        if networked and len(networked) < len(self.baselines):
            yield (
                f"The networks ran on {len(networked)} of {len(self.baselines)} draws: they are "
                "compared with others on these draws only."
            )
        yield from self._missing_models()
        yield from (f"Final model: {name}: {why}" for name, why in failures.items())

    def _missing_models(self) -> Iterator[str]:
        """Name the models that no draw has a result of: they have no row that could say why."""
        pieces = [*self.baselines, *self.networks]
        found = {model.name for piece in pieces for model in piece.models}
        reasons: dict[str, list[str]] = {}
        for piece in pieces:
            for name, why in piece.failures.items():
                if name not in found:
                    found.add(name)
                    reasons.setdefault(why, []).append(name)
        yield from (
            f"Without a result: {', '.join(names)}: {why}" for why, names in reasons.items()
        )

    def _train_samples(self) -> int:
        """Return how many samples train in a draw: replicates count once."""
        return len({self.prepared.farm.own.groups[i] for i in self.plans[0].train})
