"""Names and paths that are none: commands end with a message, and nothing is written elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.cli import main
from autospec.cli.study_names import NAME, study_name
from autospec.errors import OutputError
from autospec.report.lock import locked
from tests.data.soil_tables import soil_table

NAMES = (
    "", " ", ".", "..", "...", "../x", "x/../../y", "a/b/c", "a/", "/", "//", "~", "~/x", "-", "-x",
    "--", "--help", "--out=x", "a\x00b", "x\x00.csv", "a\nb", "a\rb", "a\tb", "\x1b[31mred", "\x7f",
    "CON", "nul", "aux.csv", "COM1", "LPT1.txt", "a:b", "C:\\x", "..\\x", "\\\\server\\share\\x",
    "a b", "a ", "a.", "*", "?", "[a-z]", "{a,b}", "$HOME", "$(id)", "`id`", "a;b", "a|b", "a&b",
    "<a>", '"a"', "'a'", "=1+1", "%2e%2e%2fx", "file:///etc/passwd", "http://127.0.0.1/x",
    "s3://b/k", "x" * 255, "x" * 256, "x" * 5000, "a/" * 2500, "\uff0e\uff0e\uff0fx",
    "\u202ecsv.exe", "a\u200bb",
    "e\u0301", "\u2215etc", "\U0001f331", "study.toml\x00.png",
    "sweden\n", "SWEDEN", "swe den",
)  # fmt: skip
COMMANDS: dict[str, Sequence[str]] = {
    "search --site": ("search", "--site=NAME"),
    "search --study": ("search", "--study=NAME"),
    "search FILE": ("search", "--", "NAME"),
    "check": ("check", "--", "NAME"),
    "plan --site": ("plan", "--site=NAME"),
    "report": ("report", "--", "NAME"),
    "export-table": ("export-table", "--", "NAME"),
    "predict MODEL": ("predict", "--", "NAME", "farm.csv"),
    "localise --site": ("localise", "--site=NAME"),
    "localise --architecture": ("localise", "--site=sweden", "--architecture=NAME"),
    "train --cube": ("train", "--cube=NAME"),
    "cube check": ("cube", "check", "--", "NAME"),
}


def run(words: Sequence[str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the command line here; anything but a way out that it knows is an error of the test."""
    monkeypatch.setattr(sys, "argv", ["autospec", *words])
    with pytest.raises(SystemExit) as caught:
        main()
    assert isinstance(caught.value.code, int)
    return caught.value.code


def listing(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to work in, with one table, inside one that nothing may be written to."""
    (tmp_path / "work").mkdir()
    (tmp_path / "canary").write_text("untouched")
    soil_table(n=21).write(tmp_path / "work" / "farm.csv")
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_name_that_is_none_is_refused(
    command: str, work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, ends = listing(work), {}
    for name in NAMES:
        words = [word.replace("NAME", name) for word in COMMANDS[command]]
        ends[name] = run(words, monkeypatch), capsys.readouterr().err
    wrong = {name: end for name, end in ends.items() if end[0] not in (2, 65, 74) or not end[1]}
    assert wrong == {}
    assert listing(work) == before


def test_a_file_is_written_where_it_is_said_or_not_at_all(
    work: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before, ends = listing(work), {}
    for name in (n for n in NAMES if not n.startswith("/") and ".." not in n):
        ends[name] = run(("plan", "farm.csv", "--n=3", f"--out={name}"), monkeypatch)
        capsys.readouterr()
    assert set(ends.values()) <= {0, 2, 65, 74}
    after = listing(work)
    assert {path: after.get(path) for path in before} == before
    assert all(Path(path).is_relative_to(work / "work") for path in after if path not in before)


@settings(max_examples=200, deadline=None, derandomize=True, database=None)
@given(stem=st.one_of(st.sampled_from(NAMES), st.text(max_size=200)))
def test_any_stem_gives_a_plain_study_name(stem: str) -> None:
    assert NAME.fullmatch(study_name(stem))


@pytest.mark.parametrize("link", ["report.html", "assets", "pieces/draw-0.json", "run.json"])
def test_a_link_out_of_the_folder_is_not_written_through(link: str, tmp_path: Path) -> None:
    out, outside = tmp_path / "out", tmp_path / "outside"
    outside.mkdir()
    (out / link).parent.mkdir(parents=True)
    (out / link).symlink_to(outside / "anything")
    with pytest.raises(OutputError, match="link out of the output folder"), locked(out):
        raise AssertionError("the folder was given away")
    assert list(outside.iterdir()) == []


def test_a_link_within_the_folder_and_the_folder_as_a_link_are_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a").write_text("x")
    (tmp_path / "real" / "b").symlink_to("a")
    (tmp_path / "out").symlink_to(tmp_path / "real")
    with locked(tmp_path / "out"):
        assert (tmp_path / "real" / ".lock").exists()
