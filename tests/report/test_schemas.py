"""The schemas in data_schemas/ are those of the code, and what is written satisfies them."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autospec.localisation.result import LocalisationResult
from autospec.report.benchmark import describe_origins, site_models, summarise_part
from autospec.report.benchmark_result import BenchmarkFile
from autospec.report.benchmark_tables import benchmark_json
from autospec.report.compare import compare_runs
from autospec.report.compare_page import dump_comparison
from autospec.report.cubes.tables import cube_metrics_json
from autospec.report.folder import dump_result
from autospec.report.localise_summary import SiteRow, site_row, summarise, summary_json
from autospec.report.localise_tables import comparison_table
from autospec.report.schemas import json_schemas, main
from autospec.report.tables import architecture_table, metrics_json
from autospec.report.words import settings_toml
from autospec.search.result import SearchResult
from tests.report.cubes.made_cube_result import make_cube_result

FOLDER = Path(__file__).parents[2] / "data_schemas"
NAMES = (
    "study",
    "run",
    "architecture",
    "metrics",
    "cube_run",
    "cube_metrics",
    "comparison_of_runs",
    "localisation",
    "comparison",
    "localise_study",
    "benchmark",
    "summary",
    "model",
    "map_train",
    "map_run",
)


def validator(name: str) -> jsonschema.Draft202012Validator:
    schema: dict[str, Any] = json.loads(json_schemas()[f"{name}.schema.json"])
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


@pytest.mark.parametrize("name", NAMES)
def test_schema_has_not_drifted(name: str) -> None:
    file = f"{name}.schema.json"
    written = (FOLDER / file).read_text(encoding="utf-8")
    assert written == json_schemas()[file], "run python -m autospec.report.schemas data_schemas"


def test_module_writes_all_schemas(tmp_path: Path) -> None:
    main(tmp_path)
    assert {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir()} == json_schemas()


def test_written_files_satisfy_their_schemas(result: SearchResult) -> None:
    validator("run").validate(json.loads(dump_result(result)))
    validator("metrics").validate(json.loads(metrics_json(result)))
    table = json.loads(architecture_table(result, "json"))
    validator("architecture").validate(table["design"]["architecture"])
    validator("study").validate(tomllib.loads(settings_toml(result.settings)))


def test_files_of_a_search_on_cubes_satisfy_their_schemas(tmp_path: Path) -> None:
    made = make_cube_result()
    validator("cube_run").validate(json.loads(dump_result(made)))
    validator("cube_metrics").validate(json.loads(cube_metrics_json(made)))
    (tmp_path / "cube-run.json").write_text(dump_result(made), encoding="utf-8")
    compared = compare_runs([tmp_path])
    validator("comparison_of_runs").validate(json.loads(dump_comparison(compared)))


def test_files_of_a_localisation_satisfy_their_schemas(localisation: LocalisationResult) -> None:
    validator("localisation").validate(json.loads(dump_result(localisation)))
    validator("comparison").validate(json.loads(comparison_table(localisation, "json")))
    summary = summarise([site_row(localisation)], localisation.settings, "soc")
    validator("summary").validate(json.loads(summary_json(summary)))


def test_a_benchmark_satisfies_its_schema(localisation: LocalisationResult) -> None:
    rows = [site_row(localisation), SiteRow(name="france", reason="too small")]
    made = BenchmarkFile(
        origins=describe_origins(["0.1"]),
        settings=localisation.settings,
        draws=tuple(localisation.settings.numbers),
        parts=(summarise_part(site_models(localisation), rows, "soc", 30, seed=0),),
    )
    validator("benchmark").validate(json.loads(benchmark_json(made)))


@pytest.mark.parametrize("path", sorted((FOLDER.parent / "studies").glob("*.toml")), ids=str)
def test_bundled_studies_satisfy_the_schema(path: Path) -> None:
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    validator("localise_study" if "localise" in data else "study").validate(data)


@pytest.mark.parametrize("budget", ["90", "90s", "10m", "1.5h", "2d"])
def test_budget_as_text_is_allowed(budget: str) -> None:
    validator("study").validate({"search": {"budget": budget}})


@pytest.mark.parametrize(
    "study",
    [
        {"search": {"budget": "soon"}},
        {"search": {"trails": 3}},
        {"search": {"trials": 0}},
        {"search": {"space": {"padding": ["reflect"]}}},
    ],
)
def test_schema_refuses_what_the_reader_refuses(study: dict[str, Any]) -> None:
    assert not validator("study").is_valid(study)


@pytest.mark.parametrize(
    "table",
    [{"targets": ["sock"]}, {"sizes": [9]}, {"n": 30, "sizes": [30]}, {"darws": 3}],
)
def test_schema_of_a_localisation_refuses_what_its_reader_refuses(table: dict[str, Any]) -> None:
    assert not validator("localise_study").is_valid({"localise": table})


def test_schema_refuses_another_version(result: SearchResult) -> None:
    data = json.loads(dump_result(result)) | {"schema_version": 3}
    assert not validator("run").is_valid(data)
