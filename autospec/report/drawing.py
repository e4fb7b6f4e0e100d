"""A network as an inline SVG drawing: boxes in reading order, sizes under each name."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autospec.nets.architecture import ConvBlock, FCBlock
from autospec.report import style
from autospec.report.words import count, escape
from autospec.search.result import SearchResult

BOX_WIDTH = 142
GAP = 20
MAX_PER_ROW = 7
GLYPH = 74
LINE = 18
MARGIN = 6
LETTER = 6.4  # mean width at 13 px, a little less than most fonts have
_COLOURS = {
    "spectrum": "#8a6d3b",
    "conv": style.WINNER,
    "fc": "#3f6fb5",
    "output": "#a8324a",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """One block: its kind, its title, lines of text, and the shape that leaves it.

    Parameters
    ----------
    kind : {"spectrum", "conv", "fc", "output"}
        Its colour; "spectrum" is whatever comes in.
    title : str
    lines : tuple of str
    length, channels : int
        How high and how wide its shape is drawn.
    depth : int
        How deep: dates of a cube; 1 is flat.
    """

    kind: str
    title: str
    lines: tuple[str, ...]
    length: int
    channels: int
    depth: int = 1


def architecture_svg(result: SearchResult, *, per_row: int = MAX_PER_ROW) -> str:
    """Draw the winner's network.

    Parameters
    ----------
    result : SearchResult
        Whose winner is drawn.
    per_row : int
        Boxes in a row at most; more boxes are spread over as many rows as they need.

    Returns
    -------
    str
        An ``<svg>`` element; every text in it is escaped.
    """
    return network_svg(_boxes(result), per_row=per_row)


def network_svg(boxes: list[Box], *, per_row: int = MAX_PER_ROW) -> str:
    """Draw boxes in reading order; parameters and result as `architecture_svg`'s."""
    per_row = math.ceil(len(boxes) / math.ceil(len(boxes) / per_row))
    rows = [boxes[i : i + per_row] for i in range(0, len(boxes), per_row)]
    text_height = 44 + LINE * max(len(box.lines) for box in boxes)
    row_height = GLYPH + text_height + 24
    across = min(per_row, len(boxes))
    width = 2 * MARGIN + across * BOX_WIDTH + (across - 1) * GAP
    height = 2 * MARGIN + len(rows) * row_height - 16
    title = f"Architecture: {', then '.join(box.title for box in boxes)}"
    parts = [
        f'<svg viewBox="0 0 {width} {height}" width="{width}" role="img" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(title)}">'
    ]
    largest = max(box.length * box.channels for box in boxes)
    for r, row in enumerate(rows):
        for c, box in enumerate(row):
            x, y = MARGIN + c * (BOX_WIDTH + GAP), MARGIN + r * row_height
            parts.append(_glyph(box, x, y, largest))
            parts.append(_card(box, x, y + GLYPH, text_height))
            if r * per_row + c + 1 < len(boxes):
                bottom = y + GLYPH + text_height
                turn = c + 1 == len(row)
                parts.append(_arrow(x + BOX_WIDTH, bottom - text_height / 2, bottom, turn))
    return "".join([*parts, "</svg>"])


def _boxes(result: SearchResult) -> list[Box]:
    architecture, bands = result.winner.architecture, result.winner_bands
    lines = (f"{count(bands)} bands", result.winner.preprocessing.quantity)
    boxes = [Box(kind="spectrum", title="Spectrum", lines=lines, length=bands, channels=1)]
    lengths = architecture.lengths(bands)
    for i, (block, length) in enumerate(zip(architecture.conv, lengths, strict=True), start=1):
        boxes.append(_conv_box(i, block, length))
    flat = architecture.flattened(bands)
    for i, fc in enumerate(architecture.fc, start=1):
        extra = (f"from {count(flat)} values",) if i == 1 else ()
        boxes.append(_fc_box(i, fc, extra))
    extra = () if architecture.fc else (f"from {count(flat)} values",)
    lines = ("1 node, linear", *extra, f"{result.data.target_name}, {result.data.target_unit}")
    boxes.append(Box(kind="output", title="Output block", lines=lines, length=1, channels=1))
    return boxes


def _conv_box(i: int, block: ConvBlock, length: int) -> Box:
    lines = [
        f"{count(length)} × {count(block.filters)} filters",
        f"kernel {block.kernel}, stride {block.stride}",
        f"padding {block.padding}",
        block.activation,
    ]
    if block.pooling != "none":
        lines.append(f"{'max' if block.pooling == 'max' else 'average'} pooling {block.pool_size}")
    lines += _regulariser(block)
    title = f"Conv block {i}"
    return Box(kind="conv", title=title, lines=tuple(lines), length=length, channels=block.filters)


