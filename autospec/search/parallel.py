"""`Workers`: processes that train the designs of several trials at once; no study here.

The main process keeps the study to itself: it alone proposes, prunes, stops and tells. A worker is
handed the rows once, then one design after another. After each epoch it says how far it is and
waits to be told whether to go on, so that a trial is judged by the same callback wherever it is
trained, and scores the same to the last bit.

A worker lives as long as its pipe: it ends by itself when the main process is done with it, or is
gone for whatever reason. One that dies loses its trial and is replaced.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from multiprocessing import connection, resource_tracker
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, Self

from autospec.errors import OutOfMemory, StudyFailed, TrialFailed
from autospec.training.lead import Lead
from autospec.training.trainer import Training, thread_count

if TYPE_CHECKING:  # a worker imports this file, and has no use for Optuna
    from autospec.search.searched import Searched, Validation
    from autospec.search.trials import RunningTrial

END = "end"  # in place of an answer: drop the trial
STARTING_S = 0.5  # between two looks whether to stop, while no trial is under way
LEAVING_S = 2.0  # for a worker that was left to end by itself; then it is killed
FEWER_TRIALS = "with fewer trials at once (--trials-per-device) each has more memory"


class Workers:
    """Up to `count` processes, each for one trial at a time; use as a context manager.

    They start when first waited for. On a CPU they share the cores; a GPU they share as a whole.

    Parameters
    ----------
    validation : Validation
        Scores a design.
    count : int
        Trials at once.
    """

    def __init__(self, validation: Validation, count: int) -> None:
        self.validation = replace(validation, threads=max(1, thread_count() // count))
        self.count = count
        self.workers: list[_Worker] = []

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        """Let every process end, whatever it was at; after Ctrl-C at once."""
        for worker in self.workers:
            worker.pipe.close()
        until = time.monotonic() + (0.0 if kind is KeyboardInterrupt else LEAVING_S)
        for worker in self.workers:
            worker.leave(until)

    @property
    def free(self) -> bool:
        """Whether a trial can be handed over."""
        return any(worker.free for worker in self.workers)

    def train(self, run: RunningTrial) -> None:
        """Hand a trial to a worker that is free."""
        next(worker for worker in self.workers if worker.free).train(run)

    def wait(self) -> bool:
        """Wait until some worker speaks; say whether a trial has ended by that.

        While none has a trial it returns now and then, for the caller may want to stop.

        Raises
        ------
        StudyFailed
            If no process can be started.
        StopSearch
            From the callback of a trial.
        """
        if not self.workers:
            self.workers = [_Worker(self.validation) for _ in range(self.count)]
        timeout_s = None if any(worker.run for worker in self.workers) else STARTING_S
        speaking = connection.wait([worker.pipe for worker in self.workers], timeout_s)
        ended = [worker.listen() for worker in list(self.workers) if worker.pipe in speaking]
        self._replace_dead()
        return any(ended)

    def _replace_dead(self) -> None:
        """Start another process for each that died; not for one that never came up."""
        for worker in [w for w in self.workers if w.dead]:
            self.workers.remove(worker)
            worker.pipe.close()
            if worker.ready:
                self.workers.append(_Worker(self.validation))
        if not self.workers:
            raise StudyFailed(
                "no process for trials could be started (their own words are above). In a script, "
                'begin the search under `if __name__ == "__main__":`, or run one trial at a time.'
            )


class _Worker:
    """The main process's end of one worker."""

    def __init__(self, validation: Validation) -> None:
        self.validation = validation
        self.run: RunningTrial | None = None
        self.ready, self.dead = False, False
        context = multiprocessing.get_context("spawn")  # CUDA does not survive a fork
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far,), daemon=True)
        with _ctrl_c_held_back():
            self.process.start()
        far.close()

    @property
    def free(self) -> bool:
        return self.ready and self.run is None

    def train(self, run: RunningTrial) -> None:
        self.run = run
        lead = run.watch.lead()
        self._say((run.design, lead.members, lead.epochs))

    def listen(self) -> bool:
        """Take in what the worker says; say whether its trial has ended by that."""
        if self.run is None:
            with suppress(TrialFailed):  # there is no trial to lose
                self.ready = self._hear()[0] == "ready"
                self._say(self.validation)
            return False
        ended = self.run.advance(self._step)
        if ended:
            self.run = None
        return ended

    def _step(self) -> Training | None:
        """Answer an epoch, or return what came out."""
        assert self.run is not None
        match self._hear():
            case "epoch" | "lead" as phase, told:
                watch = self.run.watch
                after = watch.after_lead_epoch if phase == "lead" else watch.after_epoch
                try:
                    stop = bool(after(*told))
                except BaseException:
                    self._say(END)
                    raise
                self._say(stop)
                # what was cut short counts: it must not be lost to a stop that comes in between
                return self._step() if stop else None
            case "scored", fold_rmse:
                return Training(members=(), fold_rmse=fold_rmse)
            case "failed", reason:
                raise TrialFailed(reason)
            case _, trace:
                raise AssertionError(f"a process for trials broke:\n{trace}")
        raise AssertionError("unreachable")

    def _say(self, what: object) -> None:
        with suppress(OSError):  # it is dead: it will be heard of
            self.pipe.send(what)

    def _hear(self) -> Any:  # noqa: ANN401
        try:
            return self.pipe.recv()
        except (EOFError, OSError):
            self.dead = True
            self.leave(time.monotonic() + LEAVING_S)
            raise TrialFailed(_why_dead(self.process.exitcode)) from None

    def leave(self, until: float) -> None:
        """Wait for the end of a process whose pipe is closed, then end it."""
        self.process.join(max(0.0, until - time.monotonic()))
        self.process.kill()
        self.process.join()


