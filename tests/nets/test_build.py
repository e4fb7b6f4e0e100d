"""The torch module has the sizes its architecture says, and its own random numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from autospec.nets.architecture import (
    PUBLISHED,
    Activation,
    Architecture,
    ArchitectureError,
    ConvBlock,
    FCBlock,
)
from autospec.nets.build import SeededDropout, build_network
from autospec.nets.masks import Masks

CPU = torch.device("cpu")
ACTIVATIONS = st.sampled_from(get_args(Activation))
REGULARISERS = st.sampled_from(
    [{}, {"batch_norm": True}, {"dropout": 0.3}]  # one or none
)
SMALL = Architecture(
    conv=(ConvBlock(kernel=5, filters=6, activation="Swish", dropout=0.2),),
    fc=(FCBlock(nodes=7, activation="ELU", batch_norm=True),),
)


@st.composite
def conv_blocks(draw: st.DrawFn) -> ConvBlock:
    return ConvBlock(
        kernel=draw(st.integers(1, 12)),
        filters=draw(st.integers(1, 6)),
        activation=draw(ACTIVATIONS),
        padding=draw(st.sampled_from(["valid", "same"])),
        stride=draw(st.integers(1, 5)),
        pooling=draw(st.sampled_from(["none", "max", "avg"])),
        pool_size=draw(st.integers(2, 4)),
        **draw(REGULARISERS),
    )


@st.composite
def fc_blocks(draw: st.DrawFn) -> FCBlock:
    return FCBlock(
        nodes=draw(st.integers(1, 9)), activation=draw(ACTIVATIONS), **draw(REGULARISERS)
    )


architectures = st.builds(
    Architecture,
    conv=st.lists(conv_blocks(), min_size=1, max_size=3).map(tuple),
    fc=st.lists(fc_blocks(), max_size=2).map(tuple),
)


class Watched:
    """Runs a network on two spectra and notes what each layer gives out."""

    def __init__(self, architecture: Architecture, bands: int) -> None:
        self.network = build_network(architecture, bands, seed=0, device=CPU).eval()
        self.shapes: list[tuple[nn.Module, tuple[int, ...]]] = []
        for layer in self.network:
            layer.register_forward_hook(self.note)
        with torch.no_grad():
            self.out = self.network(torch.randn(2, 1, bands, generator=torch.Generator()))

    def note(self, layer: nn.Module, _: Any, out: torch.Tensor) -> None:
        self.shapes.append((layer, tuple(out.shape)))

    def of(self, kind: type[nn.Module]) -> list[tuple[int, ...]]:
        return [shape for layer, shape in self.shapes if isinstance(layer, kind)]

    def block_lengths(self) -> list[int]:
        """Length before each convolution but the first (or its padding), and at the flattening."""
        starts = [
            i
            for i, (layer, _) in enumerate(self.shapes)
            if isinstance(layer, nn.ConstantPad1d | nn.Flatten)
            or (
                isinstance(layer, nn.Conv1d)
                and (i == 0 or not isinstance(self.shapes[i - 1][0], nn.ConstantPad1d))
            )
        ]
        return [self.shapes[i - 1][1][2] for i in starts if i > 0]

    def multiply_adds(self) -> int:
        """One multiplication for each weight at each place it is used."""
        total = 0
        for layer, shape in self.shapes:
            if isinstance(layer, nn.Conv1d):
                total += shape[2] * layer.weight.numel()
            elif isinstance(layer, nn.Linear):
                total += layer.weight.numel()
        return total


def check_against_torch(architecture: Architecture, bands: int) -> None:
    watched = Watched(architecture, bands)
    trainable = sum(p.numel() for p in watched.network.parameters() if p.requires_grad)
    convolved, arriving = [], bands
    for block in architecture.conv:
        convolved.append(block.convolved(arriving))
        arriving = block.out_length(arriving)
    assert [shape[2] for shape in watched.of(nn.Conv1d)] == convolved
    assert tuple(watched.block_lengths()) == architecture.lengths(bands)
    assert watched.of(nn.Flatten) == [(2, architecture.flattened(bands))]
    assert trainable == architecture.n_parameters(bands)
    assert watched.multiply_adds() == architecture.multiply_adds(bands)
    assert watched.out.shape == (2, 1)
    assert bool(torch.isfinite(watched.out).all())


@given(architecture=architectures, bands=st.integers(20, 120))
@settings(max_examples=80, deadline=None)
def test_closed_form_sizes_are_those_of_the_module(architecture: Architecture, bands: int) -> None:
    if architecture.shortfall(bands):
        with pytest.raises(ArchitectureError, match=r"conv block \d does not fit"):
            build_network(architecture, bands, seed=0, device=CPU)
    else:
        check_against_torch(architecture, bands)


@pytest.mark.parametrize("site", PUBLISHED)
def test_published_architectures_build_with_their_sizes(site: str) -> None:
    check_against_torch(PUBLISHED[site], 216)


def slow_same_convolution(
    x: NDArray[np.float64], weight: NDArray[np.float64], bias: NDArray[np.float64], stride: int
) -> NDArray[np.float64]:
    """Window j is centred on the padded spectrum's own terms: zeros beyond either end."""
    filters, channels, kernel = weight.shape
    length = x.shape[1]
    places = -(-length // stride)
    left = max((places - 1) * stride + kernel - length, 0) // 2
    out = np.zeros((filters, places))
    for f in range(filters):
        for j in range(places):
            total = bias[f]
            for c in range(channels):
                for k in range(kernel):
                    at = j * stride + k - left
                    if 0 <= at < length:
                        total += weight[f, c, k] * x[c, at]
            out[f, j] = total
    return out


@pytest.mark.parametrize("stride", [1, 2, 3, 6])
@pytest.mark.parametrize("kernel", [1, 4, 10])
@pytest.mark.parametrize("bands", [23, 36])
def test_strided_same_convolution_equals_its_loop_twin(
    bands: int, kernel: int, stride: int
) -> None:
    block = ConvBlock(kernel=kernel, filters=3, activation="ReLU", padding="same", stride=stride)
    both = Architecture(conv=(replace(block, kernel=3, stride=1), block))
    network = build_network(both, bands, seed=1, device=CPU)
    first, second = [i for i, m in enumerate(network) if isinstance(m, nn.Conv1d)]
    x = torch.randn(1, 1, bands, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        arriving = network[: first + 2](x)  # through the activation
        out = network[first + 2 : second + 1](arriving)
    conv = network[second]
    assert isinstance(conv, nn.Conv1d) and conv.bias is not None
    weight, bias = (p.detach().double().numpy() for p in (conv.weight, conv.bias))
    expected = slow_same_convolution(arriving[0].double().numpy(), weight, bias, stride)
    # float32 sums of 3 · 10 products of size below 3: 31 roundings of 6e-8 of that.
    np.testing.assert_allclose(out[0].numpy(), expected, atol=31 * 3 * 6e-8)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("p", [0.001, 0.2, 0.48, 0.9])
def test_dropout_keeps_the_expectation_and_drops_its_share(p: float) -> None:
    n = 100_000
    out = SeededDropout(p, Masks(0, CPU))(torch.ones(n // 10, 10))
    # A mean of n scaled Bernoulli draws has this standard error; five of them.
    assert abs(float(out.mean()) - 1) <= 5 * np.sqrt(p / (1 - p) / n)
    assert abs(float((out == 0).float().mean()) - p) <= 5 * np.sqrt(p * (1 - p) / n)
    kept = out[out > 0]
    torch.testing.assert_close(kept, torch.full_like(kept, 1 / (1 - p)))


def test_dropout_masks_come_from_its_stream_alone() -> None:
    x = torch.ones(100, 10)
    torch.manual_seed(1)
    first = SeededDropout(0.5, Masks(3, CPU))
    masks = [first(x), first(x)]
    torch.manual_seed(2)
    again = SeededDropout(0.5, Masks(3, CPU))
    other = SeededDropout(0.5, Masks(4, CPU))
    assert torch.equal(again(x), masks[0])
    assert torch.equal(again(x), masks[1])
    assert not torch.equal(masks[0], masks[1])
    assert not torch.equal(other(x), masks[0])


def test_dropout_is_the_identity_in_evaluation() -> None:
    x = torch.randn(50, generator=generator(0))
    layer = SeededDropout(0.5, Masks(0, CPU)).eval()
    assert torch.equal(layer(x), x)


def test_building_and_running_leave_the_global_random_state_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seeded_gpus: list[int] = []
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded_gpus.append)
    before = torch.get_rng_state()
    network = build_network(SMALL, 40, seed=9, device=CPU).train()
    network(torch.ones(4, 1, 40))
    assert torch.equal(torch.get_rng_state(), before)
    assert seeded_gpus == []


def weights(seed: int) -> torch.Tensor:
    network = build_network(SMALL, 40, seed=seed, device=CPU)
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_one_seed_gives_bitwise_equal_weights_whatever_the_global_state() -> None:
    torch.manual_seed(0)
    first = weights(5)
    torch.manual_seed(1)
    assert torch.equal(weights(5), first)
    assert not torch.equal(weights(6), first)


def test_one_seed_gives_bitwise_equal_training_passes() -> None:
    x = torch.randn(8, 1, 40, generator=generator(0))
    runs = [build_network(SMALL, 40, seed=5, device=CPU).train() for _ in range(2)]
    assert torch.equal(runs[0](x), runs[1](x))


@pytest.mark.parametrize(
    ("name", "twin"),
    [
        ("ReLU", lambda x: np.maximum(x, 0)),
        ("LeakyReLU", lambda x: np.where(x > 0, x, 0.2 * x)),
        ("ELU", lambda x: np.where(x > 0, x, np.expm1(x))),
        (
            "SELU",
            lambda x: 1.0507009873554805 * np.where(x > 0, x, 1.6732632423543772 * np.expm1(x)),
        ),
        ("Swish", lambda x: x / (1 + np.exp(-x))),
    ],
)
def test_activations_are_their_formulas(name: Any, twin: Any) -> None:
    block = ConvBlock(kernel=1, filters=1, activation=name)
    network = build_network(Architecture(conv=(block,), leaky_slope=0.2), 21, seed=0, device=CPU)
    x = np.linspace(-3, 3, 21)
    out = network[1](torch.tensor(x, dtype=torch.float32)).numpy()
    # One float32 function of numbers up to 5: a few units of 6e-8 times that.
    np.testing.assert_allclose(out, twin(x), atol=1e-6)


def test_batch_normalisation_takes_its_numbers_from_the_architecture() -> None:
    network = build_network(replace(SMALL, bn_eps=1e-3, bn_momentum=0.3), 40, seed=0, device=CPU)
    (norm,) = [m for m in network if isinstance(m, nn.BatchNorm1d)]
    assert (norm.eps, norm.momentum) == (1e-3, 0.3)
