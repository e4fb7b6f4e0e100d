"""Worker processes of this machine: started, watched, started again, and never left behind.

Each is an ``autospec worker`` that leaves the report to its parent. Ctrl-C reaches the parent,
which passes it on once; a worker whose parent is gone ends by itself.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, TYPE_CHECKING, Self

from autospec.cli.interrupt import CtrlC
from autospec.cli.options import Where
from autospec.cli.status_show import StatusDisplay
from autospec.errors import EXIT_INTERRUPTED

if TYPE_CHECKING:
    from autospec.search.execution import Execution

RESTARTS = 3  # of each worker
EXPECTED = (0, 1, 2, 65, 69, 74, 75, EXIT_INTERRUPTED)  # ends that a new start would not mend
LOOK_S = 2.0  # between two looks at the study
POLL_S = 0.2
LEAVING_S = 30.0  # that a worker whose parent is gone has to give its trial back
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def train_by_workers(
    name: str, execution: Execution, budget_s: float, folder: Path, where: Where, ctrl_c: CtrlC
) -> None:
    """Run the trials of a study by processes of this machine, until they have ended.

    Parameters
    ----------
    name : str
        Of a study that is there.
    execution : Execution
        Of this process, which makes the report afterwards.
    budget_s : float
        For the whole job, from the execution's start.
    folder : Path
        Where their logs are written.
    where : Where
        How many, and the device.
    ctrl_c : CtrlC
        Asks them to end.
    """
    from autospec.search.status import open_to_read, read_status
    from autospec.training.trainer import thread_count

    assert execution.storage is not None and execution.started is not None
    url, ends = execution.storage, execution.started + budget_s
    opened = open_to_read(url, name)
    threads = max(1, thread_count() // where.workers)

    def command() -> list[str]:
        left = max(1.0, ends - time.monotonic())
        return [
            *(sys.executable, "-m", "autospec", "worker", name, "--storage", url),
            *("--out", str(folder), "--device", execution.device, "--budget", f"{left:.0f}s"),
            *("--threads", str(threads), "--parent", str(os.getpid()), "--no-report"),
        ]

    with (
        StatusDisplay() as display,
        LocalWorkers(command, where.workers, folder, threads, display.screen.say) as workers,
    ):
        ctrl_c.console = display.screen.console
        looked = 0.0
        while workers.any_left():
            if ctrl_c.pressed():
                workers.stop()
            if time.monotonic() - looked > LOOK_S:
                display(read_status(opened))
                looked = time.monotonic()
            time.sleep(POLL_S)
        display(read_status(opened))


@dataclass(slots=True)
class _Worker:
    number: int
    process: subprocess.Popen[bytes]
    log: Path
    restarts: int = 0
    ended: bool = field(default=False)


class LocalWorkers:
    """Processes that run the same command; none is left when the block ends.

    Parameters
    ----------
    command : callable () -> sequence of str
        What each runs, asked at each start.
    count : int
        How many.
    folder : Path
        Of their logs, ``worker-1.log`` and so on.
    threads : int
        That the numeric libraries of each may use.
    say : callable (str) -> None
        Told of each that dies.
    """

    def __init__(
        self,
        command: Callable[[], Sequence[str]],
        count: int,
        folder: Path,
        threads: int,
        say: Callable[[str], None],
    ) -> None:
        self.command, self.count, self.folder, self.say = command, count, folder, say
        self.environment = os.environ | dict.fromkeys(THREADS, str(threads))
        self.workers: list[_Worker] = []
        self.stopping = False

    def __enter__(self) -> Self:
        """Start them."""
        for number in range(1, self.count + 1):
            log = self.folder / f"worker-{number}.log"
            self.workers.append(_Worker(number, self._start(log), log))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End those that are left, at once."""
        for worker in self.workers:
            worker.process.kill()
        for worker in self.workers:
            worker.process.wait()

    def stop(self) -> None:
        """Ask all to end, once."""
        if self.stopping:
            return
        self.stopping = True
        for worker in self.workers:
            if worker.process.poll() is None:
                worker.process.send_signal(signal.SIGINT)

    def last_words(self) -> str:
        """Return the last line of each one's log, of those that are at work."""
        lines = [
            f"worker {worker.number}: {_last_line(worker.log)}"
            for worker in self.workers
            if not worker.ended
        ]
        return "\n".join(lines)

    def any_left(self) -> bool:
        """Say whether any is at work; one that died is started again."""
        for worker in self.workers:
            code = worker.process.poll()
            if code is None or worker.ended:
                continue
            if code in EXPECTED or self.stopping or worker.restarts == RESTARTS:
                worker.ended = True
                if code not in (0, EXIT_INTERRUPTED) and not self.stopping:
                    self.say(f"worker {worker.number} {_how(code)}: {_last_line(worker.log)}")
                continue
            worker.restarts += 1
            self.say(
                f"worker {worker.number} {_how(code)}; it is started again "
                f"({worker.restarts} of {RESTARTS} times). See {worker.log}"
            )
            worker.process = self._start(worker.log)
        return not all(worker.ended for worker in self.workers)

    def _start(self, log: Path) -> subprocess.Popen[bytes]:
        """Start one; in a session of its own, so that Ctrl-C comes from its parent, once."""
        with _opened(log) as stream:
            return subprocess.Popen(
                self.command(),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                start_new_session=True,
            )


def watch_parent(parent: int | None) -> None:
    """End this process soon after its parent: first as by Ctrl-C, then at once."""
    if parent is None:
        return

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(LEAVING_S)
        os._exit(EXIT_INTERRUPTED)

    threading.Thread(target=watch, name="watch the parent", daemon=True).start()


def _opened(log: Path) -> IO[bytes]:
    from autospec.data.writing import cannot
    from autospec.errors import OutputError

    try:
        return log.open("ab")
    except OSError as error:
        raise OutputError(cannot("written", log, error)) from error


def _how(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    cause = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
    return f"was ended by signal {-code}{cause}"


def _last_line(log: Path) -> str:
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - 2000))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else f"see {log}"
