"""Ctrl-C of what is short: heard though Python drops what its handler raises."""

from __future__ import annotations

import contextlib
import signal

import pytest

from autospec.cli.interrupt import AtOnce


def test_ctrl_c_ends_the_block_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), AtOnce():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_what_was_dropped_is_raised_at_the_next_check() -> None:
    with AtOnce() as ctrl_c:
        ctrl_c.check()
        with contextlib.suppress(KeyboardInterrupt):  # as a destructor drops it
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            ctrl_c.check()


def test_a_handler_of_somebody_else_stays() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with AtOnce() as ctrl_c:
            signal.raise_signal(signal.SIGINT)
            ctrl_c.check()
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