def _fc_box(i: int, block: FCBlock, extra: tuple[str, ...]) -> Box:
    lines = (f"{count(block.nodes)} nodes", *extra, block.activation, *_regulariser(block))
    return Box(kind="fc", title=f"FC block {i}", lines=lines, length=block.nodes, channels=1)


def _regulariser(block: ConvBlock | FCBlock) -> list[str]:
    if block.batch_norm:
        return ["batch normalisation"]
    return [f"dropout {block.dropout:.3g}"] if block.dropout > 0 else []


def _glyph(box: Box, x: int, y: int, largest: int) -> str:
    """Draw the shape that leaves the block: height is length, width is filters, both on logs."""
    scale = math.log1p(max(largest, 2))
    high = 8 + (GLYPH - 24) * min(math.log1p(box.length) / scale * 1.6, 1)
    wide = 8 + 100 * math.log(max(box.channels, 1)) / math.log(1024)
    wide = min(wide, BOX_WIDTH - 12.0)
    colour = _COLOURS[box.kind]
    deep = 4.0 * math.log2(box.depth) if box.depth > 1 else 0.0
    wide, high = min(wide, BOX_WIDTH - 12.0 - deep), min(high, GLYPH - 12 - deep / 2)
    left, top = x + (BOX_WIDTH - wide - deep) / 2, y + GLYPH - 10 - high
    lines = []
    if deep:  # the upper and the right-hand face of a cuboid
        out, back = f"l{deep:.1f},{-deep / 2:.1f}", f"l{-deep:.1f},{deep / 2:.1f}"
        faces = (
            f"M{left:.1f},{top:.1f} {out} h{wide:.1f} {back} z "
            f"M{left + wide:.1f},{top:.1f} {out} v{high:.1f} {back} z"
        )
        lines.append(f'<path d="{faces}" fill="{colour}" fill-opacity="0.12" stroke="{colour}"/>')
    lines += [
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{high:.1f}" rx="2" '
        f'fill="{colour}" fill-opacity="0.22" stroke="{colour}"/>'
    ]
    for k in range(1, int(wide // 7)):
        at = left + k * wide / (wide // 7)
        lines.append(
            f'<line x1="{at:.1f}" y1="{top:.1f}" x2="{at:.1f}" y2="{top + high:.1f}" '
            f'stroke="{colour}" stroke-opacity="0.45" stroke-width="0.7"/>'
        )
    return "".join(lines)


def _card(box: Box, x: int, y: int, height: int) -> str:
    colour = _COLOURS[box.kind]
    middle = x + BOX_WIDTH / 2
    parts = [
        f'<rect x="{x}" y="{y}" width="{BOX_WIDTH}" height="{height}" rx="6" fill="#fffdf8" '
        f'stroke="{colour}" stroke-width="1.2"/>',
        f'<path d="M{x},{y + 26} v-20 a6,6 0 0 1 6,-6 h{BOX_WIDTH - 12} a6,6 0 0 1 6,6 v20 z" '
        f'fill="{colour}"/>',
        f'<text x="{middle}" y="{y + 18}" text-anchor="middle" font-size="13" '
        f'font-weight="600" fill="#fff">{escape(box.title)}</text>',
    ]
    for i, line in enumerate(box.lines):
        weight = ' font-weight="600"' if i == 0 else ""
        # A long unit or target name is squeezed rather than drawn over the frame.
        tight = f' textLength="{BOX_WIDTH - 12}" lengthAdjust="spacingAndGlyphs"'
        squeeze = tight if len(line) * LETTER > BOX_WIDTH - 12 else ""
        parts.append(
            f'<text x="{middle}" y="{y + 45 + i * LINE}" text-anchor="middle" font-size="13" '
            f'fill="{style.INK}"{weight}{squeeze}>{escape(line)}</text>'
        )
    return "".join(parts)


def _arrow(x: float, y: float, bottom: float, turn: bool) -> str:
    """Draw the way to the next box; after the last box of a row, a hook down to the next row."""
    d = f"M{x + 4},{y} h{GAP - 10} m-6,-5 l7,5 l-7,5"
    if turn:
        d = f"M{x - 16},{bottom + 2} v11 h-20 m6,-5 l-7,5 l7,5"
    return (
        f'<path d="{d}" fill="none" stroke="{style.MUTED}" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round"/>'
    )
