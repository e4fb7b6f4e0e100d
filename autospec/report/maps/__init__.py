"""The report of a training on maps: tables, the page, and maps over time that move."""

from __future__ import annotations

from autospec.report.maps.page import write_map_report
from autospec.report.maps.picture import write_map_picture

__all__ = ["write_map_picture", "write_map_report"]
