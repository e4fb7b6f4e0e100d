"""The search space: it holds what was published, decodes what it proposes, and knows its caps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.nets.architecture import PUBLISHED
from autospec.search.design import Caps
from autospec.search.space import SearchSpace

AXIS = np.arange(350.0, 2501.0)
SPACE = SearchSpace()


def propose(seed: int, space: SearchSpace = SPACE) -> dict[str, object]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return study.ask(space.distributions()).params


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_published_designs_are_in_the_space_and_come_back_whole(name: str) -> None:
    design = SPACE.published_design(name, AXIS)
    assert SPACE.holds(design)
    assert SPACE.decode(SPACE.encode(design)) == design
    assert design.architecture == PUBLISHED[name]
    assert 210 <= design.bands(AXIS) <= 220


@given(st.integers(0, 2**31))
def test_a_proposal_decodes_encodes_and_decodes_to_the_same_design(seed: int) -> None:
    design = SPACE.decode(propose(seed))
    again = SPACE.decode(SPACE.encode(design))
    assert again == design
    assert again.digest == design.digest
    assert SPACE.holds(design)


@given(st.integers(0, 2**31))
def test_the_space_is_static(seed: int) -> None:
    """Every parameter is proposed every time, whatever the number of blocks."""
    assert propose(seed).keys() == SPACE.distributions().keys()


def test_parameters_of_unused_blocks_do_not_change_the_design() -> None:
    params = propose(1) | {"conv_blocks": 1, "fc_blocks": 0}
    other = params | {"conv3_kernel": 19, "fc2_nodes": 999}
    assert SPACE.decode(params).digest == SPACE.decode(other).digest


def test_a_narrowed_space_knows_what_it_no_longer_holds() -> None:
    narrow = replace(SPACE, fc_blocks=(0, 1))
    assert narrow.holds(narrow.published_design("china", AXIS))
    assert not narrow.holds(narrow.published_design("sweden", AXIS))
    without = replace(SPACE, activation=("ReLU",))
    assert not without.holds(without.published_design("china", AXIS))


def test_constraints_name_the_cap_that_is_broken() -> None:
    usa = SPACE.published_design("usa", AXIS)
    bands = usa.bands(AXIS)
    n, work = usa.architecture.n_parameters(bands), usa.architecture.multiply_adds(bands)
    fits = usa.overrun(AXIS, Caps(parameters=n, multiply_adds=work))
    assert fits == {"layers": 0.0, "parameters": 0.0, "multiply_adds": 0.0}
    over = usa.overrun(AXIS, Caps(parameters=n - 1, multiply_adds=work // 2))
    assert over["parameters"] > 0
    assert over["multiply_adds"] == pytest.approx(1.0, abs=1e-6)  # twice the cap


def test_a_network_too_deep_for_the_spectrum_is_infeasible() -> None:
    params = propose(0) | {"conv_blocks": 4, "step": 20}
    params |= {f"conv{i}_padding": "valid" for i in range(1, 5)}
    params |= {f"conv{i}_kernel": 20 for i in range(1, 5)}
    params |= {f"conv{i}_stride": 6 for i in range(1, 5)}
    assert SPACE.decode(params).overrun(AXIS, Caps())["layers"] >= 1


@pytest.mark.parametrize(
    "change",
    [
        {"filters": (20, 2)},
        {"kernel": (0, 3)},
        {"dropout": (0.2, 1.0)},
        {"savgol_window": (6, 11)},
        {"savgol_derivative": (0, 4)},
        {"savgol_order": (2, 6), "savgol_window": (5, 11)},
    ],
)
def test_ranges_that_hold_nothing_are_refused(change: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))[:6]):
        replace(SPACE, **change)


def test_a_digest_tells_designs_apart_by_preprocessing_and_training() -> None:
    design = SPACE.published_design("china", AXIS)
    others = [
        replace(design, preprocessing=replace(design.preprocessing, step=9.0)),
        replace(design, training=replace(design.training, learning_rate=1e-3)),
        replace(design, architecture=PUBLISHED["usa"]),
    ]
    assert len({d.digest for d in (design, *others)}) == 4
