"""Notes on a training on maps: what is said of persistence is what the numbers say."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import pytest

from autospec.training.map_notes import notes_on_maps
from tests.report.maps.made_map_training import make_map_training


@pytest.mark.parametrize(
    ("better", "change", "said"),
    [
        ("first", True, None),
        ("cannot tell", True, "is not beaten"),
        ("second", True, "what it has learned misleads it"),
        ("second", False, "is not beaten"),
    ],
)
def test_persistence_is_told_as_it_stands(
    better: Literal["first", "second", "cannot tell"], change: bool, said: str | None
) -> None:
    made = make_map_training()
    sizes = replace(made.settings.sizes, change=change)
    result = replace(
        made,
        rival="persistence",
        versus_rival=replace(made.versus_rival, better=better),
        settings=replace(made.settings, sizes=sizes),
    )
    notes = [n for n in notes_on_maps(result, (), n_fit=9, n_epoch=9) if "Persistence" in n]
    assert len(notes) == (said is not None)
    assert all(said in note for note in notes if said)


def test_an_untrained_network_that_is_kept_is_said() -> None:
    made = replace(make_map_training(), rival="persistence", best_epoch=0)
    notes = notes_on_maps(made, (), n_fit=9, n_epoch=9)
    assert sum("repeats the last value" in note for note in notes) == 1
    assert any("the best epoch is the untrained network" in note for note in notes)
