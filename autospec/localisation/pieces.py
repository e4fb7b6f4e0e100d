"""Pieces of a localisation that survive a stop: one a draw, as JSON; where, the caller decides.

A piece is taken up again only if what it came from is the same: its fingerprint covers the inputs,
the settings that matter to it, and autospec's version.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Protocol, TypeVar

from pydantic import TypeAdapter, ValidationError

import autospec
from autospec.localisation.result import (
    Draw,
    DrawTrust,
    Kind,
    NetworkRecord,
    Outcome,
    SelectionRecord,
    Uses,
)
from autospec.localisation.settings import LocaliseSettings
from autospec.transfer.networks import ChosenDesign

BASELINE_SETTINGS = ("n", "method", "k", "b", "r", "seed")
NETWORK_SETTINGS = (*BASELINE_SETTINGS, "trials", "members", "architecture")


class PieceStore(Protocol):
    """Where pieces are kept."""

    def read(self, name: str) -> str | None:
        """Return what was written under `name`, or None."""

    def write(self, name: str, text: str) -> None:
        """Keep `text` under `name`, whole or not at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPiece:
    """One model's outcome on one draw, and what its row says."""

    name: str
    kind: Kind
    uses: Uses
    about: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """What one draw gave: of the baselines and auto, of the networks, or of auto's intervals.

    Parameters
    ----------
    fingerprint : str
        Of what it came from.
    draw : Draw
    models : tuple of ModelPiece
    failures : dict of str to str
        Model → why it has no outcome.
    selections : tuple of SelectionRecord
    selected : tuple of int
        Positions of the global selection within the usable library rows.
    networks : tuple of NetworkRecord
    trust : DrawTrust or None
    """

    fingerprint: str
    draw: Draw
    models: tuple[ModelPiece, ...]
    failures: dict[str, str]
    selections: tuple[SelectionRecord, ...] = ()
    selected: tuple[int, ...] = ()
    networks: tuple[NetworkRecord, ...] = ()
    trust: DrawTrust | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LibraryChoice:
    """What design Global or Country has; its networks are trained by whoever needs them.

    Parameters
    ----------
    fingerprint : str
        Of what it came from.
    chosen : ChosenDesign or None
        None if nothing could be trained.
    failure : str
        Why, then.
    """

    fingerprint: str
    chosen: ChosenDesign | None
    failure: str = ""


Kept = TypeVar("Kept", Piece, LibraryChoice)


def fingerprint(inputs: str, settings: LocaliseSettings, names: tuple[str, ...]) -> str:
    """Digest the inputs, the settings called `names`, and the version of autospec."""
    values = {name: getattr(settings, name) for name in names}
    text = json.dumps([inputs, values, autospec.__version__], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def read_piece(store: PieceStore | None, name: str, wanted: str) -> Piece | None:
    """Return the piece called `name` if its fingerprint is `wanted`; None if not, or unreadable."""
    return read_kept(store, name, wanted, Piece)


def read_kept(store: PieceStore | None, name: str, wanted: str, kind: type[Kept]) -> Kept | None:
    """Return what is called `name`, of that kind, as `read_piece` does."""
    text = store.read(name) if store is not None else None
    if text is None:
        return None
    try:
        piece = TypeAdapter(kind).validate_json(text, strict=True)
    except ValidationError:
        return None  # it is computed again, and written anew
    return piece if piece.fingerprint == wanted else None


def write_piece(store: PieceStore | None, name: str, piece: Piece | LibraryChoice) -> None:
    """Keep a piece, if there is a store."""
    if store is not None:
        store.write(name, json.dumps(asdict(piece), ensure_ascii=False, allow_nan=False))
