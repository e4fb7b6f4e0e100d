"""Kill workers at seeded random moments, on SQLite and on PostgreSQL, and count what was lost.

    python -m tests.benchmarks.soak_kills --kills 200

Prints a table: kills, trials that were under way when their worker died, and, of all studies
together, completed trials lost or changed, trials that count twice, trials left under way or
waiting, trials more or fewer than were asked for, and scores that their parameters do not give.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from tests.faults.crewed import Task, kill_at_random
from tests.postgres import Server, programs

TRIALS, A_STUDY = 60, 25
COLUMNS = (
    *("storage", "kills", "retried", "studies", "lost", "doubled", "left"),
    *("miscounted", "wrong", "seconds"),
)


def soak(url: str, kills: int, workers: int) -> list[int]:
    counts, studies, begun = np.zeros(7, dtype=int), 0, time.monotonic()
    while counts[0] < kills:
        task = Task(url=url, name=f"s{studies}", trials=TRIALS)
        most = min(A_STUDY, kills - int(counts[0]))
        killed, lost, verdict = kill_at_random(task, most, workers, seed=studies)
        v = verdict
        counts += (killed, lost, v.lost, v.duplicates, v.left, v.miscounted, v.wrong)
        studies += 1
    killed, lost, *faults = counts.tolist()
    return [killed, lost, studies, *faults, round(time.monotonic() - begun)]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--storage", choices=["sqlite", "postgresql"], nargs="*")
    arguments = parser.parse_args()
    print(*(f"{c:>10}" for c in COLUMNS))
    with ExitStack() as stack:
        for kind in arguments.storage or ["sqlite", "postgresql"]:
            if kind == "sqlite":
                folder = stack.enter_context(tempfile.TemporaryDirectory())
                url = f"sqlite:///{Path(folder) / 'study.db'}"
            else:
                folder = programs()
                assert folder is not None, "no PostgreSQL server is installed"
                server = Server(folder)
                stack.callback(server.remove)
                url = server.url
            row = soak(url, arguments.kills, arguments.workers)
            print(*(f"{c!s:>10}" for c in [kind, *row]), flush=True)


if __name__ == "__main__":
    main()
