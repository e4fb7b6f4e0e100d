"""The page's section about intervals: figures, words, and what it says where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.localisation.result import AUTO, LocalisationResult
from autospec.report.localise_trust import interval_rows, intervals_section, trust_sentence
from autospec.report.page import Figures


def section(result: LocalisationResult) -> tuple[str, Figures]:
    figures = Figures()
    return intervals_section(result, figures), figures


def test_rows_of_the_figure_are_those_of_the_draw(localisation: LocalisationResult) -> None:
    trust, draw = localisation.intervals[1], localisation.draws[1]
    rows = interval_rows(localisation, trust)
    assert rows.ids == tuple(localisation.farm_ids[i] for i in draw.test)
    assert rows.observed.tolist() == [localisation.observed[i] for i in draw.test]
    assert tuple(rows.predicted) == localisation.model(AUTO).outcomes[1].predicted
    assert (tuple(rows.lower), tuple(rows.upper)) == (trust.lower, trust.upper)
    assert np.array_equal(rows.inside, trust.inside)


def test_the_section_tells_coverage_width_and_error_on_either_side(
    localisation: LocalisationResult,
) -> None:
    html, _ = section(localisation)
    for words in ("91.1 %", "86 % to 95 %", "wanted 90 %", "12.1", "258", "of 285", "3 draws"):
        assert words in html
    assert "Outside the domain the RMSE is 1.5 times that inside, over 13 samples." in html
    assert "That is few" in html


def test_a_row_outside_in_several_draws_is_one_sample(localisation: LocalisationResult) -> None:
    everywhere = tuple(
        replace(part, inside=(False,) * len(part.inside)) for part in localisation.intervals
    )
    html, _ = section(replace(localisation, intervals=everywhere))
    tested = {i for draw in localisation.draws[:3] for i in draw.test}
    assert f"over {len({localisation.farm_ids[i] for i in tested})} samples." in html
    assert "That is few" not in html


def test_without_rows_outside_nothing_is_said_of_them(localisation: LocalisationResult) -> None:
    assert localisation.trust is not None
    html, _ = section(replace(localisation, trust=replace(localisation.trust, rmse_outside=None)))
    assert "Outside the domain the RMSE" not in html


def test_without_intervals_the_section_says_so(localisation: LocalisationResult) -> None:
    bare = replace(localisation, trust=None, intervals=())
    assert "Intervals were not measured" in section(bare)[0]
    assert trust_sentence(bare) == ""


@pytest.mark.parametrize(("draws", "words"), [(1, "of 1 draw "), (3, "of 3 draws ")])
def test_the_sentence_counts_the_draws(
    localisation: LocalisationResult, draws: int, words: str
) -> None:
    sentence = trust_sentence(replace(localisation, intervals=localisation.intervals[:draws]))
    assert sentence.startswith("The 90 % intervals hold 91.1 % of the 285 test rows")
    assert words in sentence and "12.1 g/kg wide" in sentence
