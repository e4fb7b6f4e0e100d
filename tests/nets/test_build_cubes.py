"""The torch module of a 3D-CNN has the sizes its architecture says, and its own random numbers."""

from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from autospec.nets.architecture import Activation, ArchitectureError, FCBlock
from autospec.nets.build_cubes import FilterDropout, build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock, Shape
from autospec.nets.masks import Masks
from autospec.nets.small3d import SMALL3D

CPU = torch.device("cpu")
ACTIVATIONS = st.sampled_from(get_args(Activation))
SMALL = CubeArchitecture(
    conv=(
        CubeConvBlock(
            kernel_space=3, kernel_time=2, filters=6, activation="Swish", norm="batch", dropout=0.2
        ),
    ),
    fc=(FCBlock(nodes=7, activation="SELU", dropout=0.1),),
)
SHAPE = (3, 6, 5, 4)

conv_blocks = st.builds(
    CubeConvBlock,
    kernel_space=st.integers(1, 4),
    kernel_time=st.integers(1, 3),
    filters=st.integers(1, 12),
    activation=ACTIVATIONS,
    padding=st.sampled_from(["valid", "same", "full"]),
    stride=st.integers(1, 3),
    pooling=st.sampled_from(["none", "max", "avg"]),
    norm=st.sampled_from(["none", "batch", "group"]),
    dropout=st.sampled_from([0.0, 0.3]),
)
fc_blocks = st.builds(
    FCBlock, nodes=st.integers(1, 9), activation=ACTIVATIONS, dropout=st.sampled_from([0.0, 0.3])
)
architectures = st.builds(
    CubeArchitecture,
    conv=st.lists(conv_blocks, min_size=1, max_size=3).map(tuple),
    head=st.sampled_from(["flatten", "average"]),
    fc=st.lists(fc_blocks, max_size=2).map(tuple),
)
shapes = st.tuples(st.integers(1, 4), st.integers(4, 12), st.integers(4, 12), st.integers(1, 6))


def outputs(network: nn.Sequential, shape: Shape) -> list[tuple[nn.Module, tuple[int, ...]]]:
    """What each layer gives of two cubes, in prediction."""
    x, found = torch.randn(2, *shape, generator=torch.Generator()), []
    with torch.no_grad():
        for layer in network.eval():
            x = layer(x)
            found.append((layer, tuple(x.shape)))
    return found


@given(architecture=architectures, shape=shapes)
@settings(max_examples=60, deadline=None)
def test_closed_form_sizes_are_those_of_the_module(
    architecture: CubeArchitecture, shape: Shape
) -> None:
    if architecture.shortfall(shape):
        with pytest.raises(ArchitectureError, match=r"conv block \d does not fit"):
            build_cube_network(architecture, shape, seed=0, device=CPU)
        return
    network = build_cube_network(architecture, shape, seed=0, device=CPU)
    found = outputs(network, shape)
    convolved, arriving = [], shape[1:]
    for block in architecture.conv:
        convolved.append(block.convolved(arriving))
        arriving = block.out_volume(arriving)
    weights = [(layer, size) for layer, size in found if isinstance(layer, nn.Conv3d)]
    assert [size[2:] for _, size in weights] == convolved
    flat = [size for layer, size in found if isinstance(layer, nn.Flatten)]
    assert flat == [(2, architecture.flattened(shape))]
    assert found[-1][1] == (2, 1)
    assert sum(p.numel() for p in network.parameters()) == architecture.n_parameters(shape)
    products = sum(math.prod(size[2:]) * layer.weight.numel() for layer, size in weights)
    products += sum(layer.weight.numel() for layer, _ in found if isinstance(layer, nn.Linear))
    assert products == architecture.multiply_adds(shape)


@pytest.mark.parametrize(("shape", "count"), [((6, 10, 10, 4), 37_873), ((6, 5, 5, 5), 25_585)])
def test_small3d_has_its_golden_sizes(shape: Shape, count: int) -> None:
    network = build_cube_network(SMALL3D, shape, seed=0, device=CPU)
    assert sum(p.numel() for p in network.parameters()) == count
    with torch.no_grad():
        assert network.eval()(torch.zeros(1, *shape)).shape == (1, 1)


def weights(seed: int) -> torch.Tensor:
    network = build_cube_network(SMALL, SHAPE, seed=seed, device=CPU)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_one_seed_gives_bitwise_equal_weights_and_leaves_the_global_state_alone() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = weights(5)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(weights(5), first)
    assert not torch.equal(weights(6), first)


def test_one_seed_gives_bitwise_equal_training_passes() -> None:
    x = torch.randn(8, *SHAPE, generator=torch.Generator())
    runs = [build_cube_network(SMALL, SHAPE, seed=5, device=CPU).train() for _ in range(2)]
    assert torch.equal(runs[0](x), runs[1](x))


@pytest.mark.parametrize("p", [0.001, 0.3, 0.9])
def test_dropout_drops_whole_filters_and_keeps_the_expectation(p: float) -> None:
    n, filters = 500, 200
    out = FilterDropout(p, Masks(0, CPU))(torch.ones(n, filters, 2, 1, 3)).flatten(2)
    assert torch.equal(out, out[:, :, :1].expand(out.shape))
    share = float((out[:, :, 0] == 0).float().mean())
    # five standard errors of a share
    assert abs(share - p) <= 5 * math.sqrt(p * (1 - p) / (n * filters))
    kept = out[out > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


def test_dropout_is_the_identity_in_evaluation() -> None:
    x = torch.randn(5, 4, 2, 2, 2, generator=torch.Generator())
    assert torch.equal(FilterDropout(0.5, Masks(0, CPU)).eval()(x), x)
