"""What a benchmark over farms found out, as plain values; nothing here computes."""

from __future__ import annotations

from dataclasses import dataclass

from autospec.evaluate.metrics import LEVEL, Winner
from autospec.localisation.result import Kind, Stopped
from autospec.localisation.settings import LocaliseSettings

BENCHMARK_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """RMSE of a model over that of a reference, on the draws of one farm that both have.

    Parameters
    ----------
    value, low, high : float
        Below 1 is better; 95 % interval over draws and farm rows.
    better : {"first", "second", "cannot tell"}
        "first" is the model.
    """

    value: float
    low: float
    high: float
    better: Winner


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteModel:
    """One model on one farm, for one target and size.

    Parameters
    ----------
    site, target, unit : str
        The farm, what was predicted, and the unit of its RMSE.
    n, n_train : int
        Training samples asked for, and training rows in the first draw: a small farm has fewer,
        replicate scans are more.
    model, kind : str
        The model's name, and what it is.
    draws, test_rows : int
        Draws with a result, and test rows of all of them together.
    rmse : float
        Mean over its draws.
    plsr, local : Ratio or None
        Against PLSR on the farm's rows and against the Local network; None for itself, or where
        the reference was not run.
    over_best : float
        RMSE over that of the best row, 1 for the best one: the largest ratio to any possible
        choice (all rows but the mean) on the draws that both have.
    level, covered : float or None
        What the model's intervals are made to hold, and the share of test rows that they hold;
        None where that was not measured.
    seconds : float
        To tune and fit, mean over its draws.
    """

    site: str
    target: str
    unit: str
    n: int
    n_train: int
    model: str
    kind: Kind
    draws: int
    test_rows: int
    rmse: float
    plsr: Ratio | None
    local: Ratio | None
    over_best: float
    level: float | None
    covered: float | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OverFarms:
    """Ratios of one model to one reference over the farms.

    Parameters
    ----------
    farms : int
        With a ratio.
    mean : float
        Geometric mean of the ratios.
    low, high : float or None
        Its 95 % interval, which resamples farms; None of fewer than three.
    worst, worst_site : float, str
        The largest ratio, and whose it is.
    better, worse, cannot_tell : int
        Farms by verdict.
    """

    farms: int
    mean: float
    low: float | None
    high: float | None
    worst: float
    worst_site: str
    better: int
    worse: int
    cannot_tell: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """How often a model's intervals hold, over the farms that have them at the usual level.

    Parameters
    ----------
    farms : int
        With intervals of that level.
    level : float
        What they are made to hold.
    mean : float
        Of the shares that they hold, farm by farm.
    low, high : float or None
        Its 95 % interval, which resamples farms; None of fewer than three.
    least, most : float
        On a single farm.
    """

    farms: int
    level: float
    mean: float
    low: float | None
    high: float | None
    least: float
    most: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSummary:
    """One model over the farms.

    Parameters
    ----------
    model, kind : str
        Its name, and what it is.
    farms : int
        With a result.
    near_best : int
        Of them, where it is the best row or within 2 % of it.
    plsr, local : OverFarms or None
        Against PLSR on the farm's rows and against the Local network.
    coverage : Coverage or None
        Of its intervals.
    seconds : float
        To tune and fit on a draw, mean over the farms.
    """

    model: str
    kind: Kind
    farms: int
    near_best: int
    plsr: OverFarms | None
    local: OverFarms | None
    coverage: Coverage | None
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkPart:
    """All farms, for one target and size.

    Parameters
    ----------
    target : str
        What was predicted.
    n : int
        Training samples asked for.
    sites : tuple of str
        Farms with a result.
    missing : dict of str to str
        Farms without one, and why.
    unfinished : dict of str to {"budget", "interrupt"}
        Farms whose localisation was ended early: they have fewer draws, or fewer intervals.
    models : tuple of ModelSummary
        In the order of the first farm's table.
    """

    target: str
    n: int
    sites: tuple[str, ...]
    missing: dict[str, str]
    unfinished: dict[str, Stopped]
    models: tuple[ModelSummary, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Origins:
    """Which program, libraries and machine wrote the file, and which versions made the results.

    Parameters
    ----------
    autospec, python, platform, processor : str
        Of who wrote the file.
    revision : str or None
        The git commit, "-dirty" behind it if files were changed; None outside of a clone.
    written : str
        When, in UTC.
    packages : dict of str to str
        Versions of the libraries.
    results : tuple of str
        Versions of autospec that made the results: what was finished before is not run again.
    """

    autospec: str
    revision: str | None
    written: str
    python: str
    platform: str
    processor: str
    packages: dict[str, str]
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchmarkFile:
    """benchmark.json.

    Parameters
    ----------
    origins : Origins
        What made it.
    settings : LocaliseSettings
        Of every localisation, but for `n`.
    draws : tuple of int
        Numbers of the draws.
    level : float
        Of all intervals but those of `Coverage`.
    parts : tuple of BenchmarkPart
        One a target and size.
    """

    schema_version: int = BENCHMARK_SCHEMA_VERSION
    origins: Origins
    settings: LocaliseSettings
    draws: tuple[int, ...]
    level: float = LEVEL
    parts: tuple[BenchmarkPart, ...]
