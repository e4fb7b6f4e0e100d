"""Damage sound files by the thousand and count what comes of it.

``python -m tests.fuzz.campaign 3000 --only parquet --keep found/``
"""

from __future__ import annotations

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.fuzz.mutations import STEP, damaged, damaged_footer, damaged_json
from tests.fuzz.reading import Answer, Server
from tests.fuzz.seeds import SEEDS, Files, files_of

MEBI = 2**20


def spoiled(name: str, recipe: bytes, which: int = 0) -> Files:
    """Return the files of a seed, one of them damaged."""
    seed, files = SEEDS[name], files_of(name)
    names = seed.spoil or tuple(files)
    change = {"bytes": damaged, "json": damaged_json, "footer": damaged_footer}[seed.how]
    if seed.how == "json" and which % 8 == 7:
        change = damaged
    chosen = names[which % len(names)]
    return files | {chosen: change(files[chosen], recipe)}


def put(files: Files, folder: Path) -> None:
    """Write files below a folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def run(name: str, count: int, seed: int, keep: Path | None) -> tuple[Counter[str], int]:
    """Have `count` damaged files read; return how that ended, and the largest peak in bytes."""
    rng = random.Random(f"{seed} {name}")
    ended: Counter[str] = Counter()
    peak = 0
    with TemporaryDirectory() as held, Server() as server:
        put(files_of(name), Path(held))
        sound = server.read(SEEDS[name].reader, Path(held) / SEEDS[name].entry)
        assert sound.verdict == "read", f"{name}: the sound file is {sound.verdict}: {sound.words}"
        for k in range(count):
            files = spoiled(name, rng.randbytes(STEP * rng.randint(1, 3)), rng.randrange(1000))
            put(files, Path(held))
            found = server.read(SEEDS[name].reader, Path(held) / SEEDS[name].entry)
            ended[found.verdict] += 1
            ended.update(f"warned {w}" for w in found.warnings)
            peak = max(peak, found.taken)
            if found.verdict not in ("read", "refused"):
                _tell(name, k, found)
            if keep and (found.verdict not in ("read", "refused") or found.taken > 300 * MEBI):
                put(files, keep / f"{name.replace(' ', '-')}-{k}-{found.verdict}")
    return ended, peak


def _tell(name: str, k: int, found: Answer) -> None:
    lines = found.words.strip().splitlines()
    where = [line.strip() for line in lines if line.lstrip().startswith("File")][-1:]
    print(f"  {name} {k}: {found.verdict}: {lines[-1] if lines else ''} {where}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the campaign; the exit code is 1 if anything was neither read nor refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--only", nargs="*", default=list(SEEDS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path)
    asked = parser.parse_args(arguments)
    bad = 0
    for name in asked.only:
        begun = time.monotonic()
        ended, peak = run(name, asked.count, asked.seed, asked.keep)
        bad += sum(ended[v] for v in ("raised", "killed", "hung"))
        took = time.monotonic() - begun
        print(f"{name}: {dict(ended)}; peak +{peak / MEBI:.0f} MiB; {took:.0f} s", flush=True)
    return int(bad > 0)


if __name__ == "__main__":
    sys.exit(main())
