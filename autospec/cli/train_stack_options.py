"""The options of ``autospec train --stack``, and how they become what is asked of a network."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from autospec.cli.presets import preset_json
from autospec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from autospec.data.maps.problem import MapAims
    from autospec.data.maps.splits import MapSplit
    from autospec.training.map_preset import MapPreset

TERMS = ("pinball", "weighted", "edge")
MAX_HORIZON = 10_000  # steps: no stack has as many dates
MAX_TILE = 65_536  # a network has no memory for one as large; a raster may be smaller


class GapsName(StrEnum):
    """What becomes of cells without a value, by name."""

    mask = "mask"
    sentinel = "sentinel"


HorizonOption = Annotated[
    int | None,
    typer.Option(
        "--horizon",
        min=0,
        max=MAX_HORIZON,
        help="Maps: steps of time ahead; 0: the same dates, from the other channels.",
        show_default="0",
    ),
]
LengthOption = Annotated[
    int | None,
    typer.Option("--length", min=1, help="Maps: dates of a sequence.", show_default="8"),
]
TileOption = Annotated[
    int | None,
    typer.Option(
        "--tile", min=8, max=MAX_TILE, help="Maps: side of a tile in cells.", show_default="64"
    ),
]
BufferOption = Annotated[
    int | None,
    typer.Option(
        "--buffer",
        min=0,
        help="Maps: cells around held-out squares, dates before held-out ones, not learned from.",
        show_default="0",
    ),
]
BlockOption = Annotated[
    int | None,
    typer.Option(
        "--block", min=1, help="Maps: side of a square in cells.", show_default="by the raster"
    ),
]
GapsOption = Annotated[
    GapsName | None,
    typer.Option(
        "--gaps", help="Maps: cells without a value are masked, or -0.01.", show_default="mask"
    ),
]
TermsOption = Annotated[
    str | None,
    typer.Option(
        "--terms",
        help=f"Maps: terms of the loss, such as {','.join(TERMS)}; plain: squared error alone.",
        show_default="edge",
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class StackChoice:
    """What the command says of maps; None: autospec's default."""

    targets: Sequence[str] | None
    preset: str | None
    horizon: int | None
    length: int | None
    tile: int | None
    split: str | None
    buffer: int | None
    block: int | None
    gaps: str | None
    terms: str | None


def stack_aims(choice: StackChoice, channels: Sequence[str]) -> MapAims:
    """Return what is asked of a stack of these channels; an only one is the target.

    Raises
    ------
    UsageError
        If a sequence is too long.
    """
    from autospec.data.maps.problem import MAX_LENGTH, MapAims

    if choice.length is not None and choice.length > MAX_LENGTH:
        raise UsageError(f"--length {choice.length}: want 1 to {MAX_LENGTH} dates of a sequence.")
    targets = tuple(choice.targets or (channels if len(channels) == 1 else ()))
    return MapAims(targets=targets, **_said(horizon=choice.horizon, length=choice.length))


def stack_split(choice: StackChoice, seed: int) -> MapSplit:
    """Lay what the command says of the split over the defaults.

    Raises
    ------
    UsageError
        If it has no meaning for maps.
    """
    from autospec.data.maps.splits import MapSplit

    if choice.split == "random":
        raise UsageError(
            "--split random: for cubes. Neighbouring cells and dates are alike, so a map wants "
            "--split forward (the latest dates) or blocks (squares of the map)."
        )
    if choice.block is not None and choice.split != "blocks":
        raise UsageError("--block is for --split blocks. Leave it out, or pass --split blocks.")
    said = _said(kind=choice.split, buffer=choice.buffer, block=choice.block)
    return MapSplit(seed=seed, **said)


def stack_preset(choice: StackChoice) -> MapPreset:
    """Return the network and its loss: those of --preset, under --gaps and --terms.

    Raises
    ------
    UsageError
        If there is no such network or loss.
    """
    from dataclasses import replace

    from autospec.nets.map_sizes import PRESETS
    from autospec.training.map_preset import map_preset

    name = choice.preset or "tiny"
    data = name if name in PRESETS else preset_json(name, ", ".join(PRESETS))
    try:
        preset = map_preset(data)
    except ValueError as error:
        raise UsageError(f"--preset {name}: {error}") from error
    said = _said(gaps=choice.gaps) | _terms(choice.terms)
    return replace(preset, terms=replace(preset.terms, **said))


def _terms(text: str | None) -> dict[str, Any]:
    """Return which terms there are; empty: as the preset says."""
    if text is None:
        return {}
    asked = {part.strip() for part in text.split(",")} - {"plain"}
    unknown = sorted(asked - set(TERMS))
    if unknown:
        raise UsageError(
            f"--terms {text!r}: {unknown[0]!r} is no term; want some of {', '.join(TERMS)}, or "
            "plain. Weights of months are given in a --preset file: docs/maps.md."
        )
    return {term: term in asked for term in TERMS}


def _said(**values: Any) -> dict[str, Any]:  # noqa: ANN401 (fields of several nouns)
    return {name: value for name, value in values.items() if value is not None}
