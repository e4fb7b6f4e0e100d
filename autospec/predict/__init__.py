"""What a user keeps: the model file, and predictions from it; nothing here is fitted.

The room shares its name with the verb `autospec.predict`, so the room itself can be called:
``autospec.predict(bundle, spectra)`` is `autospec.predict.predictions.predict`.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any


class _Room(ModuleType):
    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401
        """Run `autospec.predict.predictions.predict`."""
        from autospec.predict.predictions import predict

        return predict(*args, **kwargs)


sys.modules[__name__].__class__ = _Room
