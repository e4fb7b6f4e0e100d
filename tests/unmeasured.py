"""Processes that may write little or nothing: coverage keeps its notes in a file of each."""

from __future__ import annotations

import os


def unmeasured() -> dict[str, str]:
    """Return this environment without what makes a process measure its coverage."""
    return {key: value for key, value in os.environ.items() if key != "COVERAGE_PROCESS_CONFIG"}
