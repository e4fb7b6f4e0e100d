"""The report of a search on cubes: cube-run.json there and back, tables, maps and the page."""

from __future__ import annotations

from autospec.report.cubes.folder import load_cube_result
from autospec.report.cubes.page import write_cube_report

__all__ = ["load_cube_result", "write_cube_report"]
