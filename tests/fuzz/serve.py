"""Read damaged files in a process of its own, one after the other: ``python -m tests.fuzz.serve``.

What is read may end the process, hang it or fill its memory, and the one that asks goes on: it
sees that no answer came, and starts another.
"""

from __future__ import annotations

import json
import os
import resource
import sys
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.fuzz.readers import READERS

MOST_MEMORY = 12 * 1024**3  # so that one example never takes the machine's


def main() -> None:
    """Answer each line (a reader's name, a tab, a path) with a line of JSON."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what native code prints is no answer
    resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        name, path = line.rstrip("\n").split("\t")
        print(json.dumps(answer(READERS[name], Path(path))), file=answers)


def answer(read: Callable[[Path], Any], path: Path) -> dict[str, Any]:
    """Read one file; say how that ended and how many bytes it took at the peak."""
    from autospec.errors import AutospecError

    before = _peak_reset()
    verdict, words = "read", ""
    try:
        with warnings.catch_warnings(record=True) as met:
            warnings.simplefilter("always")
            read(path)
    except AutospecError as error:
        verdict, words = "refused", str(error)
        if not words.strip():
            verdict, words = "raised", "an error without a message"
    except BaseException:
        verdict, words = "raised", traceback.format_exc()
    return {
        "verdict": verdict,
        "words": words[-4000:],
        "warnings": sorted({str(w.category.__name__) for w in met}),
        "taken": _status("VmHWM") - before,
    }


def _peak_reset() -> int:
    """Begin to measure the peak anew, where the system can; return what is held now."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return _status("VmHWM")
    return _status("VmRSS")


def _status(key: str) -> int:
    """Return a number of bytes that Linux says of this process; 0 elsewhere."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(key)), 0)


if __name__ == "__main__":
    main()
