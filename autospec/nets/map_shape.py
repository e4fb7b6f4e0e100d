"""`MapShape`: what arrives at a network of maps, and what leaves it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class MapShape:
    """What arrives at a network of maps, and what leaves it.

    Parameters
    ----------
    channels, static_channels : int
        Channels of every date, and those that do not change.
    targets : int
        Channels that leave.
    length : int
        Dates.
    height, width : int
        Cells.
    causal : bool
        Whether a date sees only those before it.
    """

    channels: int
    static_channels: int
    targets: int
    length: int
    height: int
    width: int
    causal: bool
