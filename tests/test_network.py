"""The package holds no network client: none is imported, and no job opens a connection."""

from __future__ import annotations

import ast
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

import autospec
from autospec.cli import main

PACKAGE = Path(autospec.__file__).parent
CLIENTS = {
    "aiohttp", "asyncore", "botocore", "boto3", "fsspec", "ftplib", "gcsfs", "http", "httpcore",
    "httpx", "huggingface_hub", "imaplib", "nntplib", "paramiko", "poplib", "pycurl", "requests",
    "s3fs", "smtplib", "socket", "socketserver", "ssl", "telnetlib", "urllib", "urllib3",
    "webbrowser", "websocket", "websockets", "wget", "xmlrpc",
    # database drivers: a storage is named by a URL, and SQLAlchemy finds its driver
    "asyncpg", "psycopg", "psycopg2", "pymysql", "redis",
}  # fmt: skip
NAMES_OF_FILES = re.compile(r"[\"'](https?|ftp|s3|gs)://(?!doi\.org|proceedings)[^\"']*[\"']")


def imported(path: Path) -> Iterator[str]:
    """Yield the first part of every module that a file imports, by statement or by name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield str(node.module).split(".")[0]
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            yield from (a.value.split(".")[0] for a in node.args if isinstance(a, ast.Constant))


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: p.relative_to(PACKAGE).as_posix()
)
def test_no_file_imports_a_network_client(path: Path) -> None:
    assert set(imported(path)) & CLIENTS == set()


def test_the_scan_sees_what_it_looks_for(tmp_path: Path) -> None:
    path = tmp_path / "a.py"
    path.write_text(
        "import urllib.request as u\nfrom http import client\ndef f():\n    import ssl\n"
        "    importlib.import_module('requests.api')\n"
    )
    assert set(imported(path)) == {"urllib", "http", "ssl", "requests"}


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Let every attempt to reach another machine fail, and write it down."""
    met: list[str] = []

    def refuse(name: str) -> object:
        def refused(*args: object, **_: object) -> None:
            met.append(f"{name}{args[1:]}")
            raise OSError(f"the network was asked: {name}")

        return refused

    for name in ("connect", "connect_ex", "sendto"):
        monkeypatch.setattr(socket.socket, name, refuse(name))
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse(name))
    return met


STUDY = """
[data]
site = "germany-rp"
[search]
trials = 2
folds = 3
members = 1
published = false
budget = "20m"
[search.space]
conv_blocks = [1, 1]
filters = [4, 8]
fc_blocks = [0, 1]
nodes = [8, 16]
max_epochs = 4
"""


@pytest.mark.slow
@pytest.mark.parametrize("job", ["search", "localise"])
def test_a_job_ends_without_a_network(
    job: str, tmp_path: Path, offline: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = tmp_path / "small.toml"
    study.write_text(STUDY, encoding="utf-8")
    words = {
        "search": ["search", "--study", str(study)],
        "localise": ["localise", "--site", "germany-rp", "--quick", "--draws", "1", "--n", "20"],
    }[job]
    monkeypatch.setattr(sys, "argv", ["autospec", *words, "-o", str(tmp_path / "out")])
    with suppress(SystemExit):
        main()
    assert (tmp_path / "out" / "report.html").exists() or list((tmp_path / "out").glob("*.html"))
    assert offline == []


def test_no_address_is_fetched_by_name() -> None:
    """Addresses in the code are references in docstrings and links in pages, never opened."""
    opened = [
        f"{path.name}: {ast.unparse(node)[:80]}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func).rsplit(".", 1)[-1] in ("read_csv", "read_parquet", "urlopen")
        and any(NAMES_OF_FILES.search(ast.unparse(argument)) for argument in node.args)
    ]
    assert opened == []
