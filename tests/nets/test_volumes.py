"""A step of stacked networks on volumes: every gradient is that of torch's autograd."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn

from autospec.nets import stacked
from autospec.nets.architecture import FCBlock
from autospec.nets.build_cubes import build_cube_network
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock, Shape
from autospec.nets.small3d import SMALL3D
from autospec.nets.stacked import StackedNetwork

CPU = torch.device("cpu")
SHAPE = (2, 6, 5, 4)
COUNTS = (7, 6, 7)
BLOCK = CubeConvBlock(
    kernel_space=3, kernel_time=2, filters=6, activation="Swish", padding="same", dropout=0.3
)


class Gathered:
    """Takes the gradients of all parts of the parameters, and moves nothing."""

    def __init__(self, parameters: list[torch.Tensor]) -> None:
        self.grads = [torch.full_like(p, torch.nan) for p in parameters]

    def descend(self, position: int, part: tuple[slice, slice], grad: torch.Tensor) -> None:
        self.grads[position][part] = grad


def own_grads(network: nn.Sequential) -> list[torch.Tensor]:
    """Gradients as a stack lays them: biases beside weights, norms apart."""
    grads = []
    for layer in network:
        found = [p.grad for p in layer.parameters() if p.grad is not None]
        if isinstance(layer, nn.Conv3d | nn.Linear):
            grads.append(torch.cat([found[0].flatten(1), found[1][:, None]], dim=1))
        else:
            grads += found
    return grads


def assert_a_step_is_autograds(
    net: CubeArchitecture, shape: Shape = SHAPE, x: torch.Tensor | None = None
) -> None:
    generator = torch.Generator().manual_seed(0)
    if x is None:
        x = torch.randn(len(COUNTS), max(COUNTS), *shape, generator=generator)
    pull = torch.randn(x.shape[:2], generator=generator)
    for own, n in zip(pull, COUNTS, strict=True):
        own[n:] = 0.0
    twins, ours = (
        [build_cube_network(net, shape, seed=seed, device=CPU) for seed in range(len(COUNTS))]
        for _ in range(2)
    )
    with torch.no_grad():
        together = StackedNetwork(ours, shape)
        out = together.learn(x, COUNTS)
        gathered = Gathered(together.parameters)
        together.back(pull.clone(), gathered.descend)
        predicted = together.predict(x)
    together.release()
    for m, (twin, n) in enumerate(zip(twins, COUNTS, strict=True)):
        own = twin(x[m, :n])
        own.backward(pull[m, :n, None])
        # float32 sums of up to some thousand products
        torch.testing.assert_close(out[m, :n], own[:, 0].detach(), rtol=1e-4, atol=1e-4)
        for found, grad in zip(gathered.grads, own_grads(twin), strict=True):
            grads = found[m].reshape(len(grad), -1)[:, : grad[0].numel()]
            close = 1e-4 * float(max(g.abs().max() for g in own_grads(twin)))
            torch.testing.assert_close(grads, grad.reshape(len(grad), -1), rtol=1e-3, atol=close)
        with torch.no_grad():
            expected = twin.eval()(x[m])[:, 0]
        torch.testing.assert_close(predicted[m], expected, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(ours[m].state_dict(), twin.state_dict())


@pytest.mark.parametrize("kernel", [(1, 1), (2, 1), (3, 2), (2, 3)])
@pytest.mark.parametrize(
    ("padding", "stride", "pooling"),
    list(product(("valid", "same", "full"), (1, 2), ("none", "max", "avg"))),
)
def test_every_convolution_and_pooling(
    padding: Any, stride: int, pooling: Any, kernel: tuple[int, int]
) -> None:
    space, time = kernel
    first = replace(BLOCK, kernel_space=space, kernel_time=time, padding=padding, stride=stride)
    second = CubeConvBlock(
        kernel_space=2,
        kernel_time=2,
        padding="full",
        filters=3,
        activation="SELU",
        pooling=pooling,
    )
    assert_a_step_is_autograds(CubeArchitecture(conv=(first, second)))


@pytest.mark.parametrize("kernel", [(2, 2), (3, 1)])
@pytest.mark.parametrize(("padding", "stride"), list(product(("valid", "same", "full"), (1, 2))))
def test_pooling_after_every_convolution(
    padding: Any, stride: int, kernel: tuple[int, int]
) -> None:
    """What no pool sees is not computed; its share of every gradient is 0."""
    space, time = kernel
    block = replace(BLOCK, kernel_space=space, kernel_time=time, padding=padding, stride=stride)
    net = CubeArchitecture(conv=(replace(BLOCK, filters=3), replace(block, pooling="max")))
    assert_a_step_is_autograds(net, (2, 9, 8, 7))


@pytest.mark.parametrize("activation", ["ReLU", "LeakyReLU", "ELU", "SELU", "Swish"])
@pytest.mark.parametrize("pooling", ["none", "max", "avg"])
@pytest.mark.parametrize("norm", ["none", "batch", "group"])
@pytest.mark.parametrize("head", ["flatten", "average"])
def test_every_activation_norm_and_head(
    activation: Any, pooling: Any, norm: Any, head: Any
) -> None:
    first = replace(BLOCK, activation=activation, pooling=pooling, norm=norm)
    second = replace(first, filters=5, pooling="none", dropout=0.0)
    fc = FCBlock(nodes=7, activation=activation, batch_norm=norm == "batch")
    assert_a_step_is_autograds(CubeArchitecture(conv=(first, second), head=head, fc=(fc,)))


@pytest.mark.parametrize("shape", [(1, 5, 5, 1), (3, 4, 7, 3), (1, 8, 8, 6)])
@pytest.mark.parametrize("filters", [1, 16])
def test_every_shape_of_cubes(shape: Shape, filters: int) -> None:
    block = replace(BLOCK, filters=filters)
    fc = FCBlock(nodes=6, activation="ELU", dropout=0.2)
    assert_a_step_is_autograds(CubeArchitecture(conv=(block, block), fc=(fc, fc)), shape)


def test_small3d() -> None:
    assert_a_step_is_autograds(SMALL3D, (6, 10, 10, 4))


@pytest.mark.parametrize("activation", ["ReLU", "ELU", "Swish"])
def test_of_equal_values_in_a_pool_the_first_learns(activation: Any) -> None:
    """Filled gaps make whole windows equal."""
    x = torch.randn(3, 7, *SHAPE, generator=torch.Generator().manual_seed(1))
    x[x < 1.0] = 0.0
    block = replace(BLOCK, activation=activation, pooling="max")
    assert_a_step_is_autograds(CubeArchitecture(conv=(block, replace(block, filters=4))), x=x)


@pytest.mark.parametrize("moved", [1, 100])
def test_weights_moved_in_parts(monkeypatch: pytest.MonkeyPatch, moved: int) -> None:
    monkeypatch.setattr(stacked, "MOVED_AT_ONCE", moved)
    assert_a_step_is_autograds(CubeArchitecture(conv=(BLOCK, BLOCK)))
