"""Pieces of a model's card in Markdown; what the card says is in `card` and `cube_card`."""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(line) + " |" for line in lines]


def span(low: float, high: float) -> str:
    """Return a range in words."""
    return f"{low:.3g} to {high:.3g}"


def safe(text: str) -> str:
    """Return text of a file as one line that cannot be taken for Markdown or HTML."""
    line = " ".join(text.split())
    return "".join(f"\\{c}" if c in "\\`*_[]<>|#" else c for c in line)
