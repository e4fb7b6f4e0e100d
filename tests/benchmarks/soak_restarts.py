"""Restart PostgreSQL under a crew, again and again, and count the workers that it costs.

    python -m tests.benchmarks.soak_restarts --restarts 20

Restarts are "fast" (connections are cut) and "immediate" (as a crash) in turn, some with the server
away for a while. Prints restarts, dead workers, trials tried again, and the faults of the study.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from tests.faults.crewed import GRACE_S, LOST, Task, ended_in, judged, started, trials_of
from tests.postgres import Server, programs


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--restarts", type=int, default=20)
    parser.add_argument("--workers", type=int, default=4)
    arguments = parser.parse_args()
    folder = programs()
    assert folder is not None, "no PostgreSQL server is installed"
    server, rng = Server(folder), np.random.default_rng(0)
    try:
        task = Task(url=server.url, trials=100_000, seconds=0.5)
        crowd = [started(task) for _ in range(arguments.workers)]
        seen, begun = {}, time.monotonic()
        for number in range(arguments.restarts):
            time.sleep(float(rng.exponential(2.0)))
            seen |= ended_in(trials_of(task))
            away_s = 2 * GRACE_S if number % 5 == 4 else 0.0
            server.restart(away_s, mode="immediate" if number % 2 else "fast")
        time.sleep(3.0)
        dead = sum(not process.is_alive() for process in crowd)
        known = trials_of(task)
        for process in crowd:
            process.kill()
            process.join()
        enough = Task(url=server.url, trials=len(known) + 8, seconds=0.5)
        last = [started(enough) for _ in range(arguments.workers)]
        for process in last:
            process.join(300)
        lost = sum(LOST in t.user_attrs for t in known)
        print(f"restarts {arguments.restarts}, dead workers {dead}, trials tried again {lost}")
        print(f"trials seen complete {len(seen)}, {judged(enough, seen)}")
        print(f"seconds {time.monotonic() - begun:.0f}")
    finally:
        server.remove()


if __name__ == "__main__":
    main()
