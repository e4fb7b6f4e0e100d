"""The table of scores in a terminal: every number whole, whatever the target's unit."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from autospec.cli.train_stack_show import scores_table
from autospec.training.map_result import MapTraining
from tests.report.maps.made_map_training import TARGETS, make_map_training, with_rmse


def drawn(result: MapTraining, width: int) -> str:
    console = Console(width=width, file=io.StringIO())
    with console.capture() as caught:
        console.print(scores_table(result, 0, TARGETS[0]))
    return caught.get()


@pytest.mark.parametrize("factor", [1.0, 1e-9, 1e6])
def test_no_number_is_cut_on_a_terminal_of_80_columns(factor: float) -> None:
    text = drawn(with_rmse(make_map_training(), factor), 80)
    assert "…" not in text


def test_nothing_is_said_to_be_minus_0() -> None:
    assert "-0.00 " not in drawn(with_rmse(make_map_training(), 1.0), 80)
