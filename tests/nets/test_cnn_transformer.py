"""The CNN-Transformer and its parts: sizes, counts, missing dates, and what each part is."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from autospec.nets.cnn_transformer import CNNTransformer, Inlet
from autospec.nets.gates import (
    AttentionPool,
    CoordinateAttention,
    SpatialGate,
    SqueezeExcitation,
)
from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.nets.refinement import Refinement, box_mean, guided_filter
from autospec.nets.temporal import TemporalTransformer, fourier_positions

COUNTS = {"tiny": 3_721_762, "small": 14_617_138, "v8": 126_398_050}
FLAT = {"atol": 1e-5, "rtol": 1e-5}  # float32, sums in another order


def small(static: int = 0, *, causal: bool = False, **changes: Any) -> CNNTransformer:
    """A small network of three channels and two targets, whatever it has otherwise."""
    torch.manual_seed(0)
    numbers = {"widths": (4, 4, 8, 8), "embedding": 16, "depth": 2, "heads": 2} | changes
    return CNNTransformer(3, static, 2, CNNTransformerSizes(**numbers), causal=causal)


def every(b: int, t: int) -> torch.Tensor:
    return torch.ones(b, t, dtype=torch.bool)


def loosened(network: CNNTransformer) -> CNNTransformer:
    """Let what begins at 0 be as if it had learned: offsets, masks, refinement."""
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "where" in name or name == "refinement.share":
                parameter.normal_(std=0.2)
    return network


@pytest.mark.parametrize("name", PRESETS)
def test_presets_have_their_parameters(name: str) -> None:
    with torch.device("meta"):
        network = CNNTransformer(4, 2, 1, PRESETS[name], causal=True)
    assert sum(p.numel() for p in network.parameters()) == COUNTS[name]


@pytest.mark.parametrize("shape", [(1, 1, 16, 16), (2, 3, 17, 30), (1, 5, 5, 33), (1, 2, 1, 1)])
@pytest.mark.parametrize(
    "changes", [{}, {"deformable": False}, {"refine": True}, {"static_stream": False}], ids=str
)
def test_maps_keep_their_size(shape: tuple[int, ...], changes: dict[str, Any]) -> None:
    b, t, h, w = shape
    network = loosened(small(2, **changes))
    out = network(torch.randn(b, t, 3, h, w), torch.randn(b, 2, h, w), every(b, t))
    assert out.shape == (b, t, 2, h, w)
    assert out.isfinite().all()


@pytest.mark.parametrize(("final", "low", "high"), [("sigmoid", 0, 1), ("relu", 0, torch.inf)])
def test_final_activation_bounds_the_maps(final: str, low: float, high: float) -> None:
    out = small(final=final)(10 * torch.randn(1, 2, 3, 16, 16), None, every(1, 2))
    assert low <= out.min() and out.max() <= high


@pytest.mark.parametrize("shape", [(2, 3, 17, 30), (1, 4, 16, 16)])
def test_static_channels_enter_as_if_they_stood_at_every_date(shape: tuple[int, ...]) -> None:
    """Maps and gradients equal those of one convolution over channels side by side, repeated."""
    b, t, h, w = shape
    once, repeated = (loosened(small(2, dropout=0.0)) for _ in range(2))
    repeated.load_state_dict(once.state_dict())
    repeated.inlet.channels = 5  # all of them arrive as channels that change
    x, static = torch.randn(b, t, 3, h, w), torch.randn(b, 2, h, w)
    leaves = [tensor.clone().requires_grad_() for tensor in (x, static)]
    x.requires_grad_(), static.requires_grad_()
    beside = leaves[1][:, None].expand(b, t, 2, h, w)
    outs = [
        once(x, static, every(b, t)),
        repeated(torch.cat([leaves[0], beside], dim=2), None, every(b, t)),
    ]
    torch.testing.assert_close(*outs, **FLAT)
    for out in outs:
        (out**2).mean().backward()
    torch.testing.assert_close(x.grad, leaves[0].grad, **FLAT)
    torch.testing.assert_close(static.grad, leaves[1].grad, **FLAT)
    for first, second in zip(once.parameters(), repeated.parameters(), strict=True):
        torch.testing.assert_close(first.grad, second.grad, atol=1e-5, rtol=1e-3)


def test_the_inlets_gradient_is_that_of_finite_differences() -> None:
    inlet = Inlet(2, 1, 3).double()
    x = torch.randn(4, 2, 3, 4, dtype=torch.float64, requires_grad=True)
    static = torch.randn(2, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(inlet, (x, static))


def test_late_static_channels_change_the_maps_of_every_date() -> None:
    network = small(2, static_stream=False)
    x, static = torch.randn(1, 3, 3, 16, 16), torch.randn(1, 2, 16, 16)
    moved = network(x, static, every(1, 3)) - network(x, static + 1.0, every(1, 3))
    assert (moved.abs().amax(dim=(0, 2, 3, 4)) > 0).all()


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("causal", [True, False])
def test_a_date_that_is_not_there_changes_no_other(norm_first: bool, causal: bool) -> None:
    network = small(norm_first=norm_first, causal=causal).eval()
    x = torch.randn(2, 4, 3, 16, 20)
    present = torch.tensor([[True, True, False, True], [True, False, False, False]])
    before = network(x, None, present)
    x[~present] = 1e3
    torch.testing.assert_close(network(x, None, present)[present], before[present])


@pytest.mark.parametrize("causal", [True, False])
def test_a_date_that_is_not_there_is_told_by_the_others(causal: bool) -> None:
    network = small(causal=causal).eval()
    x, present = torch.randn(1, 3, 3, 16, 16), torch.tensor([[True, False, True]])
    before = network(x, None, present)[:, 1]
    x[:, 0] += 1.0
    assert (network(x, None, present)[:, 1] - before).abs().max() > 1e-6


@pytest.mark.parametrize("norm_first", [True, False])
@pytest.mark.parametrize("absent", [(), (0,), (1, 3), (2, 3, 4)])
@pytest.mark.parametrize("slot", [1, 3])
def test_causal_maps_are_told_by_no_later_date(
    norm_first: bool, absent: tuple[int, ...], slot: int
) -> None:
    network = loosened(small(2, causal=True, norm_first=norm_first)).eval()
    x, static, present = torch.randn(2, 5, 3, 16, 20), torch.randn(2, 2, 16, 20), every(2, 5)
    present[:, list(absent)] = False
    before = network(x, static, present)
    x[:, slot:] += torch.randn_like(x[:, slot:])
    present[:, slot:] = ~present[:, slot:]
    after = network(x, static, present)
    torch.testing.assert_close(after[:, :slot], before[:, :slot], atol=1e-6, rtol=1e-6)
    assert (after[:, slot:] - before[:, slot:]).abs().amax(dim=(0, 2, 3, 4)).min() > 1e-4


def test_a_causal_sequence_cut_short_says_the_same() -> None:
    network = small(causal=True).eval()
    x = torch.randn(1, 5, 3, 16, 16)
    torch.testing.assert_close(
        network(x[:, :2], None, every(1, 2)), network(x, None, every(1, 5))[:, :2], **FLAT
    )


@pytest.mark.parametrize("causal", [True, False])
def test_a_sample_of_no_date_is_finite_with_its_gradient(causal: bool) -> None:
    network = small(causal=causal)
    out = network(torch.randn(1, 3, 3, 16, 16), None, ~every(1, 3))
    out.sum().backward()
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    assert out.isfinite().all()
    assert all(g.isfinite().all() for g in gradients)


@pytest.mark.parametrize("static_stream", [True, False])
def test_every_weight_learns(static_stream: bool) -> None:
    wide = {"widths": (16, 16, 32, 32), "embedding": 32}
    network = small(2, refine=True, static_stream=static_stream, **wide)
    with torch.no_grad():
        network.refinement.share.fill_(0.5)
    out = network(torch.randn(2, 3, 3, 32, 16), torch.randn(2, 2, 32, 16), every(2, 3))
    (out**2).mean().backward()
    still = [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    # the offset of a softmax moves nothing
    assert [name for name in still if name != "pool.score.bias"] == []


def test_prediction_does_not_depend_on_the_rest_of_the_batch() -> None:
    network, x = small(2).eval(), torch.randn(3, 2, 3, 16, 16)
    static = torch.randn(3, 2, 16, 16)
    alone = network(x[1:2], static[1:2], every(1, 2))
    torch.testing.assert_close(network(x, static, every(3, 2))[1:2], alone, **FLAT)


def test_half_precision_says_nearly_the_same() -> None:
    network = loosened(small(2)).eval()
    case = torch.randn(1, 3, 3, 20, 16), torch.randn(1, 2, 20, 16), every(1, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = network(*case)
    exact = network(*case)
    assert (mixed.float() - exact).abs().max() < 0.1 * exact.abs().max()


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
@pytest.mark.parametrize("causal", [True, False])
def test_a_layer_equals_torchs_own(norm_first: bool, causal: bool) -> None:
    torch.manual_seed(0)
    ours = TemporalTransformer(16, 1, 4, 0.0, norm_first=norm_first, causal=causal).eval()
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
    mask = torch.full((5, 5), -torch.inf).triu(1) if causal else None
    padding = torch.zeros(2, 5).masked_fill(~present, -torch.inf)
    wanted = theirs(x, mask, src_key_padding_mask=padding)
    torch.testing.assert_close(layer(x, ours._seen(present))[present], wanted[present], **FLAT)


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
