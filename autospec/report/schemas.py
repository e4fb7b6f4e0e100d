"""JSON Schemas of what autospec reads and writes, derived from the dataclasses themselves.

``python -m autospec.report.schemas DIR`` writes them; a test holds ``data_schemas/`` to the code.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from autospec.data.writing import write_text
from autospec.localisation.result import SCHEMA_VERSION as LOCALISATION_VERSION
from autospec.localisation.result import LocalisationResult
from autospec.localisation.settings import LocaliseSettings
from autospec.localisation.study import TABLE, Grid
from autospec.nets.architecture import Architecture
from autospec.predict.document import CUBE_SCHEMA_VERSION as CUBE_MODEL_VERSION
from autospec.predict.document import MAP_MODEL_VERSION, CubeBundle, MapBundle, ModelBundle
from autospec.predict.document import SCHEMA_VERSION as MODEL_VERSION
from autospec.report.benchmark_result import BENCHMARK_SCHEMA_VERSION, BenchmarkFile
from autospec.report.compare_result import COMPARE_SCHEMA_VERSION, RunsComparison
from autospec.report.cubes.tables import CubeMetricsFile
from autospec.report.localise_summary import SummaryFile
from autospec.report.localise_tables import ComparisonFile
from autospec.report.tables import MetricsFile
from autospec.search.cubes.result import CUBE_SCHEMA_VERSION, CubeResult
from autospec.search.maps.result import MAP_RUN_VERSION, MapSearchResult
from autospec.search.result import SCHEMA_VERSION, SearchResult
from autospec.search.settings import StudyFile
from autospec.training.cube_training import TRAIN_SCHEMA_VERSION, TrainResult
from autospec.training.map_result import MAP_SCHEMA_VERSION, MapTraining

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_KINDS: dict[str, type] = {
    "study": StudyFile,
    "run": SearchResult,
    "architecture": Architecture,
    "metrics": MetricsFile,
    "cube_run": CubeResult,
    "cube_metrics": CubeMetricsFile,
    "comparison_of_runs": RunsComparison,
    "localisation": LocalisationResult,
    "comparison": ComparisonFile,
    "summary": SummaryFile,
    "benchmark": BenchmarkFile,
    "model": ModelBundle,
    "train": TrainResult,
    "map_train": MapTraining,
    "map_run": MapSearchResult,
    "cube_model": CubeBundle,
    "map_model": MapBundle,
}
_VERSIONS = {
    "run": SCHEMA_VERSION,
    "metrics": SCHEMA_VERSION,
    "cube_run": CUBE_SCHEMA_VERSION,
    "cube_metrics": CUBE_SCHEMA_VERSION,
    "comparison_of_runs": COMPARE_SCHEMA_VERSION,
    "localisation": LOCALISATION_VERSION,
    "comparison": LOCALISATION_VERSION,
    "summary": LOCALISATION_VERSION,
    "benchmark": BENCHMARK_SCHEMA_VERSION,
    "model": MODEL_VERSION,
    "train": TRAIN_SCHEMA_VERSION,
    "map_train": MAP_SCHEMA_VERSION,
    "map_run": MAP_RUN_VERSION,
    "cube_model": CUBE_MODEL_VERSION,
    "map_model": MAP_MODEL_VERSION,
}
_BUDGET = {
    "type": "string",
    "pattern": r"^\s*\d+(\.\d+)?\s*[smhd]?\s*$",
    "description": "budget_s as text, such as 90s, 10m, 1.5h or 2d; give one of the two.",
}


def json_schemas() -> dict[str, str]:
    """Return file name → JSON Schema text, for all that autospec reads and writes as JSON."""
    made = {f"{name}.schema.json": _schema(name, kind) for name, kind in _KINDS.items()}
    return made | {"localise_study.schema.json": _localise_study()}


def _schema(name: str, kind: type) -> str:
    mode = "validation" if name == "study" else "serialization"
    schema: dict[str, Any] = TypeAdapter(kind).json_schema(mode=mode)  # type: ignore[arg-type]
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part["additionalProperties"] = False
    if name in _VERSIONS:
        schema["properties"]["schema_version"] = {"const": _VERSIONS[name]}
        schema["required"] = sorted({*schema["required"], "schema_version"})
    if name == "study":
        schema["$defs"]["SearchSettings"]["properties"]["budget"] = _BUDGET
    return _text(name, schema)


def _localise_study() -> str:
    """Return the schema of a localisation's study file: settings, targets and sizes in a table."""
    parts = [TypeAdapter(kind).json_schema(mode="validation") for kind in (LocaliseSettings, Grid)]
    settings, grid = (part["properties"] for part in parts)
    table = {
        "type": "object",
        "properties": settings | {"budget": _BUDGET} | grid,
        "additionalProperties": False,
        "not": {"required": ["n", "sizes"]},
    }
    schema = {
        "title": "LocaliseStudy",
        "type": "object",
        "properties": {TABLE: table},
        "required": [TABLE],
        "additionalProperties": False,
    }
    return _text("localise_study", schema)


def _text(name: str, schema: dict[str, Any]) -> str:
    head = {"$schema": DIALECT, "$id": f"{name}.schema.json"}
    return json.dumps(head | schema, indent=1, ensure_ascii=False, sort_keys=False) + "\n"


def main(folder: Path) -> None:
    """Write every schema into `folder`."""
    for name, text in json_schemas().items():
        write_text(folder / name, text)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m autospec.report.schemas DIR")
    main(Path(sys.argv[1]))