def _why_dead(exit_code: int | None) -> str:
    if exit_code is None or exit_code >= 0:
        return f"its process ended with exit code {exit_code}"
    return (
        f"its process was ended by signal {-exit_code} ({signal.strsignal(-exit_code)}); if that "
        f"was for want of memory: {FEWER_TRIALS}"
    )


@contextmanager
def _ctrl_c_held_back() -> Iterator[None]:
    """Let a process that starts in the block never see Ctrl-C; here it comes after the block.

    A terminal sends Ctrl-C to all processes, and what ends is for the main process to decide.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it comes with the first process, and lifts the mask
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Dropped(Exception):
    """Raised within a worker to leave a trial."""


def _serve(pipe: Connection) -> None:
    """Be a worker: score the designs that arrive until the other end closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back
    with suppress(EOFError, OSError):
        pipe.send(("ready", None))
        validation: Validation = pipe.recv()
        while True:
            design, members, epochs = pipe.recv()
            lead = Lead(members=members, epochs=epochs, on_epoch=partial(_after, pipe, "lead"))
            outcome = _score(validation, design, lead, pipe)
            if outcome is not None:
                pipe.send(outcome)


def _after(pipe: Connection, phase: str, *told: float) -> bool:
    """Tell of an epoch; return the answer."""
    pipe.send((phase, told))
    answer = pipe.recv()
    if answer == END:
        raise _Dropped
    return bool(answer)


def _score(
    validation: Validation, design: Searched, lead: Lead, pipe: Connection
) -> tuple[str, object] | None:
    """Train one design as the main process answers; return what to say, None if dropped."""
    try:
        after_epoch = partial(_after, pipe, "epoch")
        return "scored", validation.evaluate(design, after_epoch, lead).fold_rmse
    except _Dropped:
        return None
    except (OutOfMemory, MemoryError) as error:
        return "failed", f"{str(error) or 'out of memory'}; {FEWER_TRIALS}"
    except TrialFailed as error:
        return "failed", str(error)
    except Exception:  # our own bug: the main process raises it
        return "broken", traceback.format_exc()
