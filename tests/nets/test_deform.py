"""Deformable convolution against a loop over places, and as a plain convolution at the start."""

from __future__ import annotations

import math
import sys
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import nn

from autospec.nets import deform
from autospec.nets.deform import DeformConv2d, deform_conv2d, deform_in_torch


def by_loop(
    x: torch.Tensor, offset: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor
) -> torch.Tensor:
    """Sum over places, kernel points and channels, each value bilinear, zero outside."""
    n, c, h, w = x.shape
    out, _, k, _ = weight.shape

    def value(image: int, row: float, column: float) -> torch.Tensor:
        total = x.new_zeros(c)
        top, left = math.floor(row), math.floor(column)
        for y in (top, top + 1):
            for z in (left, left + 1):
                if 0 <= y < h and 0 <= z < w:
                    total = total + x[image, :, y, z] * (1 - abs(row - y)) * (1 - abs(column - z))
        return total

    result = x.new_zeros(n, out, h, w)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                for point in range(k * k):
                    dy, dx = offset[image, 2 * point : 2 * point + 2, i, j].tolist()
                    row = i + point // k - k // 2 + dy
                    column = j + point % k - k // 2 + dx
                    seen = value(image, row, column) * mask[image, point, i, j]
                    result[image, :, i, j] += weight[:, :, point // k, point % k] @ seen
    return result


def made(
    shape: tuple[int, ...] = (2, 3, 5, 4), out: int = 2, k: int = 3, seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    n, c, h, w = shape
    x = torch.randn(shape, dtype=torch.float64, generator=g)
    offset = torch.randn(n, 2 * k * k, h, w, dtype=torch.float64, generator=g)
    mask = torch.rand(n, k * k, h, w, dtype=torch.float64, generator=g)
    weight = torch.randn(out, c, k, k, dtype=torch.float64, generator=g)
    return x, offset, mask, weight


@pytest.mark.parametrize(("shape", "k"), [((2, 3, 5, 4), 3), ((1, 1, 3, 6), 1), ((1, 2, 2, 2), 5)])
@pytest.mark.parametrize("way", [deform_conv2d, deform_in_torch])
def test_equals_a_loop_over_places(way: Any, shape: tuple[int, ...], k: int) -> None:
    case = made(shape, k=k)
    torch.testing.assert_close(way(*case), by_loop(*case), atol=1e-12, rtol=1e-12)


def test_images_taken_in_parts_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    case = made()
    whole = deform_in_torch(*case)
    monkeypatch.setattr(deform, "CPU_PART_BYTES", 1)
    torch.testing.assert_close(deform_in_torch(*case), whole, atol=1e-14, rtol=1e-14)


def test_gradients_are_those_of_finite_differences() -> None:
    case = [tensor.requires_grad_() for tensor in made((1, 2, 3, 4), out=1)]
    assert torch.autograd.gradcheck(deform_in_torch, case, eps=1e-7, atol=1e-5)


def test_begins_as_a_plain_convolution() -> None:
    torch.manual_seed(0)
    layer, x = DeformConv2d(3, 5), torch.randn(2, 3, 7, 6)
    plain = nn.functional.conv2d(x, layer.weight, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), plain, atol=1e-5, rtol=1e-5)


def test_offsets_learn() -> None:
    torch.manual_seed(0)
    layer = DeformConv2d(2, 2)
    layer(torch.randn(1, 2, 6, 5)).square().sum().backward()
    assert layer.where.weight.grad.abs().sum() > 0


def test_places_stay_exact_under_mixed_precision() -> None:
    torch.manual_seed(0)
    layer, x = DeformConv2d(2, 3), torch.randn(1, 2, 9, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = layer(x)
    torch.testing.assert_close(mixed.float(), layer(x), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_offsets_are_float32_under_mixed_precision(
    dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[torch.Tensor] = []
    monkeypatch.setattr(
        deform, "deform_conv2d", lambda x, offset, *rest: told.append(offset) or x[:, :1]
    )
    layer, x = DeformConv2d(2, 1), torch.randn(1, 2, 5, 4)
    nn.init.normal_(layer.where.weight)
    with torch.autocast("cpu", dtype=dtype):
        layer(x.to(dtype))
    assert told[0].dtype == torch.float32
    torch.testing.assert_close(told[0], layer.where(x.to(dtype).float())[:, :18])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_torchvision_where_it_is_says_the_same(k: int) -> None:
    pytest.importorskip("torchvision.ops")
    assert deform.torchvision_kernel() is not None
    case = [tensor.float().requires_grad_() for tensor in made(k=k)]
    answers = [way(*case) for way in (deform_conv2d, deform_in_torch)]
    torch.testing.assert_close(*answers, atol=1e-4, rtol=1e-4)
    slopes = [torch.autograd.grad(answer.square().sum(), case) for answer in answers]
    torch.testing.assert_close(*slopes, atol=1e-2, rtol=1e-3)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_torchvision_is_given_offsets_and_masks_in_float32(
    k: int, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its operator, written out: input, offset, weight, then padding and mask by name."""

    def operator(
        x: torch.Tensor, offset: torch.Tensor, weight: torch.Tensor, **how: Any
    ) -> torch.Tensor:
        told = (x, offset, how["mask"], weight)
        assert {tensor.dtype for tensor in told} == {torch.float32}
        assert how["padding"] == k // 2
        return by_loop(*told)

    x, offset, mask, weight = (tensor.float() for tensor in made((1, 2, 4, 3), k=k))
    wanted = deform_in_torch(x, offset, mask, weight)
    monkeypatch.setattr(deform, "torchvision_kernel", lambda: operator)
    found = deform_conv2d(x.to(dtype), offset, mask, weight.to(dtype))
    assert found.dtype == dtype
    near = 1e-5 if dtype == torch.float32 else 0.1
    torch.testing.assert_close(found.float(), wanted, atol=near, rtol=near)


@pytest.mark.parametrize("error", [ImportError, RuntimeError])
def test_a_torchvision_that_cannot_be_imported_is_none(
    error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Broken(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise error("built for another torch")

    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.ops", Broken("torchvision.ops"))
    deform.torchvision_kernel.cache_clear()
    assert deform.torchvision_kernel() is None
    deform.torchvision_kernel.cache_clear()
