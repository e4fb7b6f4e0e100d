"""`role_rows`: a map of roles as short lines of text, so that a report can draw it."""

from __future__ import annotations

from autospec.data.maps.splits import Roles

MOST_CELLS = 96


def role_rows(cells: Roles, most: int = MOST_CELLS) -> tuple[str, ...]:
    """Return the roles of every few cells, a line a row, a digit a cell.

    Parameters
    ----------
    cells : uint8, shape (h, w)
        `LEFT_OUT`, `FIT`, `WATCH` or `SEALED`: 0 to 3.
    most : int
        Rows and columns at most; of a larger map every second, third, ... cell is taken.

    Returns
    -------
    tuple of str
        North first.
    """
    step = max(1, -(-max(cells.shape) // most))
    return tuple("".join(map(str, row)) for row in cells[::step, ::step].tolist())
