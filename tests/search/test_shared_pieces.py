"""Pieces in a shared storage: each is made once, read by all, and free again where it was lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from autospec.search.claims import Crew
from autospec.search.shared_pieces import SharedPieces, open_pieces
from autospec.search.storage import open_shared


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'pieces.db'}"


def worker(url: str, name: str) -> SharedPieces:
    return open_pieces("job", Crew(name=name, storage=open_shared(url)))


def test_a_piece_is_read_by_all_when_its_claim_has_ended(url: str) -> None:
    ours, theirs = worker(url, "a"), worker(url, "b")
    with ours.claim("draw-0") as mine:
        ours.write("draw-0", "50 %, “µ”\n\\")
        assert mine and theirs.read("draw-0") is None
        assert (theirs.busy(), theirs.done()) == ({"draw-0": "a"}, set())
    assert theirs.read("draw-0") == "50 %, “µ”\n\\"
    assert (theirs.busy(), theirs.done()) == ({}, {"draw-0"})


def test_a_piece_under_way_or_finished_is_not_given_again(url: str) -> None:
    ours, theirs = worker(url, "a"), worker(url, "b")
    with ours.claim("draw-0"):
        ours.write("draw-0", "made")
        with theirs.claim("draw-0") as mine:
            assert not mine
    with theirs.claim("draw-0") as mine:
        assert not mine
    assert theirs.read("draw-0") == "made"


def test_a_piece_whose_making_fails_is_free_again(url: str) -> None:
    ours, theirs = worker(url, "a"), worker(url, "b")

    def break_off() -> None:
        with ours.claim("draw-0"):
            ours.write("draw-0", "half")
            raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        break_off()
    assert (theirs.read("draw-0"), theirs.busy(), theirs.done()) == (None, {}, set())
    with theirs.claim("draw-0") as mine:
        assert mine


def test_a_worker_that_was_silent_too_long_drops_what_another_has_made(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = worker(url, "a"), worker(url, "b")
    with ours.claim("draw-0") as mine:
        assert mine
        ours.write("draw-0", "late")
        monkeypatch.setattr(theirs.crew.storage, "stale_trials", lambda _: {1})
        with theirs.claim("draw-0") as other:
            assert other
            theirs.write("draw-0", "in time")
        monkeypatch.undo()
    assert ours.read("draw-0") == theirs.read("draw-0") == "in time"


def test_pieces_of_other_jobs_are_apart(url: str) -> None:
    ours = worker(url, "a")
    with ours.claim("draw-0"):
        ours.write("draw-0", "made")
    other = open_pieces("another job", ours.crew)
    assert (other.read("draw-0"), other.done()) == (None, set())


def test_a_megabyte_comes_back_as_it_was(url: str) -> None:
    ours, text = worker(url, "a"), "0.30000000000000004, " * 50_000
    with ours.claim("draw-0"):
        ours.write("draw-0", text)
    assert worker(url, "b").read("draw-0") == text


def test_a_piece_that_could_not_be_made_says_so_beside_its_text(url: str) -> None:
    ours, theirs = worker(url, "a"), worker(url, "b")
    for name in ("draw-0", "draw-1"):
        with ours.claim(name):
            ours.write(name, "text")
            if name == "draw-1":
                ours.mark_failed(name, "its worker died")
    assert (theirs.failed(), theirs.given_up()) == ({"draw-1": "its worker died"}, {})
    assert theirs.read("draw-1") == "text"
