"""The report of a search on a stack: map-run.json there and back, tables and the page."""

from __future__ import annotations

from autospec.report.map_search.folder import load_map_search
from autospec.report.map_search.page import write_map_search

__all__ = ["load_map_search", "write_map_search"]
