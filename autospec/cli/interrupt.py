"""Ctrl-C while a job runs: the first asks it to finish, the second ends it at once."""

from __future__ import annotations

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
    """

    def __init__(self, console: Console, finish: str) -> None:
        self.console, self.finish, self.count = console, finish, 0

    def __enter__(self) -> CtrlC:
        """Take over Ctrl-C."""
        self.before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *rest: object) -> None:
        """Give it back."""
        signal.signal(signal.SIGINT, self.before)

    def pressed(self) -> bool:
        """Say whether Ctrl-C was pressed."""
        return self.count > 0

    def _handle(self, number: int, frame: object) -> None:
        self.count += 1
        if self.count > 1:
            raise KeyboardInterrupt
        self.console.print(f"Stopping: {self.finish}. Press Ctrl-C again to leave at once.")
