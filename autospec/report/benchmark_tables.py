"""The files of a benchmark: a line a farm and model as CSV, sums as JSON, tables as Markdown."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from autospec.data.writing import write_text
from autospec.localisation.result import AUTO, LOCAL, PLSR_LOCAL
from autospec.localisation.settings import draw_words
from autospec.report.benchmark_result import (
    BenchmarkFile,
    BenchmarkPart,
    Coverage,
    ModelSummary,
    OverFarms,
    Ratio,
    SiteModel,
)
from autospec.report.localise_sections import STOPPED_WORDS
from autospec.report.localise_tables import VERDICTS
from autospec.report.tables import csv_text, markdown_table
from autospec.report.trust_section import percent
from autospec.report.words import MISSING, number

BENCHMARK_FILES = ("benchmark.json", "benchmark.csv", "benchmark.md")
PART_HEAD = ("Target", "n", "Farms", "Ratio", "95 %", "Worst", "b / w / c", "Best ±2 %", "Held")
MODEL_HEAD = ("Model", "Farms", "÷ PLSR", "95 %", "Worst", "b / w / c", "Best ±2 %", "Fit (s)")
LOCAL_HEAD = ("÷ Local", "Worst", "b / w / c")
KEY = (
    f"Ratio, ÷ PLSR: RMSE over that of {PLSR_LOCAL} on the same test rows, geometric mean over the "
    "farms; 95 %: its interval, which resamples farms. b / w / c: farms on which it is better, "
    "worse, or cannot be told. Best ±2 %: farms on which it is the best row or within 2 % of it. "
    "Held: test rows inside auto's intervals (what these are made to hold)."
)


def write_benchmark(
    benchmark: BenchmarkFile, lines: Sequence[SiteModel], folder: Path
) -> tuple[Path, ...]:
    """Write benchmark.json, .csv and .md into `folder`, each whole.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    texts = (benchmark_json(benchmark), benchmark_csv(lines), benchmark_markdown(benchmark))
    for name, text in zip(BENCHMARK_FILES, texts, strict=True):
        write_text(folder / name, text)
    return tuple(folder / name for name in BENCHMARK_FILES)


def benchmark_json(benchmark: BenchmarkFile) -> str:
    """Return benchmark.json."""
    return json.dumps(asdict(benchmark), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def benchmark_csv(lines: Sequence[SiteModel]) -> str:
    """Return a line a farm, target, size and model; ratios that do not exist are empty.

    Columns: ratio, lower and upper are against PLSR local, those with _local against the Local
    network; held is the share of test rows inside intervals of `level`.
    """
    return csv_text(pd.DataFrame([_line(line) for line in lines], columns=_COLUMNS, dtype=object))


_COLUMNS = (
    *("site", "target", "unit", "n", "n_train", "model", "kind", "draws", "test_rows", "rmse"),
    *("ratio", "lower", "upper", "verdict"),
    *("ratio_local", "lower_local", "upper_local", "verdict_local"),
    *("over_best", "level", "held", "seconds"),
)


def _line(line: SiteModel) -> tuple[object, ...]:
    return (
        *(line.site, line.target, line.unit, line.n, line.n_train, line.model, line.kind),
        *(line.draws, line.test_rows, line.rmse),
        *_ratio_cells(line.plsr),
        *_ratio_cells(line.local),
        *(line.over_best, line.level, line.covered, line.seconds),
    )


def _ratio_cells(ratio: Ratio | None) -> tuple[object, ...]:
    if ratio is None:
        return ("", "", "", "")
    return (ratio.value, ratio.low, ratio.high, VERDICTS[ratio.better])


def benchmark_markdown(benchmark: BenchmarkFile) -> str:
    """Return the table of auto over targets and sizes, and a table of all models for each."""
    rows = [part_cells(part) for part in benchmark.parts]
    parts = [markdown_table(benchmark_caption(benchmark), PART_HEAD, rows), f"{KEY}\n"]
    for part in benchmark.parts:
        if part.models:
            caption = f"{part.target}, n = {part.n}: {len(part.sites)} farms"
            parts.append(markdown_table(caption, model_head(part), model_rows(part)))
        if words := missing_words(part):
            parts.append("\n\n".join(words) + "\n")
    return "\n".join(parts)


def missing_words(part: BenchmarkPart) -> list[str]:
    """Say of each farm why it has no result, or not all of it, those of one reason together."""
    reasons: dict[str, list[str]] = {}
    for site, why in part.missing.items():
        reasons.setdefault(f"without a result: {{}}: {why}", []).append(site)
    for site, stopped in part.unfinished.items():
        reasons.setdefault(f"not finished: {{}}: {STOPPED_WORDS[stopped]}", []).append(site)
    head = f"{part.target}, n = {part.n}"
    return [f"{head}, {why.replace('{}', ', '.join(sites), 1)}" for why, sites in reasons.items()]


def benchmark_caption(benchmark: BenchmarkFile) -> str:
    """Say what stands over the table of targets and sizes."""
    return f"{AUTO} over the farms, {draw_words(benchmark.draws)}"


def part_cells(part: BenchmarkPart) -> tuple[str, ...]:
    """Return how auto did for one target and size, in the columns Target to Held."""
    auto = next((model for model in part.models if model.model == AUTO), None)
    head = (part.target, str(part.n), str(len(part.sites)))
    if auto is None:
        return (*head, *[MISSING] * (len(PART_HEAD) - len(head)))
    return (
        *head,
        *_over_cells(auto.plsr, site=True),
        f"{auto.near_best} of {auto.farms}",
        _held(auto.coverage),
    )


def model_head(part: BenchmarkPart) -> tuple[str, ...]:
    """Return the columns of `model_rows`: against the Local network only where it ran."""
    return (*MODEL_HEAD, *(LOCAL_HEAD if _has_local(part) else ()))


def model_rows(part: BenchmarkPart) -> list[tuple[str, ...]]:
    """Return one row a model over the farms."""
    return [_model_cells(model, _has_local(part)) for model in part.models]


def _has_local(part: BenchmarkPart) -> bool:
    return any(model.model == LOCAL for model in part.models)


def _model_cells(model: ModelSummary, with_local: bool) -> tuple[str, ...]:
    cells = (
        model.model,
        str(model.farms),
        *_over_cells(model.plsr, site=False),
        f"{model.near_best} of {model.farms}",
        number(model.seconds),
    )
    mean, _, *rest = _over_cells(model.local, site=False)
    return (*cells, mean, *rest) if with_local else cells


def _over_cells(over: OverFarms | None, *, site: bool) -> tuple[str, ...]:
    """Return mean, interval, worst and verdicts, the worst with its farm if `site`."""
    if over is None:
        return (MISSING,) * 4
    worst = f"{over.worst:.2f}"
    return (
        f"{over.mean:.3f}",
        MISSING if over.low is None else f"{over.low:.2f} to {over.high:.2f}",
        f"{worst} {over.worst_site}" if site else worst,
        f"{over.better} / {over.worse} / {over.cannot_tell}",
    )


def _held(coverage: Coverage | None) -> str:
    if coverage is None:
        return MISSING
    return f"{percent(coverage.mean)} ({percent(coverage.level)})"
