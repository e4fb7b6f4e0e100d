"""The CNN-Transformer and its parts: sizes, counts, missing dates, and what each part is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from autospec.nets.cnn_transformer import PRESETS, CNNTransformer, CNNTransformerSizes
from autospec.nets.gates import (
    AttentionPool,
    CoordinateAttention,
    SpatialGate,
    SqueezeExcitation,
)
from autospec.nets.refinement import Refinement, box_mean, guided_filter
from autospec.nets.temporal import TemporalTransformer, fourier_positions

COUNTS = {"tiny": 3_721_762, "small": 14_617_138, "v8": 126_398_050}


def small(**changes: Any) -> CNNTransformer:
    torch.manual_seed(0)
    numbers = {"widths": (4, 4, 8, 8), "embedding": 16, "depth": 2, "heads": 2} | changes
    return CNNTransformer(3, 2, CNNTransformerSizes(**numbers))


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_their_parameters(name: str) -> None:
    with torch.device("meta"):
        network = CNNTransformer(6, 1, PRESETS[name])
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(COUNTS[name], abs=10)


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (2, 3, 17, 30), (1, 5, 5, 33)])
@pytest.mark.parametrize("changes", [{}, {"deformable": False}, {"refine": True}])
def test_maps_keep_their_size(shape: tuple[int, ...], changes: dict[str, Any]) -> None:
    b, t, h, w = shape
    out = small(**changes)(torch.randn(b, t, 3, h, w))
    assert out.shape == (b, t, 2, h, w)
    assert out.isfinite().all()


@pytest.mark.parametrize(("final", "low", "high"), [("sigmoid", 0, 1), ("relu", 0, torch.inf)])
def test_final_activation_bounds_the_maps(final: str, low: float, high: float) -> None:
    out = small(final=final)(10 * torch.randn(1, 2, 3, 16, 16))
    assert low <= out.min() and out.max() <= high


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_date_that_is_not_there_changes_no_other(norm_first: bool) -> None:
    network = small(norm_first=norm_first).eval()
    x = torch.randn(2, 4, 3, 16, 20)
    present = torch.tensor([[True, True, False, True], [True, False, False, False]])
    before = network(x, present)
    x[~present] = 1e3
    torch.testing.assert_close(network(x, present)[present], before[present])


def test_a_sample_of_no_date_is_finite_with_its_gradient() -> None:
    network = small()
    out = network(torch.randn(1, 3, 3, 16, 16), torch.zeros(1, 3, dtype=torch.bool))
    out.sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert out.isfinite().all()
    assert all(g.isfinite().all() for g in gradients)


def test_every_weight_learns() -> None:
    network = small(refine=True, widths=(16, 16, 32, 32), embedding=32)
    with torch.no_grad():
        network.refinement.share.fill_(0.5)
    out = network(torch.randn(2, 3, 3, 32, 16))
    (out**2).mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # the offset of a softmax moves nothing
    assert [name for name in still if name != "pool.score.bias"] == []


def test_prediction_does_not_depend_on_the_rest_of_the_batch() -> None:
    network, x = small().eval(), torch.randn(3, 2, 3, 16, 16)
    torch.testing.assert_close(network(x)[1:2], network(x[1:2]), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("bad", [{"embedding": 20, "heads": 8}, {"dropout": 1.0}])
def test_sizes_that_do_not_fit_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        small(**bad)


def test_positions_are_sines_and_cosines() -> None:
    told = fourier_positions(torch.tensor([0, 3]), 6)
    f = torch.tensor([1.0, 10_000.0 ** (-2 / 6), 10_000.0 ** (-4 / 6)])
    wanted = torch.stack([torch.cat([(t * f).sin(), (t * f).cos()]) for t in (0.0, 3.0)])
    torch.testing.assert_close(told, wanted)


@pytest.mark.parametrize("norm_first", [True, False])
def test_a_layer_equals_torchs_own(norm_first: bool) -> None:
    torch.manual_seed(0)
    ours = TemporalTransformer(16, 1, 4, 0.0, norm_first=norm_first).eval()
    theirs = nn.TransformerEncoderLayer(
        16, 4, 64, 0.0, "gelu", batch_first=True, norm_first=norm_first
    ).eval()
    layer = ours.layers[0]
    pairs = [
        (theirs.self_attn.in_proj_weight, layer.to_qkv.weight),
        (theirs.self_attn.in_proj_bias, layer.to_qkv.bias),
        (theirs.self_attn.out_proj.weight, layer.out.weight),
        (theirs.self_attn.out_proj.bias, layer.out.bias),
        (theirs.linear1.weight, layer.wide.weight),
        (theirs.linear1.bias, layer.wide.bias),
        (theirs.linear2.weight, layer.narrow.weight),
        (theirs.linear2.bias, layer.narrow.bias),
    ]
    with torch.no_grad():
        for to, of in pairs:
            to.copy_(of)
    x, present = torch.randn(2, 5, 16), torch.ones(2, 5, dtype=torch.bool)
    present[1, 3:] = False
    wanted = theirs(x, src_key_padding_mask=~present)
    torch.testing.assert_close(layer(x, present)[present], wanted[present], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("channels", "hidden"), [(8, 4), (64, 4), (128, 8)])
def test_the_hidden_layer_is_a_sixteenth_of_the_channels(channels: int, hidden: int) -> None:
    assert SqueezeExcitation(channels).down.out_features == hidden
    assert CoordinateAttention(channels).common.out_channels == hidden


@pytest.mark.parametrize("gate", [SqueezeExcitation(8), SpatialGate(), CoordinateAttention(8)])
def test_gates_only_weigh(gate: nn.Module) -> None:
    x = torch.randn(2, 8, 5, 7)
    share = gate(x) / x
    assert ((share > 0) & (share < 1)).all()


def test_learnt_pooling_is_a_weighted_mean() -> None:
    pool, x = AttentionPool(4), torch.randn(3, 4, 5, 6)
    scores = pool.score(x).flatten(1)
    weights = torch.exp(scores) / torch.exp(scores).sum(1, keepdim=True)
    torch.testing.assert_close(pool(x), torch.einsum("np,ncp->nc", weights, x.flatten(2)))
    assert [name for name, _ in pool.named_parameters()] == ["score.weight", "score.bias"]


def test_box_means_count_cells_inside_only() -> None:
    x = torch.arange(12.0).view(1, 1, 3, 4)
    assert box_mean(x, 1)[0, 0, 0, 0] == x[0, 0, :2, :2].mean()
    torch.testing.assert_close(box_mean(torch.ones(1, 1, 4, 6), 2), torch.ones(1, 1, 4, 6))


def test_guided_filter_keeps_an_edge_of_its_guide() -> None:
    step = torch.zeros(1, 1, 8, 8)
    step[..., 4:] = 1.0
    noisy = step + 0.1 * torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    filtered = guided_filter(step, noisy)
    assert (filtered - step).abs().mean() < (noisy - step).abs().mean() / 2
    assert (box_mean(noisy, 2) - step).abs().max() > 2 * (filtered - step).abs().max()


def test_refinement_begins_at_nothing() -> None:
    x, features = torch.randn(1, 2, 6, 5), torch.randn(1, 3, 6, 5)
    torch.testing.assert_close(Refinement(2, 3)(x, features), x, atol=0, rtol=0)
