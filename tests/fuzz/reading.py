"""`Server`: have damaged files read elsewhere, and live on whatever comes of it; no tests here."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

REPOSITORY = Path(__file__).parents[2]
PATIENCE_S = 10.0
START_S = 120.0  # for the imports of the first file
Verdict = Literal["read", "refused", "raised", "killed", "hung"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """How the reading of one file ended: in what words, and how many bytes it took at the peak."""

    verdict: Verdict
    words: str
    taken: int = 0
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class Server:
    """A process that reads files; a new one is started when the last one died."""

    patience_s: float = PATIENCE_S
    _child: subprocess.Popen[bytes] | None = field(default=None)
    _warm: set[str] = field(default_factory=set)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def read(self, reader: str, path: Path) -> Answer:
        """Have one file read by the reader of that name."""
        child = self._child or self._start()
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(f"{reader}\t{path}\n".encode())
        child.stdin.flush()
        patience_s = self.patience_s if reader in self._warm else START_S
        self._warm.add(reader)
        if not select.select([child.stdout], [], [], patience_s)[0]:
            self._end()
            return Answer(verdict="hung", words=f"no answer in {patience_s:g} s")
        line = child.stdout.readline()
        if not line:
            code = child.wait()
            self._end()
            name = signal.Signals(-code).name if code < 0 else f"exit {code}"
            return Answer(verdict="killed", words=name)
        told = json.loads(line)
        return Answer(
            verdict=told["verdict"],
            words=told["words"],
            taken=told["taken"],
            warnings=tuple(told["warnings"]),
        )

    def _start(self) -> subprocess.Popen[bytes]:
        """Start a process, and wait until it can answer: imports are not the file's fault."""
        self._child = subprocess.Popen(
            [sys.executable, "-m", "tests.fuzz.serve"],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY)},
        )
        return self._child

    def _end(self) -> None:
        self._warm.clear()
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            for pipe in (self._child.stdin, self._child.stdout):
                if pipe is not None:
                    pipe.close()
        self._child = None
