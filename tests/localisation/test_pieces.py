"""Pieces: what was stored is what is read, and only where it still holds."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace

import pytest

import autospec
from autospec.localisation.pieces import (
    BASELINE_SETTINGS,
    NETWORK_SETTINGS,
    ModelPiece,
    Piece,
    fingerprint,
    read_piece,
    write_piece,
)
from autospec.localisation.result import Draw, NetworkRecord, Outcome, SelectionRecord
from autospec.localisation.settings import LocaliseSettings
from autospec.nets.architecture import PUBLISHED
from autospec.search.design import Design
from autospec.transfer.selection import Generation
from tests.transfer.farms import TINY

SETTINGS = LocaliseSettings()
MARK = fingerprint("inputs", SETTINGS, BASELINE_SETTINGS)
OUTCOME = Outcome(
    draw=3,
    predicted=(12.000000000000002, 1e-300, 7.0),
    rmse=1.0 / 3.0,
    me=-0.1,
    sde=0.3,
    ccc=None,
    r2=-2.5,
    rpiq=1.0,
    inner_rmse=None,
    detail="90 % a, 10 % μ → “b”",
    seconds=0.25,
)
GENERATION = Generation(
    number=1,
    size=120,
    draws=24,
    discarded=0,
    judged_by="response",
    error_mean=2.0,
    error_sd=0.5,
    error_min=1.25,
    cut=2.5,
    dropped=12,
    wanted=20,
)


def network(design: Design) -> NetworkRecord:
    return NetworkRecord(
        strategy="DTL-I_g", draw=3, design=design, epochs=8, bands=50, trials=2, cv_rmse=0.1
    )


PIECE = Piece(
    fingerprint=MARK,
    draw=Draw(number=3, train=(0, 2), test=(1, 3, 4)),
    models=(ModelPiece(name="auto", kind="auto", uses="both", about="made", outcome=OUTCOME),),
    failures={"SVR": "no factor"},
    selections=(
        SelectionRecord(
            draw=3,
            library="global",
            ids=("a", "b"),
            fields=("north", "south"),
            sources={"south": 1, "north": 1},
            trace=(GENERATION,),
            fits=24,
            discarded=0,
            seconds=0.1,
        ),
    ),
    selected=(4, 17),
    networks=(network(TINY), network(replace(TINY, architecture=PUBLISHED["sweden"]))),
)


@dataclass
class Store:
    """Keeps pieces in memory."""

    texts: dict[str, str] = field(default_factory=dict)

    def read(self, name: str) -> str | None:
        return self.texts.get(name)

    def write(self, name: str, text: str) -> None:
        self.texts[name] = text


@pytest.fixture
def store() -> Store:
    kept = Store()
    write_piece(kept, "draw-3", PIECE)
    return kept


def test_a_piece_goes_to_json_and_back_bit_by_bit(store: Store) -> None:
    assert read_piece(store, "draw-3", MARK) == PIECE


def test_what_is_written_is_plain_json(store: Store) -> None:
    assert json.loads(store.texts["draw-3"])["draw"] == {
        "number": 3,
        "train": [0, 2],
        "test": [1, 3, 4],
    }


def test_without_a_store_nothing_is_kept() -> None:
    write_piece(None, "draw-3", PIECE)
    assert read_piece(None, "draw-3", MARK) is None


def test_a_piece_that_was_never_written_is_none(store: Store) -> None:
    assert read_piece(store, "draw-4", MARK) is None


def test_a_piece_of_something_else_is_not_taken_up(store: Store) -> None:
    assert read_piece(store, "draw-3", fingerprint("others", SETTINGS, BASELINE_SETTINGS)) is None


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "",
        lambda text: text[: len(text) // 2],
        lambda text: text.replace('"rmse": 0.3', '"rmse": "0.3'),
        lambda text: text.replace('"kind": "auto"', '"kind": "magic"'),
        lambda text: text.replace('"kernel": 3', '"kernel": 0'),
        lambda text: text.replace('"draw": {"number": 3', '"draw": {"number": 3.5'),
        lambda text: text.replace('"failures"', '"failings"'),
        lambda text: "[" * 100_000,
        lambda text: "null",
        lambda text: "\x00\x01\x02",
    ],
    ids=[
        "empty",
        "torn",
        "text for a number",
        "unknown word",
        "impossible network",
        "half a number",
        "missing key",
        "deep",
        "null",
        "binary",
    ],
)
def test_a_corrupt_piece_is_as_good_as_none(store: Store, change) -> None:  # noqa: ANN001
    store.texts["draw-3"] = change(store.texts["draw-3"])
    assert read_piece(store, "draw-3", MARK) is None


@pytest.mark.parametrize(
    "change",
    [
        {"n": 31},
        {"method": "kmeans"},
        {"k": 60},
        {"b": 41},
        {"r": 0.2},
        {"seed": 1},
    ],
    ids=str,
)
@pytest.mark.parametrize("names", [BASELINE_SETTINGS, NETWORK_SETTINGS], ids=["draw", "networks"])
def test_what_changes_a_draw_changes_its_fingerprint(
    change: dict[str, object], names: tuple[str, ...]
) -> None:
    other = replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert fingerprint("inputs", other, names) != fingerprint("inputs", SETTINGS, names)


@pytest.mark.parametrize(
    "change", [{"trials": 13}, {"members": 4}, {"architecture": "china"}], ids=str
)
def test_what_changes_networks_only_keeps_the_baselines(change: dict[str, object]) -> None:
    other = replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert fingerprint("inputs", other, BASELINE_SETTINGS) == MARK
    networks = fingerprint("inputs", SETTINGS, NETWORK_SETTINGS)
    assert fingerprint("inputs", other, NETWORK_SETTINGS) != networks


@pytest.mark.parametrize(
    "change", [{"draws": 20}, {"network_draws": 5}, {"quick": True}, {"budget_s": 9.0}], ids=str
)
@pytest.mark.parametrize("names", [BASELINE_SETTINGS, NETWORK_SETTINGS], ids=["draw", "networks"])
def test_how_many_draws_and_how_long_do_not_matter(
    change: dict[str, object], names: tuple[str, ...]
) -> None:
    other = replace(SETTINGS, **change)  # type: ignore[arg-type]
    assert fingerprint("inputs", other, names) == fingerprint("inputs", SETTINGS, names)


def test_another_version_computes_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(autospec, "__version__", "99.0")
    assert fingerprint("inputs", SETTINGS, BASELINE_SETTINGS) != MARK


def test_a_number_that_is_none_is_not_written(store: Store) -> None:
    broken = replace(PIECE.models[0], outcome=replace(OUTCOME, rmse=float("nan")))
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_piece(store, "draw-3", replace(PIECE, models=(broken,)))
    assert read_piece(store, "draw-3", MARK) == PIECE
