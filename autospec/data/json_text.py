"""What every JSON file of autospec promises: no number in it is NaN or infinite."""

from __future__ import annotations

import math
from collections.abc import Iterator


def first_non_finite(value: object, where: str) -> str | None:
    """Return where the first NaN or infinity sits, as ``where.field.3``, or None."""
    items: Iterator[tuple[object, object]]
    if isinstance(value, float):
        return None if math.isfinite(value) else where
    if isinstance(value, dict):
        items = iter(value.items())
    elif isinstance(value, list | tuple):
        items = iter(enumerate(value))
    else:
        return None
    return next((bad for k, v in items if (bad := first_non_finite(v, f"{where}.{k}"))), None)
