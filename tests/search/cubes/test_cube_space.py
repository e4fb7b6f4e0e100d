"""The space of 3D-CNNs: it holds Small3DCNN and decodes what it proposes."""

from __future__ import annotations

from dataclasses import replace

import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autospec.nets.small3d import SMALL3D
from autospec.search.cubes.settings import CUBE_CAPS, CubeSettings
from autospec.search.cubes.space import CubeSpace
from autospec.search.design import Caps

SPACE = CubeSpace()
SHAPE = (6, 10, 10, 4)


def propose(seed: int, space: CubeSpace = SPACE) -> dict[str, object]:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return study.ask(space.distributions()).params


def test_small3d_is_in_the_space_and_comes_back_whole() -> None:
    design = SPACE.reference_design()
    assert design.architecture == SMALL3D
    assert SPACE.holds(design)
    assert SPACE.decode(SPACE.encode(design)) == design
    assert max(design.overrun(SHAPE, CUBE_CAPS).values()) <= 0
    assert SPACE.references(SHAPE) == {"published: small3d": design}
    assert CubeSettings().space == SPACE


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
    names = SPACE.distributions().keys()
    assert propose(seed).keys() == names
    assert SPACE.encode(SPACE.decode(propose(seed))).keys() == names


def test_parameters_of_unused_blocks_do_not_change_the_design() -> None:
    params = propose(1) | {"conv_blocks": 1, "fc_blocks": 0}
    other = params | {"conv3_kernel_space": 5, "fc2_nodes": 999}
    assert SPACE.decode(params).digest == SPACE.decode(other).digest


@pytest.mark.parametrize(
    "narrowed",
    [{"conv_blocks": (1, 2)}, {"padding": ("valid",)}, {"fc_blocks": (0, 0)}, {"loss": ("l1",)}],
    ids=str,
)
def test_a_narrowed_space_knows_that_it_no_longer_holds_small3d(
    narrowed: dict[str, object],
) -> None:
    narrow = replace(SPACE, **narrowed)  # type: ignore[arg-type]
    assert not narrow.holds(narrow.reference_design())


def test_constraints_name_what_is_broken() -> None:
    design = SPACE.reference_design()
    n, work = design.architecture.n_parameters(SHAPE), design.architecture.multiply_adds(SHAPE)
    fits = design.overrun(SHAPE, Caps(parameters=n, multiply_adds=work))
    assert fits == {"layers": 0.0, "parameters": 0.0, "multiply_adds": 0.0}
    over = design.overrun(SHAPE, Caps(parameters=n - 1, multiply_adds=work // 2))
    assert over["parameters"] > 0
    assert over["multiply_adds"] == pytest.approx(1.0, abs=1e-4)  # twice the cap
    conv = [replace(block, padding="valid") for block in design.architecture.conv]
    deep = replace(design, architecture=replace(design.architecture, conv=tuple(conv)))
    assert deep.overrun(SHAPE, CUBE_CAPS)["layers"] >= 1


def test_the_mask_channel_counts_as_one_that_arrives() -> None:
    design = SPACE.reference_design()
    masked = replace(design, preprocessing=replace(design.preprocessing, mask_channel=True))
    first = design.architecture.conv[0]
    assert masked.size(SHAPE)[0] - design.size(SHAPE)[0] == 8 * first.filters  # 2 x 2 x 2 cells


@pytest.mark.parametrize(
    "change",
    [
        {"filters": (20, 2)},
        {"kernel_space": (0, 3)},
        {"kernel_time": (3, 1)},
        {"dropout": (0.2, 1.0)},
        {"batch_size": (1, 8)},
    ],
    ids=str,
)
def test_ranges_that_hold_nothing_are_refused(change: dict[str, tuple[float, float]]) -> None:
    with pytest.raises(ValueError, match=next(iter(change))):
        replace(SPACE, **change)  # type: ignore[arg-type]
