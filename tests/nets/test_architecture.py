"""Architectures in arithmetic: golden sizes, the padding rule, the table, JSON and refusals."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.nets.architecture import (
    PUBLISHED,
    TABLE_COLUMNS,
    Architecture,
    ArchitectureError,
    ConvBlock,
    FCBlock,
    architecture_from_json,
)

BLOCK = ConvBlock(kernel=5, filters=8, activation="ReLU")
NODES = FCBlock(nodes=8, activation="ReLU")


# Golden: sizes and counts of the published architectures at 216 bands.
@pytest.mark.parametrize(
    ("site", "length", "flattened", "parameters"),
    [
        ("china", 107, 24_824, 547_101),
        ("sweden", 36, 7_704, 3_532_861),
        ("usa", 72, 15_264, 16_365_127),
    ],
)
def test_published_architectures_have_their_sizes(
    site: str, length: int, flattened: int, parameters: int
) -> None:
    architecture = PUBLISHED[site]
    assert architecture.lengths(216) == (length,)
    assert architecture.flattened(216) == flattened
    assert architecture.n_parameters(216) == parameters
    assert architecture.shortfall(216) == 0


def windows(length: int, kernel: int, stride: int) -> int:
    """Count the places where a kernel lies wholly on a spectrum."""
    return sum(start + kernel <= length for start in range(0, length, stride))


same_sizes = {"length": st.integers(1, 300), "k": st.integers(1, 40), "s": st.integers(1, 12)}


@given(**same_sizes)
def test_same_padding_is_the_least_that_keeps_ceil_length_over_stride(
    length: int, k: int, s: int
) -> None:
    block = replace(BLOCK, kernel=k, stride=s, padding="same")
    wanted = math.ceil(length / s)
    least = next(p for p in range(length + k) if windows(length + p, k, s) >= wanted)
    left, right = block.pads(length)
    assert left + right == least
    assert right - left in (0, 1)
    assert block.convolved(length) == wanted


@given(**same_sizes)
def test_valid_padding_adds_nothing_and_counts_whole_windows(length: int, k: int, s: int) -> None:
    block = replace(BLOCK, kernel=k, stride=s)
    assert block.pads(length) == (0, 0)
    assert block.convolved(length) == windows(length, k, s)


@given(length=st.integers(1, 300), size=st.integers(2, 5))
def test_pooling_keeps_whole_pools(length: int, size: int) -> None:
    block = replace(BLOCK, kernel=1, pooling="max", pool_size=size)
    assert block.out_length(length) == windows(length, size, size)


# The published columns, in their order; a regulariser is a row of its own.
SWEDEN = """
Sweden | Conv block 1 | Convolutional | 10 | 214 | same | 6 | SELU
Sweden | Conv block 1 | Dropout (0.2) | | | | |
Sweden | FC block 1 | Fully connected | | 446 | | | LeakyReLU
Sweden | FC block 1 | Batch normalisation | | | | |
Sweden | FC block 2 | Fully connected | | 208 | | | Swish
Sweden | FC block 2 | Dropout (0.48) | | | | |
Sweden | Output block | Fully connected | | 1 | | | Linear
"""


def cells(row: dict[str, str]) -> list[str]:
    assert tuple(row) == TABLE_COLUMNS
    return list(row.values())


def test_the_table_of_sweden_is_the_published_one() -> None:
    expected = [[c.strip() for c in line.split("|")] for line in SWEDEN.strip().splitlines()]
    assert [cells(row) for row in PUBLISHED["sweden"].table_rows("Sweden")] == expected
    assert TABLE_COLUMNS == (
        "Site",
        "Block",
        "Layer",
        "Kernel/Pool size",
        "Filters/Nodes",
        "Padding",
        "Strides",
        "Activation",
    )


@pytest.mark.parametrize(("pooling", "word"), [("max", "Max pooling"), ("avg", "Average pooling")])
def test_pooling_has_a_row_between_batch_normalisation_and_dropout(
    pooling: Any,
    word: str,
) -> None:
    normed = replace(BLOCK, pooling=pooling, pool_size=3, batch_norm=True)
    dropped = replace(BLOCK, pooling=pooling, pool_size=3, dropout=0.25)
    rows = [cells(r) for r in Architecture(conv=(normed, dropped)).table_rows("x")]
    assert [(r[1], r[2]) for r in rows[:-1]] == [
        ("Conv block 1", "Convolutional"),
        ("Conv block 1", "Batch normalisation"),
        ("Conv block 1", word),
        ("Conv block 2", "Convolutional"),
        ("Conv block 2", word),
        ("Conv block 2", "Dropout (0.25)"),
    ]
    assert rows[2][3:] == ["3", "", "valid", "3", ""]


@pytest.mark.parametrize("site", PUBLISHED)
def test_json_gives_the_architecture_back(site: str) -> None:
    text = json.dumps(asdict(PUBLISHED[site]))
    back = architecture_from_json(json.loads(text))
    assert back == PUBLISHED[site]
    assert back.digest == PUBLISHED[site].digest


def edited(path: tuple[str | int, ...], value: object) -> dict[str, Any]:
    data = json.loads(json.dumps(asdict(PUBLISHED["sweden"])))
    place = data
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return data  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("depth",), 3),
        (("conv", 0, "kernal"), 3),
        (("fc", 1, "filters"), 3),
        (("conv", 0, "kernel"), 0),
        (("conv", 0, "kernel"), 2.5),
        (("conv", 0, "filters"), "many"),
        (("conv", 0, "padding"), "reflect"),
        (("conv", 0, "pool_size"), 1),
        (("conv", 0, "dropout"), 1.0),
        (("fc", 1, "nodes"), 0),
        (("fc", 0, "activation"), "tanh"),
        (("bn_eps",), 0.0),
        (("leaky_slope",), 1.5),
        (("bn_momentum",), None),
    ],
)
def test_json_with_a_bad_field_is_refused_by_name(path: tuple[str | int, ...], value: Any) -> None:
    where = ".".join(map(str, path))
    with pytest.raises(ArchitectureError, match=rf"^architecture: {where}: "):
        architecture_from_json(edited(path, value))


def test_json_without_a_needed_field_is_refused_by_name() -> None:
    data = edited(("conv", 0, "kernel"), 3)
    del data["conv"][0]["kernel"]
    with pytest.raises(ArchitectureError, match=r"conv\.0\.kernel"):
        architecture_from_json(data)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("conv", 0, "kernel"), 11),
        (("conv", 0, "filters"), 215),
        (("conv", 0, "activation"), "ELU"),
        (("conv", 0, "padding"), "valid"),
        (("conv", 0, "stride"), 5),
        (("conv", 0, "pooling"), "max"),
        (("conv", 0, "pool_size"), 3),
        (("conv", 0, "dropout"), 0.21),
        (("conv", 0), asdict(replace(PUBLISHED["sweden"].conv[0], dropout=0.0, batch_norm=True))),
        (("fc", 1, "nodes"), 209),
        (("fc", 1, "activation"), "ReLU"),
        (("fc", 1, "dropout"), 0.47),
        (("fc", 0, "batch_norm"), False),
        (("fc",), []),
        (("leaky_slope",), 0.02),
        (("bn_eps",), 1e-4),
        (("bn_momentum",), 0.2),
    ],
)
def test_every_field_changes_the_digest(path: tuple[str | int, ...], value: object) -> None:
    assert architecture_from_json(edited(path, value)).digest != PUBLISHED["sweden"].digest


@pytest.mark.parametrize(
    ("block", "field", "value"),
    [
        (BLOCK, "kernel", 0),
        (BLOCK, "filters", 0),
        (BLOCK, "stride", 0),
        (BLOCK, "pool_size", 1),
        (BLOCK, "dropout", 1.0),
        (BLOCK, "dropout", -0.1),
        (BLOCK, "dropout", float("nan")),
        (BLOCK, "activation", "relu"),
        (BLOCK, "padding", "full"),
        (BLOCK, "pooling", "mean"),
        (NODES, "nodes", 0),
        (NODES, "dropout", 1.5),
        (NODES, "activation", "linear"),
        (Architecture(conv=(BLOCK,)), "leaky_slope", -0.1),
        (Architecture(conv=(BLOCK,)), "bn_eps", float("nan")),
        (Architecture(conv=(BLOCK,)), "bn_momentum", 0.0),
    ],
)
def test_an_impossible_block_is_refused_by_name(
    block: ConvBlock | FCBlock | Architecture,
    field: str,
    value: Any,
) -> None:
    with pytest.raises(ArchitectureError, match=f"^{field} = .*want"):
        replace(block, **{field: value})


@pytest.mark.parametrize("block", [BLOCK, NODES])
def test_dropout_and_batch_normalisation_exclude_each_other(block: ConvBlock | FCBlock) -> None:
    with pytest.raises(ArchitectureError, match="dropout and batch_norm are both set"):
        replace(block, dropout=0.1, batch_norm=True)


def test_a_spectrum_too_short_names_the_block_and_what_arrives() -> None:
    architecture = Architecture(conv=(replace(BLOCK, stride=4), BLOCK))
    assert architecture.lengths(12) == (2, 0)
    assert architecture.shortfall(12) == 1
    assert architecture.shortfall(3) == 2
    with pytest.raises(ArchitectureError, match=r"conv block 2 does not fit: 2 bands arrive") as e:
        architecture.n_parameters(12)
    assert "kernel 5, stride 1, pooling none" in str(e.value)
