"""`CNNTransformerSizes`: how large a network of maps is, and which parts it has. No torch here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

FinalActivation = Literal["none", "sigmoid", "relu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CNNTransformerSizes:
    """How large a `CNNTransformer` is, and which of its parts it has.

    Parameters
    ----------
    widths : tuple of 4 int
        Filters of the encoder's levels.
    embedding : int
        Width of the transformer; a multiple of twice the heads.
    depth, heads : int
        Layers of the transformer, and heads of attention.
    dropout : float
        In the transformer, 0 to below 1.
    norm_first : bool
        Pre-LN, or post-LN.
    deformable : bool
        Whether convolutions that can are deformable; plain otherwise.
    refine : bool
        Edge-preserving refinement before the head.
    static_stream : bool
        Whether channels that do not change enter with those that do, at every date; or join late,
        before the head.
    change : bool
        Horizon from 1 on: the network says by how much a target will differ from its last value,
        not what it will be.
    final : {"none", "sigmoid", "relu"}
        What follows the head; "none" where `change` is.
    """

    widths: tuple[int, int, int, int]
    embedding: int
    depth: int = 6
    heads: int = 8
    dropout: float = 0.1
    norm_first: bool = True
    deformable: bool = True
    refine: bool = False
    static_stream: bool = True
    change: bool = True
    final: FinalActivation = "none"

    def __post_init__(self) -> None:
        """Refuse sizes that do not fit together."""
        if min(self.heads, self.depth, self.embedding, *self.widths) < 1:
            raise ValueError("want heads, depth, embedding and widths of at least 1")
        if self.embedding % (2 * self.heads):
            raise ValueError(f"embedding = {self.embedding}; want a multiple of {2 * self.heads}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout = {self.dropout}; want 0 to below 1")


PRESETS: dict[str, CNNTransformerSizes] = {
    "tiny": CNNTransformerSizes(widths=(16, 32, 64, 128), embedding=128),
    "small": CNNTransformerSizes(widths=(32, 64, 128, 256), embedding=256),
    "v8": CNNTransformerSizes(widths=(64, 128, 256, 512), embedding=1024),
}
