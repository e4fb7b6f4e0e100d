"""localisation.json comes back as it went; pieces survive; two jobs do not share a folder."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospec.data.writing import write_text
from autospec.errors import OutputError, UsageError
from autospec.localisation.result import LocalisationResult
from autospec.report import folder, localise_folder
from autospec.report.folder import dump_result
from autospec.report.jobs import LOCALISATION_FILE, refuse_other
from autospec.report.localise_folder import FilePieces, finished_localisation, load_localisation
from autospec.report.lock import discard_empty, locked
from tests.report.made_localisation import later_draws

Change = Callable[[dict[str, Any]], object]


def test_result_survives_json(localisation: LocalisationResult, tmp_path: Path) -> None:
    write_text(tmp_path / LOCALISATION_FILE, dump_result(localisation))
    assert load_localisation(tmp_path) == localisation
    assert load_localisation(tmp_path / LOCALISATION_FILE) == localisation


def test_later_draws_survive_json(localisation: LocalisationResult, tmp_path: Path) -> None:
    made = later_draws(localisation, 10)
    write_text(tmp_path / LOCALISATION_FILE, dump_result(made))
    assert load_localisation(tmp_path) == made


def test_result_without_networks_survives_json(quick: LocalisationResult, tmp_path: Path) -> None:
    write_text(tmp_path / LOCALISATION_FILE, dump_result(quick))
    assert load_localisation(tmp_path) == quick


CHANGES: dict[str, Change] = {
    "missing field": lambda d: d.pop("verdict"),
    "word for a number": lambda d: d.update(library_rows="1002"),
    "unknown kind": lambda d: d["models"][0].update(kind="magic"),
    "impossible block": lambda d: d["networks"][0]["design"]["architecture"]["conv"][0].update(
        kernel=0
    ),
    "lost a farm row": lambda d: d["farm_ids"].pop(),
    "draw out of order": lambda d: d["draws"][1].update(number=7),
    "row in both sets": lambda d: d["draws"][0]["test"].append(d["draws"][0]["train"][0]),
    "row that is not there": lambda d: d["draws"][0]["test"].append(125),
    "no models": lambda d: d.update(models=[]),
    "a model twice": lambda d: d["models"].append(d["models"][0]),
    "lost a prediction": lambda d: d["models"][0]["outcomes"][0]["predicted"].pop(),
    "outcome of no draw": lambda d: d["models"][0]["outcomes"][9].update(draw=10),
    "a draw twice": lambda d: d["models"][0]["outcomes"][1].update(draw=0),
    "lost a selected field": lambda d: d["selections"][0]["fields"].pop(),
    "lost a map field": lambda d: d["spectra_map"]["library_fields"].pop(),
    "lost a final row": lambda d: d["final"]["ids"].pop(),
    "lost a final bound": lambda d: d["final"]["upper"].pop(),
    "lower bounds only": lambda d: d["final"].update(upper=[]),
    "lost a final reason": lambda d: d["final"]["reasons"].pop(),
    "lost a bound": lambda d: d["intervals"][0]["lower"].pop(),
    "intervals of no draw": lambda d: d["intervals"][2].update(draw=10),
    "intervals of a draw twice": lambda d: d["intervals"][1].update(draw=0),
    "intervals without trust": lambda d: d.update(trust=None),
    "trust without intervals": lambda d: d.update(intervals=[]),
    "draws that cannot be": lambda d: d["settings"].update(first_draw=10),
    "draws of other numbers": lambda d: d["settings"].update(first_draw=1),
    "lost a curve": lambda d: d["farm"]["envelope"].pop(),
    "lost an example": lambda d: d["library"]["example_targets"].pop(),
}


@pytest.mark.parametrize("fault", CHANGES)
def test_changed_result_is_refused_in_one_line(
    localisation: LocalisationResult, tmp_path: Path, fault: str
) -> None:
    data = json.loads(dump_result(localisation))
    CHANGES[fault](data)
    (tmp_path / LOCALISATION_FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(OutputError, match=r"n\.json: not a result of a localisation: .* again"):
        load_localisation(tmp_path)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b"\xff\xfe\x00", b"[" * 200_000, b'{"schema_version": NaN}']
)
def test_what_is_no_json_object_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCALISATION_FILE).write_bytes(content)
    with pytest.raises(OutputError, match="not a result of a localisation"):
        load_localisation(tmp_path)


def test_cut_short_result_is_refused(localisation: LocalisationResult, tmp_path: Path) -> None:
    text = dump_result(localisation)
    (tmp_path / LOCALISATION_FILE).write_text(text[: len(text) // 2], encoding="utf-8")
    with pytest.raises(OutputError, match="no JSON"):
        load_localisation(tmp_path)


def test_other_version_missing_and_large_files_say_what_to_do(
    localisation: LocalisationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(OutputError, match="run the localisation first"):
        load_localisation(tmp_path)
    data = json.loads(dump_result(localisation)) | {"schema_version": 1}
    (tmp_path / LOCALISATION_FILE).write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(OutputError, match="schema_version is 1; this autospec reads 2"):
        load_localisation(tmp_path)
    monkeypatch.setattr(folder, "MAX_RUN_BYTES", 1000)
    with pytest.raises(OutputError, match="larger than"):
        load_localisation(tmp_path)


def written(tmp_path: Path, result: LocalisationResult) -> Path:
    write_text(tmp_path / LOCALISATION_FILE, dump_result(result))
    return tmp_path


def test_finished_result_is_for_the_same_settings_and_inputs_only(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    settings, digest = localisation.settings, localisation.inputs_digest
    assert finished_localisation(tmp_path, settings, digest) is None
    written(tmp_path, localisation)
    assert finished_localisation(tmp_path, settings, digest) == localisation
    assert finished_localisation(tmp_path, settings, "0" * 64) is None
    assert finished_localisation(tmp_path, replace(settings, seed=12), digest) is None


def test_complete_result_needs_no_larger_budget(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    more = replace(localisation.settings, budget_s=9999.0)
    written(tmp_path, localisation)
    assert finished_localisation(tmp_path, more, localisation.inputs_digest) == localisation


@pytest.mark.parametrize(
    ("stopped", "budget_s", "spent_counts", "finished"),
    [
        ("budget", 540.0, False, False),
        ("budget", 540.0, True, True),
        ("budget", 900.0, True, False),
        ("interrupt", 540.0, True, False),
    ],
)
def test_stopped_result_goes_on_unless_its_budget_is_spent(
    localisation: LocalisationResult,
    tmp_path: Path,
    stopped: Any,
    budget_s: float,
    spent_counts: bool,
    finished: bool,
) -> None:
    written(tmp_path, replace(localisation, stopped=stopped))
    settings = replace(localisation.settings, budget_s=budget_s)
    found = finished_localisation(
        tmp_path, settings, localisation.inputs_digest, spent_counts=spent_counts
    )
    assert (found is not None) == finished


def test_pieces_come_back_and_are_replaced(tmp_path: Path) -> None:
    pieces = FilePieces(folder=tmp_path)
    assert pieces.read("draw-0") is None
    pieces.write("draw-0", "first")
    pieces.write("draw-0", "Skåne")
    assert FilePieces(folder=tmp_path).read("draw-0") == "Skåne"
    assert [p.name for p in (tmp_path / "pieces").iterdir()] == ["draw-0.json"]


@pytest.mark.parametrize("name", ["", "..", "../x", "A", "a/b", "a.b", "-a", "a\n", "x" * 65])
def test_pieces_have_plain_names(tmp_path: Path, name: str) -> None:
    with pytest.raises(AssertionError, match="names no piece"):
        FilePieces(folder=tmp_path).write(name, "text")
    assert list(tmp_path.iterdir()) == []


def test_a_piece_that_autospec_did_not_write_counts_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pieces = FilePieces(folder=tmp_path)
    pieces.write("a", "text")
    (tmp_path / "pieces" / "a.json").write_bytes(b"\xff\xfe")
    assert pieces.read("a") is None
    pieces.write("a", "text")
    monkeypatch.setattr(localise_folder, "MAX_PIECE_BYTES", 3)
    assert pieces.read("a") is None


def test_a_piece_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "pieces" / "a.json").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"a\.json: cannot be read"):
        FilePieces(folder=tmp_path).read("a")


@pytest.mark.parametrize(
    ("mine", "theirs"), [("run.json", LOCALISATION_FILE), (LOCALISATION_FILE, "run.json")]
)
def test_two_kinds_of_results_do_not_share_a_folder(tmp_path: Path, mine: str, theirs: str) -> None:
    (tmp_path / mine).write_text("{}", encoding="utf-8")
    refuse_other(tmp_path, mine)
    (tmp_path / theirs).write_text("{}", encoding="utf-8")
    with pytest.raises(UsageError, match="another folder with --out"):
        refuse_other(tmp_path, mine)


def fail_in(path: Path, *, write: bool = False) -> None:
    with discard_empty(path), locked(path):
        if write:
            (path / "piece").write_text("x", encoding="utf-8")
        raise OutputError("the disk is full")


def test_a_failure_leaves_no_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="full"):
        fail_in(tmp_path / "runs" / "a")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_keeps_what_was_written_or_was_there(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="full"):
        fail_in(tmp_path / "a", write=True)
    assert (tmp_path / "a" / "piece").exists()
    (tmp_path / "b").mkdir()
    with pytest.raises(OutputError, match="full"):
        fail_in(tmp_path / "b")
    assert (tmp_path / "b").exists()
