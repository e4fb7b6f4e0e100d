"""A real PostgreSQL server for tests: its own data directory, loopback only, an ordinary user."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

DEBIAN = Path("/usr/lib/postgresql")
USER = "nobody"  # who the server runs as where the tests run as root, which it refuses
MUST_RUN = "AUTOSPEC_POSTGRES"  # set by CI: a server that cannot be had is then a failure


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, the newest of several; None if there is none."""
    on_path = shutil.which("initdb")
    if on_path and shutil.which("pg_ctl"):
        return Path(on_path).resolve().parent
    found = sorted(DEBIAN.glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Server:
    """A server of its own; stop and start it as often as you like, then `remove` it."""

    def __init__(self, bin_folder: Path) -> None:
        self.bin = bin_folder
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        if os.getuid() == 0:
            shutil.chown(self.folder, USER)
        self._run("initdb", "-D", f"{self.folder}/data", "-U", "autospec", "-A", "trust", "-N")
        self.databases = 0
        self.start()
        self._create("studies")

    @property
    def url(self) -> str:
        """Of the database, for Optuna."""
        return f"postgresql+psycopg://autospec@127.0.0.1:{self.port}/studies"

    def fresh(self) -> str:
        """Make a database that is empty; return its URL."""
        self.databases += 1
        name = f"studies{self.databases}"
        self._create(name)
        return self.url.removesuffix("studies") + name

    def _create(self, name: str) -> None:
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", "autospec", name)

    def start(self) -> None:
        """Start, and wait until it answers."""
        options = (
            f"-h 127.0.0.1 -p {self.port} -k {self.folder} -c fsync=off -c max_connections=200"
        )
        log = f"{self.folder}/log"
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-l", log, "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop: "fast" cuts all connections, "immediate" is as a crash."""
        self._run("pg_ctl", "-D", f"{self.folder}/data", "-w", "-m", mode, "stop")

    def restart(self, away_s: float = 0.0, mode: str = "fast") -> None:
        """Stop, stay away for so long, and start."""
        self.stop(mode)
        time.sleep(away_s)
        self.start()

    def remove(self) -> None:
        """Stop, and remove all that it has."""
        subprocess.run(
            self._command("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop"),
            check=False,
            capture_output=True,
        )
        shutil.rmtree(self.folder, ignore_errors=True)

    def _command(self, program: str, *arguments: str) -> list[str]:
        as_user = ["runuser", "-u", USER, "--"] if os.getuid() == 0 else []
        return [*as_user, str(self.bin / program), *arguments]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            self._command(program, *arguments),
            check=True,
            capture_output=True,
            cwd="/",
            timeout=120,
        )
