"""Ctrl-C: a job is asked to finish first and ended at the second; what is short ends at once."""

from __future__ import annotations

import _thread
import signal

from rich.console import Console


class CtrlC:
    """Counts Ctrl-C while the block runs; use as a context manager.

    Parameters
    ----------
    console : Console
        Where the first is answered.
    finish : str
        What will now be done, after "Stopping: ".
    on_term : bool
        Whether a scheduler's SIGTERM counts as Ctrl-C.
    """

    def __init__(self, console: Console, finish: str, *, on_term: bool = False) -> None:
        self.console, self.finish, self.count = console, finish, 0
        self.signals = (signal.SIGINT, signal.SIGTERM) if on_term else (signal.SIGINT,)

    def __enter__(self) -> CtrlC:
        """Take over Ctrl-C."""
        self.before = {number: signal.signal(number, self._handle) for number in self.signals}
        return self

    def __exit__(self, *rest: object) -> None:
        """Give it back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)

    def pressed(self) -> bool:
        """Say whether Ctrl-C was pressed."""
        return self.count > 0

    def _handle(self, number: int, frame: object) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        # What was interrupted may hold half a print, or half an import of what printing needs:
        # a thread waits for both. `threading` would take a lock that may be held, too.
        _thread.start_new_thread(self._answer, ())

    def _answer(self) -> None:
        self.console.print(f"Stopping: {self.finish}. Press Ctrl-C again to leave at once.")


class AtOnce:
    """Ctrl-C ends the block at once, or at its next `check`; use as a context manager.

    What Python's own handler raises is dropped where it falls into a destructor or the callback
    of a weak reference.
    """

    def __init__(self) -> None:
        self.asked = False

    def __enter__(self) -> AtOnce:
        """Take over Ctrl-C, unless somebody else has, or it is ignored."""
        self.took = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self.took:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *rest: object) -> None:
        """Give it back."""
        if self.took:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    def check(self) -> None:
        """Raise KeyboardInterrupt if Ctrl-C was pressed."""
        if self.asked:
            raise KeyboardInterrupt

    def _handle(self, number: int, frame: object) -> None:
        self.asked = True
        raise KeyboardInterrupt
