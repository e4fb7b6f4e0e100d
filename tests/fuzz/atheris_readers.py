"""Coverage-guided fuzzing of every reader, with atheris: ``python -m tests.fuzz.atheris_readers``.

Atheris is no dependency of autospec. It wants Linux, and a Python that it has a wheel for:
``pip install atheris``. Then, for one kind of file (``--help`` lists libFuzzer's own options)::

    python -m tests.fuzz.atheris_readers csv -max_total_time=600 -rss_limit_mb=4096

What it mutates is not the file but the recipe of its damage (`mutations`), so that what it finds is
found again by `campaign` and by the tests. A crash of native code ends it and leaves the recipe in
``crash-*``; give that file as an argument to see it again.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.campaign import put, spoiled
from tests.fuzz.readers import READERS
from tests.fuzz.seeds import SEEDS, files_of


def one_input(name: str, folder: Path, recipe: bytes) -> None:
    """Read one damaged file; anything but a reading or a refusal goes through."""
    from autospec.errors import AutospecError

    which, recipe = recipe[:1], recipe[1:]
    put(spoiled(name, recipe, which[0] if which else 0), folder)
    try:
        READERS[SEEDS[name].reader](folder / SEEDS[name].entry)
    except AutospecError as error:
        if not str(error).strip():
            raise AssertionError("a refusal without a message") from error


def main(arguments: list[str]) -> None:
    """Fuzz the reader of one kind of file, until it is stopped."""
    if len(arguments) < 2 or arguments[1] not in SEEDS:
        raise SystemExit(f"{__doc__}\nKinds: {', '.join(SEEDS)}")
    try:
        import atheris
    except ImportError:
        raise SystemExit("atheris is not installed: pip install atheris") from None
    name = arguments.pop(1)
    files_of(name)
    with TemporaryDirectory() as held:
        folder = Path(held)
        with atheris.instrument_imports(include=["autospec"]):
            one_input(name, folder, b"")  # its imports
        atheris.Setup(arguments, lambda recipe: one_input(name, folder, recipe))
        atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv)
