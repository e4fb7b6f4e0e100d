"""Sources of a selection, and how far selections agree."""

from __future__ import annotations

import numpy as np
import pytest

from autospec.data.spectra import IntArray
from autospec.errors import UsageError
from autospec.transfer.provenance import Source, selection_sources, selection_stability


def rows(*numbers: int) -> IntArray:
    return np.array(numbers, dtype=np.int64)


def test_sources_stand_beside_their_share_in_the_library() -> None:
    library = {"japan": 2, "china": 3, "usa": 3}
    assert selection_sources({"japan": 1, "china": 3}, library) == (
        Source(name="china", selected=3, available=3, share=0.75, library_share=0.375),
        Source(name="japan", selected=1, available=2, share=0.25, library_share=0.25),
        Source(name="usa", selected=0, available=3, share=0.0, library_share=0.375),
    )


def test_stability_counts_common_rows() -> None:
    stability = selection_stability([rows(1, 2, 3), rows(2, 3, 4), rows(7, 8, 9)], 20)
    assert stability.jaccard == pytest.approx((2 / 4 + 0 + 0) / 3)
    assert stability.common == (2, 3)


def test_equal_selections_agree_wholly() -> None:
    assert selection_stability([rows(4, 0), rows(0, 4)], 6).jaccard == 1.0


@pytest.mark.parametrize(("first", "second"), [(10, 10), (5, 25), (30, 25)])
def test_random_selections_agree_as_chance_says(first: int, second: int) -> None:
    rng = np.random.default_rng(0)
    pairs = [
        selection_stability(
            [rng.choice(40, first, replace=False), rng.choice(40, second, replace=False)], 40
        )
        for _ in range(300)
    ]
    mean = np.mean([pair.jaccard for pair in pairs])
    assert pairs[0].jaccard_by_chance == pytest.approx(mean, abs=0.02)  # sd of a pair about 0.07


@pytest.mark.parametrize(
    "selections",
    [[rows(1)], [rows(1), rows()], [rows(1, 1), rows(2)], [rows(1, 2, 3, 4), rows(1)]],
    ids=["one", "empty", "twice", "too many"],
)
def test_impossible_selections_are_refused(selections: list[IntArray]) -> None:
    with pytest.raises(UsageError, match="want"):
        selection_stability(selections, 3)
