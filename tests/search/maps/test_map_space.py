"""The space of networks of maps: it holds tiny, and decodes what it proposes; what designs cost."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from autospec.nets.cnn_transformer import CNNTransformer
from autospec.nets.map_cost import map_cost
from autospec.nets.map_shape import MapShape
from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.search.design import Caps
from autospec.search.maps.design import MapDesign, MapSeen
from autospec.search.maps.settings import MAP_CAPS
from autospec.search.maps.space import REFERENCE, MapSpace
from autospec.training.map_settings import MAP_FIT, MapTerms

SPACE = MapSpace()
SHAPE = MapShape(
    channels=3, static_channels=2, targets=1, length=4, height=16, width=20, causal=True
)
SEEN = MapSeen(shape=SHAPE, gappy=True)


def propose(seed: int, space: MapSpace = SPACE) -> dict[str, object]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return study.ask(space.distributions()).params


def test_tiny_is_in_the_space_and_comes_back_whole() -> None:
    design = SPACE.reference_design()
    assert design == MapDesign(sizes=PRESETS["tiny"], terms=MapTerms(), config=MAP_FIT)
    assert SPACE.holds(design)
    assert SPACE.decode(SPACE.encode(design)) == design
    assert SPACE.references(SEEN) == {REFERENCE: design}
    assert max(design.overrun(SEEN, MAP_CAPS).values()) <= 0


@given(st.integers(0, 2**31))
def test_a_proposal_decodes_encodes_and_decodes_to_the_same_design(seed: int) -> None:
    design = SPACE.decode(propose(seed))
    again = SPACE.decode(SPACE.encode(design))
    assert again == design
    assert again.digest == design.digest
    assert SPACE.holds(design)


@given(st.integers(0, 2**31))
def test_the_space_is_static(seed: int) -> None:
    names = SPACE.distributions().keys()
    assert propose(seed).keys() == names
    assert SPACE.encode(SPACE.decode(propose(seed))).keys() == names


@given(st.integers(0, 2**31))
def test_every_proposal_is_a_network_that_can_be_built(seed: int) -> None:
    sizes = SPACE.decode(propose(seed)).sizes
    assert sizes.embedding % (2 * sizes.heads) == 0
    assert sizes.widths == tuple(sizes.widths[0] * factor for factor in (1, 2, 4, 8))


@pytest.mark.parametrize(
    ("terms", "unused"),
    [
        ({"pinball": False, "weighted": False}, {"tau": 0.6, "gamma": 3.0}),
        ({"pinball": True, "weighted": False}, {"gamma": 3.0}),
    ],
    ids=str,
)
def test_numbers_that_no_term_looks_at_do_not_change_the_design(
    terms: dict[str, object], unused: dict[str, object]
) -> None:
    params = propose(1) | terms
    assert SPACE.decode(params).digest == SPACE.decode(params | unused).digest


@pytest.mark.parametrize("number", [{"tau": 0.6}, {"gamma": 3.0}], ids=str)
def test_numbers_that_a_term_looks_at_change_the_design(number: dict[str, object]) -> None:
    params = propose(1) | {"weighted": True, "tau": 0.55, "gamma": 1.0}
    assert SPACE.decode(params).digest != SPACE.decode(params | number).digest


def test_what_makes_no_difference_on_a_stack_is_not_searched() -> None:
    plain = MapSeen(shape=replace(SHAPE, static_channels=0), gappy=False)
    narrowed = SPACE.narrowed(plain, horizon=0)
    fixed = (narrowed.static_stream, narrowed.change, narrowed.gaps)
    assert fixed == ((True,), (True,), ("mask",))
    assert narrowed.holds(narrowed.reference_design())
    assert SPACE.narrowed(SEEN, horizon=1) == SPACE


@pytest.mark.parametrize(
    "ranges",
    [
        {"depth": (3, 2)},
        {"base": (0, 8)},
        {"embedding": (64, 72), "heads": (8,)},
        {"dropout": (0.0, 1.0)},
        {"tau": (0.0, 0.6)},
        {"gamma": (-1.0, 1.0)},
        {"learning_rate": (0.0, 1e-3)},
    ],
    ids=str,
)
def test_ranges_that_hold_nothing_are_refused(ranges: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="want"):
        MapSpace(**ranges)  # type: ignore[arg-type]


def test_constraints_name_what_is_broken() -> None:
    design = SPACE.reference_design()
    n, work = design.size(SEEN)
    fits = design.overrun(SEEN, Caps(parameters=n, multiply_adds=work))
    assert fits == {"layers": 0.0, "parameters": 0.0, "multiply_adds": 0.0}
    over = design.overrun(SEEN, Caps(parameters=n - 1, multiply_adds=work // 2))
    assert over["parameters"] > 0
    assert over["multiply_adds"] == pytest.approx(1.0, abs=1e-4)  # twice the cap


def test_gaps_that_are_masked_cost_a_channel() -> None:
    assert SEEN.arriving(MapTerms(gaps="mask")).channels == SHAPE.channels + 1
    assert SEEN.arriving(MapTerms(gaps="sentinel")) == SHAPE
    assert replace(SEEN, gappy=False).arriving(MapTerms(gaps="mask")) == SHAPE


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("deformable", [True, False])
def test_parameters_are_those_of_the_network(stream: bool, deformable: bool) -> None:
    sizes = CNNTransformerSizes(
        widths=(4, 8, 16, 32),
        embedding=16,
        depth=2,
        heads=2,
        static_stream=stream,
        deformable=deformable,
    )
    network = CNNTransformer(3, 2, 1, sizes, causal=True)
    assert map_cost(sizes, SHAPE)[0] == sum(p.numel() for p in network.parameters())


def test_counting_draws_no_numbers() -> None:
    before = torch.random.get_rng_state()
    map_cost(replace(PRESETS["tiny"], depth=3), SHAPE)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_what_does_not_change_is_paid_once() -> None:
    """Twice the dates are less than twice the work: static layers are convolved once a sample."""
    sizes, twice = PRESETS["tiny"], replace(SHAPE, length=2)
    once, more = replace(SHAPE, length=1), SHAPE.static_channels
    saved = 2 * map_cost(sizes, once)[1] - map_cost(sizes, twice)[1]
    first = sizes.widths[0]
    assert 0 < saved <= 9 * more * first * SHAPE.height * 32  # the width is padded to 32
