"""The 3-D network of a winner as boxes for `autospec.report.drawing`: cells × cells × dates."""

from __future__ import annotations

import math

from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock, Shape, Volume
from autospec.report.drawing import Box
from autospec.report.words import count


def cube_boxes(architecture: CubeArchitecture, shape: Shape, target: str) -> list[Box]:
    """Return the blocks of a network in reading order, each with what leaves it.

    Parameters
    ----------
    architecture : CubeArchitecture
        Fits `shape`.
    shape : (c, h, w, t)
        What reaches the network.
    target : str
        What it predicts, with the unit.
    """
    c, h, w, t = shape
    lines = (size_words((h, w, t)), f"{count(c)} channels", "cells × cells × dates")
    boxes = [Box(kind="spectrum", title="Cube", lines=lines, length=h * w, channels=c, depth=t)]
    volumes = architecture.volumes(shape)
    for i, (block, volume) in enumerate(zip(architecture.conv, volumes, strict=True), start=1):
        boxes.append(_conv_box(i, block, volume))
    words = {"flatten": "flattened to", "average": "averaged to"}[architecture.head]
    source = f"{words} {count(architecture.flattened(shape))}"
    for i, fc in enumerate(architecture.fc, start=1):
        boxes.append(_fc_box(i, fc, (source,) if i == 1 else ()))
    extra = () if architecture.fc else (source,)
    lines = ("1 node, linear", *extra, target)
    boxes.append(Box(kind="output", title="Output block", lines=lines, length=1, channels=1))
    return boxes


def size_words(volume: Volume) -> str:
    """Return a volume as "10 × 10 × 4"."""
    return " × ".join(map(str, volume))


def _conv_box(i: int, block: CubeConvBlock, volume: Volume) -> Box:
    lines = [
        size_words(volume),
        f"{count(block.filters)} filters",
        f"kernel {size_words(block.kernel)}",
        f"stride {block.stride}, padding {block.padding}",
    ]
    if block.norm != "none":
        lines.append(f"{block.norm} normalisation")
    lines.append(block.activation)
    if block.pooling != "none":
        lines.append(f"{'max' if block.pooling == 'max' else 'average'} pooling 2 × 2 × 2")
    if block.dropout > 0:
        lines.append(f"dropout {block.dropout:.3g}")
    return Box(
        kind="conv",
        title=f"Conv block {i}",
        lines=tuple(lines),
        length=math.prod(volume[:2]),
        channels=block.filters,
        depth=volume[2],
    )


def _fc_box(i: int, block: FCBlock, extra: tuple[str, ...]) -> Box:
    lines = [f"{count(block.nodes)} nodes", *extra, block.activation]
    if block.dropout > 0:
        lines.append(f"dropout {block.dropout:.3g}")
    title = f"FC block {i}"
    return Box(kind="fc", title=title, lines=tuple(lines), length=block.nodes, channels=1)
