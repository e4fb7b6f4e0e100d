"""The files of a benchmark: what parses back, and what a reader meets."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from autospec.errors import OutputError
from autospec.localisation.result import AUTO, PLSR_LOCAL, LocalisationResult
from autospec.report.benchmark import describe_origins, site_models, summarise_part
from autospec.report.benchmark_result import BenchmarkFile, SiteModel
from autospec.report.benchmark_tables import (
    MODEL_HEAD,
    PART_HEAD,
    benchmark_csv,
    benchmark_markdown,
    missing_words,
    model_head,
    model_rows,
    part_cells,
    write_benchmark,
)
from autospec.report.localise_summary import SiteRow
from autospec.report.localise_tables import VERDICTS

FARMS = ("japan", "china", "sweden-skane")


@pytest.fixture(scope="module")
def lines(localisation: LocalisationResult) -> tuple[SiteModel, ...]:
    results = [replace(localisation, name=name) for name in FARMS]
    return tuple(line for result in results for line in site_models(result))


@pytest.fixture(scope="module")
def benchmark(localisation: LocalisationResult, lines: tuple[SiteModel, ...]) -> BenchmarkFile:
    reasons = {"france": "too small", "usa": "=1+1 | <b>", "germany-rp": "too small"}
    missing = [SiteRow(name=site, reason=why) for site, why in reasons.items()]
    late = [SiteRow(name="japan", stopped="budget"), SiteRow(name="china", stopped="complete")]
    return BenchmarkFile(
        origins=describe_origins(["0.1"]),
        settings=replace(localisation.settings, draws=20, first_draw=10),
        draws=tuple(range(10, 20)),
        parts=(
            summarise_part(lines, late, "soc", 30, seed=0),
            summarise_part([], missing, "ph", 30, seed=0),
        ),
    )


def test_the_csv_has_a_line_a_farm_and_model(lines: tuple[SiteModel, ...]) -> None:
    table = pd.read_csv(io.StringIO(benchmark_csv(lines)))
    assert len(table) == len(lines)
    assert list(dict.fromkeys(table["site"])) == list(FARMS)
    auto = table[table["model"] == AUTO].iloc[0]
    assert lines[0].plsr is not None
    assert auto["ratio"] == lines[0].plsr.value
    assert (auto["lower"], auto["upper"]) == (lines[0].plsr.low, lines[0].plsr.high)
    assert auto["verdict"] == VERDICTS[lines[0].plsr.better]
    assert (auto["held"], auto["rmse"]) == (0.911, lines[0].rmse)
    reference = table[table["model"] == PLSR_LOCAL].iloc[0]
    assert pd.isna(reference["ratio"]) and pd.isna(reference["held"])


def test_nothing_to_tell_is_a_head_alone() -> None:
    assert benchmark_csv([]).splitlines()[0].startswith("site,target,unit,n,n_train,model,kind")
    assert len(benchmark_csv([]).splitlines()) == 1


def test_auto_is_summed_up_in_a_row(benchmark: BenchmarkFile) -> None:
    cells = dict(zip(PART_HEAD, part_cells(benchmark.parts[0]), strict=True))
    plsr = benchmark.parts[0].models[0].plsr
    assert plsr is not None
    assert (cells["Target"], cells["n"], cells["Farms"]) == ("soc", "30", "3")
    assert cells["Ratio"] == f"{plsr.mean:.3f}"
    assert cells["Worst"].endswith(plsr.worst_site)
    assert (cells["Best ±2 %"], cells["Held"]) == ("3 of 3", "91.1 % (90 %)")
    assert part_cells(benchmark.parts[1]) == ("ph", "30", "0", *["–"] * 6)


def test_local_has_columns_only_where_it_ran(
    benchmark: BenchmarkFile, quick: LocalisationResult
) -> None:
    assert model_head(benchmark.parts[0])[-3:] == ("÷ Local", "Worst", "b / w / c")
    part = summarise_part(site_models(quick), [], "soc", 30, seed=0)
    assert model_head(part) == MODEL_HEAD
    for head, rows in ((model_head(p), model_rows(p)) for p in (part, benchmark.parts[0])):
        assert {len(row) for row in rows} == {len(head)}


def test_farms_without_a_result_stand_together_by_reason(benchmark: BenchmarkFile) -> None:
    assert missing_words(benchmark.parts[0]) == [
        "soc, n = 30, not finished: japan: the time budget ran out"
    ]
    assert missing_words(benchmark.parts[1]) == [
        "ph, n = 30, without a result: france, germany-rp: too small",
        "ph, n = 30, without a result: usa: =1+1 | <b>",
    ]


def test_the_markdown_has_a_table_over_all_and_one_a_part(benchmark: BenchmarkFile) -> None:
    text = benchmark_markdown(benchmark)
    assert "**auto over the farms, 10 draws (10 to 19)**" in text
    assert "**soc, n = 30: 3 farms**" in text
    assert text.count("| Model |") == 1  # ph has no results
    for model in benchmark.parts[0].models:
        assert model.model.split("_")[0] in text
    assert "usa: =1+1" in text


def test_files_parse_back(
    benchmark: BenchmarkFile, lines: tuple[SiteModel, ...], tmp_path: Path
) -> None:
    paths = write_benchmark(benchmark, lines, tmp_path)
    assert [path.name for path in paths] == ["benchmark.json", "benchmark.csv", "benchmark.md"]
    data = json.loads((tmp_path / "benchmark.json").read_text(encoding="utf-8"))
    assert data["schema_version"] == 1 and data["draws"] == list(range(10, 20))
    assert data["parts"][0]["models"][0]["near_best"] == 3
    assert data["parts"][1]["missing"]["france"] == "too small"


def test_a_folder_that_cannot_be_written_is_said(
    benchmark: BenchmarkFile, lines: tuple[SiteModel, ...], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_benchmark(benchmark, lines, tmp_path / "file")
