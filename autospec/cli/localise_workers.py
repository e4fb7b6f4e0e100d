"""Several processes of this machine at one localisation: the same command, without the report."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from autospec.cli.interrupt import CtrlC
from autospec.cli.local_workers import LocalWorkers

POLL_S = 0.2
LOOK_S = 10.0  # between two lines of what each worker is at


def localise_by_workers(storage: str, ends: float, folder: Path, count: int, ctrl_c: CtrlC) -> None:
    """Run this command in so many processes, until they have ended.

    What they leave, and the report, is this process' own.

    Parameters
    ----------
    storage : str
        That they share.
    ends : float
        When the budget ends, by `time.monotonic`.
    folder : Path
        Of their logs, and of the results.
    count : int
        How many.
    ctrl_c : CtrlC
        Asks them to end.
    """
    from autospec.training.trainer import thread_count

    def command() -> list[str]:
        left = max(1.0, ends - time.monotonic())
        return [  # of an option that is given twice, the last one holds
            *(sys.executable, "-m", "autospec", *sys.argv[1:], "--workers", "1"),
            *("--storage", storage, "--out", str(folder), "--budget", f"{left:.0f}s"),
            *("--parent", str(os.getpid()), "--no-report"),
        ]

    def say(text: str) -> None:
        ctrl_c.console.print(text, highlight=False, markup=False)

    threads = max(1, thread_count() // count)
    say(f"{count} workers; what each is at stands in {folder}/worker-1.log and so on")
    with LocalWorkers(command, count, folder, threads, say) as workers:
        told, looked = "", time.monotonic()
        while workers.any_left():
            if ctrl_c.pressed():
                workers.stop()
            if time.monotonic() - looked > LOOK_S:
                looked, before, told = time.monotonic(), told, workers.last_words()
                if told != before:
                    say(told)
            time.sleep(POLL_S)
