"""Run every named site in turn, for each target and size of a study; what is finished stays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from autospec.cli.localise_data import farm_sites, refuse_file_options, site_case
from autospec.cli.localise_run import Place, run_case
from autospec.errors import EXIT_INTERRUPTED, AutospecError, DataError, OutputError, UsageError

if TYPE_CHECKING:
    from autospec.data.sites import Target
    from autospec.localisation.result import LocalisationResult
    from autospec.localisation.settings import LocaliseSettings
    from autospec.localisation.study import LocaliseStudy
    from autospec.report.benchmark_result import BenchmarkFile, SiteModel
    from autospec.report.localise_summary import SiteRow, SummaryFile
    from autospec.search.settings import DataSource

NOT_RUN = "not run yet"
DEFAULT_TARGETS: tuple[Target, ...] = ("soc",)


@dataclass(slots=True, kw_only=True)
class Part:
    """All sites for one target and size, and what has come of them.

    Parameters
    ----------
    target, n : str, int
        What is predicted, from how many training samples.
    folder : Path
        Of the summary; each site has its own in it.
    rows : dict of str to SiteRow
        Site → its row of the summary: a reason as long as there is no result.
    todo : tuple of str
        Sites to localise; the others are left out.
    lines : list of SiteModel
        Of the results.
    """

    target: str
    n: int
    folder: Path
    rows: dict[str, SiteRow]
    todo: tuple[str, ...]
    lines: list[SiteModel] = field(default_factory=list)

    def summary(self, settings: LocaliseSettings) -> SummaryFile:
        """Sum up the sites."""
        from autospec.report.localise_summary import summarise

        return summarise(tuple(self.rows.values()), replace(settings, n=self.n), self.target)


@dataclass(slots=True, kw_only=True)
class Everything:
    """All parts, what was wrong, and which versions of autospec made the results.

    Parameters
    ----------
    parts : tuple of Part
    settings : LocaliseSettings
        Of all, but for `n`.
    errors : list of AutospecError
        Of sites.
    versions : set of str
    stopped : bool
        Whether Ctrl-C ended it early.
    """

    parts: tuple[Part, ...]
    settings: LocaliseSettings
    errors: list[AutospecError] = field(default_factory=list)
    versions: set[str] = field(default_factory=set)
    stopped: bool = False

    def work(self) -> Iterator[tuple[Part, str, str]]:
        """Yield what is to be localised: the part, the site, and both in words."""
        total, done = sum(len(part.todo) for part in self.parts), 0
        for part in self.parts:
            for site in part.todo:
                done += 1
                more = f", {part.target}, n = {part.n}" if len(self.parts) > 1 else ""
                yield part, site, f"Site {done} of {total}: {site}{more}"

    def benchmark(self) -> BenchmarkFile:
        """Put all results together."""
        from autospec.report.benchmark import describe_origins, summarise_part
        from autospec.report.benchmark_result import BenchmarkFile

        return BenchmarkFile(
            origins=describe_origins(self.versions),
            settings=self.settings,
            draws=tuple(self.settings.numbers),
            parts=tuple(
                summarise_part(
                    part.lines,
                    tuple(part.rows.values()),
                    part.target,
                    part.n,
                    self.settings.seed,
                )
                for part in self.parts
            ),
        )


def run_all(
    data: DataSource, study: LocaliseStudy, place: Place
) -> tuple[Everything, BenchmarkFile]:
    """Localise every site that is a farm; the summary is written anew after each.

    Parameters
    ----------
    data : DataSource
        Only for what cannot be asked of named sites.
    study : LocaliseStudy
        Settings, and at least one size; without a target it is soc.
    place : Place
        The folder of all: with one target and size of the sites' folders, else of a folder each.

    Returns
    -------
    Everything, BenchmarkFile
        What came of each site, and the sums over them; both are written.

    Raises
    ------
    AutospecError
        The first site's, if no site has a result; at once if results cannot be written.
    """
    from autospec.report.lock import locked

    if place.shared:
        raise UsageError(
            "--storage and --workers are for one farm; with --site all each has its own study.db"
        )
    refuse_file_options(data)
    found = Everything(parts=plan_parts(study, place.folder), settings=study.settings)
    _announce(found)
    with locked(place.folder):
        try:
            for part, site, words in found.work():
                typer.echo(words, err=True)
                _run_site(part, site, found, place)
                if found.stopped:
                    break
        except KeyboardInterrupt:
            found.stopped = True
        if not found.stopped and not any(part.lines for part in found.parts):
            raise found.errors[0]
        return found, _write(found, place.folder)


def plan_parts(study: LocaliseStudy, folder: Path) -> tuple[Part, ...]:
    """Say which sites take part for each target and size.

    A site without the target is left out. So is one that a size is too large for, if there are
    others: it would train on as many samples as with another, and stand for a size that it has
    not. The only size is cut to what a site has.

    Raises
    ------
    DataError
        If no site takes part.
    """
    from autospec.data.sites import load_site
    from autospec.localisation.protocol import training_samples
    from autospec.report.localise_summary import SiteRow

    grid, parts = study.grid, []
    targets = grid.targets or DEFAULT_TARGETS
    for target in targets:
        tables = {site: load_site(site, target).labelled() for site in farm_sites()}
        samples = {site: len(set(table.groups)) for site, table in tables.items()}
        for n in grid.sizes:
            rows, todo = {}, []
            for site, there in samples.items():
                most = training_samples(there, n)
                reason = NOT_RUN
                if not there:
                    reason = f"no lab value of {target}"
                elif most < n and len(grid.sizes) > 1:
                    reason = f"{there} samples with {target}: at most {most} train, not {n}"
                else:
                    todo.append(site)
                rows[site] = SiteRow(name=site, reason=reason)
            one = len(targets) * len(grid.sizes) == 1
            own = folder if one else folder / f"{target}-n{n}"
            parts.append(Part(target=target, n=n, folder=own, rows=rows, todo=tuple(todo)))
    if not any(part.todo for part in parts):
        raise DataError([f"{row.name}: {row.reason}" for p in parts for row in p.rows.values()])
    return tuple(parts)


def _announce(found: Everything) -> None:
    """Say beforehand what is left out, how many localisations there are, and what they can cost."""
    from autospec.report.words import duration

    for part in found.parts:
        for row in part.rows.values():
            if row.name not in part.todo:
                typer.echo(f"{row.name} is left out at n = {part.n}: {row.reason}", err=True)
    count, budget = sum(len(part.todo) for part in found.parts), found.settings.budget_s
    sites = f"{count} sites"
    if len(found.parts) > 1:
        sites = f"{count} localisations of {len(found.parts[0].rows)} sites"
    typer.echo(
        f"{sites}, each with a budget of {duration(budget)}: at most about "
        f"{duration(count * budget)} in all. What is finished is not run again.",
        err=True,
    )


def _run_site(part: Part, site: str, found: Everything, place: Place) -> None:
    """Localise one site, and write its part's summary."""
    from autospec.report.localise_summary import SiteRow, write_summary

    try:
        result = _localise(part, site, found, place)
    except OutputError:
        raise
    except typer.Exit as end:
        if end.exit_code != EXIT_INTERRUPTED:
            raise
        found.stopped = True
        return
    except AutospecError as error:
        found.errors.append(error)
        part.rows[site] = SiteRow(name=site, reason=" ".join(str(error).split()))
        typer.echo(f"{site}: {error}", err=True)
    else:
        found.stopped = result.stopped == "interrupt"
    write_summary(part.summary(found.settings), part.folder)


def _localise(part: Part, site: str, found: Everything, place: Place) -> LocalisationResult:
    """Localise one site, or take up its result, and keep what the tables need of it."""
    from autospec.report.benchmark import site_models
    from autospec.report.localise_summary import site_row
    from autospec.search.settings import DataSource

    own = Place(folder=part.folder / site, storage=None, device=place.device)
    case = site_case(site, DataSource(target=part.target))
    result = run_case(case, replace(found.settings, n=part.n), own, spent_counts=True)
    part.rows[site] = site_row(result)
    part.lines += site_models(result)
    found.versions.add(result.environment.autospec)
    return result


def _write(found: Everything, folder: Path) -> BenchmarkFile:
    """Write every summary and the benchmark, also of what was stopped."""
    from autospec.report.benchmark_tables import write_benchmark
    from autospec.report.localise_summary import write_summary

    for part in found.parts:
        write_summary(part.summary(found.settings), part.folder)
    lines = [line for part in found.parts for line in part.lines]
    benchmark = found.benchmark()
    write_benchmark(benchmark, lines, folder)
    return benchmark
