"""Two thousand trials in one process: how its memory grows, on each storage.

    python -m tests.benchmarks.soak_trials --trials 2000

The work is made up and takes no time. Memory is the resident set after the first tenth of the
trials and at the end.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from autospec.search.claims import Crew, worker_name
from autospec.search.progress import Progress
from autospec.search.storage import open_shared
from autospec.search.study import open_study, run_study
from tests.faults.crewed import Task, plan_of
from tests.postgres import Server, programs


def resident_mb() -> float:
    """Return the memory of this process."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def soak(url: str, trials: int) -> None:
    """Run the trials, and print how memory grew."""
    mate = Crew(name=worker_name(), storage=open_shared(url))
    found: list[float] = []

    def report(progress: Progress) -> None:
        if progress.stage == "search":
            found.append(resident_mb())
            if len(found) % 200 == 0:
                print(f"  after {len(found)}: {found[-1]:.0f} MB", flush=True)

    plan = replace(plan_of(Task(url=url, trials=trials, seconds=0.0), mate), report=report)
    study = open_study(url, "s", plan)
    begun = time.monotonic()
    run_study(study, plan)
    early = found[len(found) // 10]
    print(
        f"{mate.storage.engine.name}: {trials} trials in {time.monotonic() - begun:.0f} s; "
        f"{early:.0f} MB after a tenth, {found[-1]:.0f} MB at the end, "
        f"growth {found[-1] - early:.0f} MB, from the first trial {found[-1] - found[0]:.0f} MB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--url", help="one storage, in this process")
    arguments = parser.parse_args()
    if arguments.url:
        soak(arguments.url, arguments.trials)
        return
    words = [sys.executable, "-m", "tests.benchmarks.soak_trials", f"--trials={arguments.trials}"]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*words, f"--url=sqlite:///{folder}/study.db"], check=True)
    found = programs()
    assert found is not None, "no PostgreSQL server is installed"
    server = Server(found)
    try:
        subprocess.run([*words, f"--url={server.url}"], check=True)
    finally:
        server.remove()


if __name__ == "__main__":
    main()
