"""The best-architecture table of a network of maps, in the published columns. No torch here."""

from __future__ import annotations

from autospec.nets.architecture import TABLE_COLUMNS
from autospec.nets.map_sizes import CNNTransformerSizes

KERNEL = "3 x 3"
Rows = list[dict[str, str]]


def map_table_rows(sizes: CNNTransformerSizes, targets: int, site: str) -> Rows:
    """Return one dict of `TABLE_COLUMNS` a layer.

    Parameters
    ----------
    sizes : CNNTransformerSizes
        The network.
    targets : int
        Channels that leave it.
    site : str
        What stands in the first column.
    """
    rows: Rows = []
    for i, filters in enumerate(sizes.widths, start=1):
        block = f"Encoder level {i}"
        rows += [_conv(block, "Gated convolutional 2-D", filters, "ReLU")] * 2
        rows += [_row(block, "Coordinate attention"), _last_conv(sizes, block, filters)]
        rows.append(_conv(block, "Convolutional 2-D", filters, "Linear", stride=2))
    block = "Bottleneck"
    rows.append(_conv(block, "Convolutional 2-D", sizes.embedding, "ReLU"))
    rows.append(_row(block, "Attention pooling over the map"))
    for i in range(1, sizes.depth + 1):
        block = f"Transformer layer {i}"
        seen = f"Attention over dates, {sizes.heads} heads"
        rows.append(_row(block, seen) | {"Filters/Nodes": str(sizes.embedding)})
        wide = {"Filters/Nodes": str(4 * sizes.embedding), "Activation": "GELU"}
        rows.append(_row(block, "Fully connected, and back") | wide)
        if sizes.dropout > 0:
            rows.append(_row(block, f"Dropout ({sizes.dropout:.3g})"))
    for i, filters in reversed(list(enumerate(sizes.widths, start=1))):
        block = f"Decoder level {i}"
        rows.append(_conv(block, "Sub-pixel convolutional 2-D", 4 * filters, "ReLU"))
        rows.append(_conv(block, "Convolutional 2-D, with the encoder's", filters, "ReLU"))
        rows += [_row(block, "Squeeze-and-excitation"), _last_conv(sizes, block, filters)]
    if sizes.refine:
        rows.append(_row("Output block", "Edge-preserving refinement"))
    final = "Linear" if sizes.final == "none" else sizes.final.capitalize()
    out = _conv("Output block", "Convolutional 2-D", targets, final)
    rows.append(out | {"Kernel/Pool size": "1 x 1"})
    return [dict.fromkeys(TABLE_COLUMNS, "") | {"Site": site} | row for row in rows]


def _last_conv(sizes: CNNTransformerSizes, block: str, filters: int) -> dict[str, str]:
    kind = "Deformable convolutional 2-D" if sizes.deformable else "Convolutional 2-D"
    return _conv(block, kind, filters, "ReLU")


def _conv(
    block: str, layer: str, filters: int, activation: str, *, stride: int = 1
) -> dict[str, str]:
    return _row(block, layer) | {
        "Kernel/Pool size": KERNEL,
        "Filters/Nodes": str(filters),
        "Padding": "same",
        "Strides": str(stride),
        "Activation": activation,
    }


def _row(block: str, layer: str) -> dict[str, str]:
    return {"Block": block, "Layer": layer}
