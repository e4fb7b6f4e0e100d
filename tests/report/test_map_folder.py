"""map-train.json there and back, checked; and when a training counts as finished."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from autospec.errors import OutputError
from autospec.report.map_folder import (
    finished_map_training,
    load_map_training,
    write_map_training,
)
from autospec.report.schemas import json_schemas
from autospec.training.map_result import MapTraining
from tests.report.maps.made_map_training import make_map_training


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    made = make_map_training()
    path = write_map_training(made, tmp_path)
    assert load_map_training(tmp_path) == load_map_training(path) == made


def test_it_is_what_its_schema_says(tmp_path: Path) -> None:
    text = write_map_training(make_map_training(), tmp_path).read_text(encoding="utf-8")
    schema = json.loads(json_schemas()["map_train.schema.json"])
    jsonschema.Draft202012Validator(schema).validate(json.loads(text))


BROKEN: dict[str, Any] = {
    "is not among the models": {"rival": "nobody"},
    "want 'network' first": {"models": make_map_training().models[1:]},
    "epochs: want all": {"epochs": make_map_training().epochs[1:]},
    "best_epoch": {"best_epoch": 99},
    "want the same": {"data": replace(make_map_training().data, targets=("other",))},
    "want scores, edges": {
        "models": (
            replace(make_map_training().models[0], edge_rmse=()),
            *make_map_training().models[1:],
        )
    },
    "seasons of a target": {
        "models": (
            replace(make_map_training().models[0], seasons=(("Dec–Feb", "x", 3, 0.1),)),
            *make_map_training().models[1:],
        )
    },
}


@pytest.mark.parametrize("message", BROKEN)
def test_what_does_not_agree_is_refused(message: str, tmp_path: Path) -> None:
    write_map_training(replace(make_map_training(), **BROKEN[message]), tmp_path)
    with pytest.raises(OutputError, match=message):
        load_map_training(tmp_path)


@pytest.mark.parametrize("text", ["", "[1]", '{"schema_version": 9}', "{", "\udcff"], ids=repr)
def test_what_is_no_result_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "map-train.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(OutputError, match=r"map-train\.json"):
        load_map_training(tmp_path)


@pytest.mark.parametrize(
    ("written", "digest", "name", "finished"),
    [
        ({}, None, None, True),
        ({"ended": "patience"}, None, None, True),
        ({"ended": "budget"}, None, None, False),
        ({"ended": "interrupt"}, None, None, False),
        ({}, "other", None, False),
        ({}, None, "other", False),
    ],
    ids=str,
)
def test_finished_is_what_the_same_call_would_give_again(
    written: dict[str, Any],
    digest: str | None,
    name: str | None,
    finished: bool,
    tmp_path: Path,
) -> None:
    made: MapTraining = replace(make_map_training(), **({"ended": "complete"} | written))
    write_map_training(made, tmp_path)
    found = finished_map_training(
        tmp_path, name or made.name, made.settings, lambda: digest or made.data.digest
    )
    assert found == (made if finished else None)


def test_a_damaged_result_is_not_finished(tmp_path: Path) -> None:
    (tmp_path / "map-train.json").write_text("{", encoding="utf-8")
    made = make_map_training()
    assert finished_map_training(tmp_path, made.name, made.settings, lambda: "") is None
