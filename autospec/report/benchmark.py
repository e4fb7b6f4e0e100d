"""The benchmark of ``autospec localise --site all``: every way on every farm, and over the farms.

Here its numbers are put together; as tables they are in `autospec.report.benchmark_tables`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

import autospec
from autospec.evaluate.metrics import BOOTSTRAPS, LEVEL
from autospec.evaluate.repeated import VERDICT_DRAWS
from autospec.localisation.result import AUTO, MEAN, LocalisationResult, ModelRow, Paired
from autospec.report.benchmark_result import (
    BenchmarkPart,
    Coverage,
    ModelSummary,
    Origins,
    OverFarms,
    Ratio,
    SiteModel,
)
from autospec.report.localise_summary import SiteRow
from autospec.search.summary import describe_environment

NEAR_BEST = 1.02  # RMSE over that of the best row: within 2 %
MIN_FARMS = 3  # fewer cannot be resampled to an interval worth its name
GIT_S = 10.0


def site_models(result: LocalisationResult) -> tuple[SiteModel, ...]:
    """Return a line a model of one farm's result."""
    behind, trust = over_best(result), result.trust
    tests = {draw.number: len(draw.test) for draw in result.draws}

    def line(row: ModelRow) -> SiteModel:
        measured = trust if row.name == AUTO else None
        errors = [outcome.rmse for outcome in row.outcomes]
        return SiteModel(
            site=result.name,
            target=result.farm.target_name,
            unit=result.farm.target_unit,
            n=result.settings.n,
            n_train=len(result.draws[0].train),
            model=row.name,
            kind=row.kind,
            draws=len(row.outcomes),
            test_rows=sum(tests[outcome.draw] for outcome in row.outcomes),
            rmse=sum(errors) / len(errors),
            plsr=_ratio(row.versus_plsr),
            local=_ratio(row.versus_local),
            over_best=behind[row.name],
            level=measured.level if measured else None,
            covered=measured.covered if measured else None,
            seconds=round(sum(o.seconds for o in row.outcomes) / len(row.outcomes), 4),
        )

    return tuple(line(row) for row in result.models if row.outcomes)


def _ratio(paired: Paired | None) -> Ratio | None:
    if paired is None:
        return None
    return Ratio(
        value=1 - paired.reduction_percent / 100,
        low=1 - paired.high / 100,
        high=1 - paired.low / 100,
        better=paired.better,
    )


def over_best(result: LocalisationResult) -> dict[str, float]:
    """Return the RMSE of each model over that of the best possible choice, at least 1.

    Means over draws compare only on the same draws, and networks run on fewer; so each model is
    set beside every other one on the draws that both have, at least three where there are three,
    and the largest ratio counts. With a result on every draw that is its mean RMSE over the least.
    """
    wanted = min(VERDICT_DRAWS, len(result.draws))
    errors = {row.name: {o.draw: o.rmse for o in row.outcomes} for row in result.models}

    def ratio(mine: Mapping[int, float], other: Mapping[int, float]) -> float:
        common = sorted(mine.keys() & other.keys())
        best = sum(other[draw] for draw in common)
        if len(common) < wanted or best <= 0:
            return 1.0
        return sum(mine[draw] for draw in common) / best

    choices = [own for name, own in errors.items() if name != MEAN]
    return {
        name: max([1.0, *(ratio(own, other) for other in choices)]) for name, own in errors.items()
    }


def summarise_part(
    lines: Sequence[SiteModel], rows: Sequence[SiteRow], target: str, n: int, seed: int
) -> BenchmarkPart:
    """Sum up the farms of one target and size.

    Parameters
    ----------
    lines : sequence of SiteModel
        Of every farm with a result.
    rows : sequence of SiteRow
        One a farm; they tell why there is no result, and whether one was ended early.
    target, n : str, int
        What was predicted, and from how many training samples.
    seed : int
        Fixes which farms are resampled.
    """
    by_model: dict[str, list[SiteModel]] = {}
    for line in lines:
        by_model.setdefault(line.model, []).append(line)
    models = tuple(
        ModelSummary(
            model=name,
            kind=own[0].kind,
            farms=len(own),
            near_best=sum(line.over_best <= NEAR_BEST for line in own),
            plsr=_over_farms([(line.site, line.plsr) for line in own], seed),
            local=_over_farms([(line.site, line.local) for line in own], seed),
            coverage=_coverage(own, seed),
            seconds=round(sum(line.seconds for line in own) / len(own), 4),
        )
        for name, own in by_model.items()
    )
    return BenchmarkPart(
        target=target,
        n=n,
        sites=tuple(dict.fromkeys(line.site for line in lines)),
        missing={row.name: row.reason for row in rows if row.reason},
        unfinished={row.name: row.stopped for row in rows if row.stopped not in (None, "complete")},
        models=models,
    )


def _over_farms(pairs: Iterable[tuple[str, Ratio | None]], seed: int) -> OverFarms | None:
    found = [(site, ratio) for site, ratio in pairs if ratio is not None and ratio.value > 0]
    if not found:
        return None
    logs = np.log([ratio.value for _, ratio in found])
    low, high = _resample(logs, seed)
    worst_site, worst = max(found, key=lambda pair: pair[1].value)
    tally = [ratio.better for _, ratio in found]
    return OverFarms(
        farms=len(found),
        mean=float(np.exp(logs.mean())),
        low=None if low is None else float(np.exp(low)),
        high=None if high is None else float(np.exp(high)),
        worst=worst.value,
        worst_site=worst_site,
        better=tally.count("first"),
        worse=tally.count("second"),
        cannot_tell=tally.count("cannot tell"),
    )


def _coverage(lines: Sequence[SiteModel], seed: int) -> Coverage | None:
    """Sum up the intervals of the level that most farms have."""
    levels = [line.level for line in lines if line.level is not None]
    if not levels:
        return None
    level = max(dict.fromkeys(levels), key=levels.count)
    held = [o.covered for o in lines if o.level == level and o.covered is not None]
    low, high = _resample(np.array(held), seed)
    return Coverage(
        farms=len(held),
        level=level,
        mean=sum(held) / len(held),
        low=low,
        high=high,
        least=min(held),
        most=max(held),
    )


def _resample(
    values: np.ndarray[tuple[int], np.dtype[np.float64]], seed: int
) -> tuple[float, float] | tuple[None, None]:
    """Return the ends of the 95 % interval of a mean over farms: 2000 bootstrap draws of farms."""
    if len(values) < MIN_FARMS:
        return None, None
    picked = np.random.default_rng(seed).integers(0, len(values), (BOOTSTRAPS, len(values)))
    low, high = np.quantile(values[picked].mean(axis=1), [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def describe_origins(results: Iterable[str]) -> Origins:
    """Describe program and machine; `results`: versions of autospec that made the results."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    here = describe_environment("cpu", started=now, seconds_search=0.0, seconds_final=0.0)
    return Origins(
        autospec=here.autospec,
        revision=git_revision(Path(autospec.__file__).parents[1]),
        written=now,
        python=here.python,
        platform=here.platform,
        processor=here.processor,
        packages=here.packages,
        results=tuple(sorted(set(results))),
    )


def git_revision(root: Path) -> str | None:
    """Return the commit of a clone, "-dirty" behind it if files were changed; None for no clone.

    An installed package may lie inside of somebody's repository: only a clone's own root counts.
    """
    if not (root / ".git").exists():
        return None
    command = ("git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40")
    try:
        said = subprocess.run(
            [*command, "--exclude=*"], capture_output=True, text=True, timeout=GIT_S, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None  # no git, or a clone that it does not trust
    return said.stdout.strip() or None
