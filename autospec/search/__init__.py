"""Bayesian optimisation of architecture, preprocessing and training.

The room shares its name with the verb `autospec.search`, so the room itself can be called:
``autospec.search(spectra)`` is `autospec.search.job.search`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run `autospec.search.job.search`."""
        from autospec.search.job import search

        return search(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
