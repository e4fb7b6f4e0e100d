"""A network of maps: what arrives of a tile, what it says untrained, and its units."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autospec.data.maps.problem import MapAims
from autospec.data.maps.scaling import NO_VALUE, MapScaler
from autospec.data.maps.tiles import Tile
from autospec.nets.map_sizes import CNNTransformerSizes
from autospec.training.map_network import MapNetwork, answer, build_map_network

CPU = torch.device("cpu")
SIZES = CNNTransformerSizes(widths=(4, 4, 8, 8), embedding=16, depth=1, heads=2)
T, C, S, K, H, W = 4, 3, 2, 2, 9, 13
SCALER = MapScaler(
    low=np.array([270.0, -1.0, 0.0, 100.0, 0.0]),
    high=np.array([310.0, 1.0, 5.0, 900.0, 1.0]),
    mean=np.array([280.0, 0.5, 1.0, 300.0, 0.25]),
    target_low=np.array([270.0, -4.0]),
    target_high=np.array([310.0, 4.0]),
    target_mean=np.array([285.0, -2.0]),
    gappy=True,
)


def tile(seed: int = 0, gaps: float = 0.3) -> Tile:
    """A tile with values inside and outside the scaler's ranges, and its second slot absent."""
    rng = np.random.default_rng(seed)

    def values(shape: tuple[int, ...], low: Any, high: Any) -> Any:
        drawn = rng.uniform(-0.2, 1.2, shape) * (high - low)[:, None, None] + low[:, None, None]
        drawn[rng.random(shape) < gaps] = np.nan
        return drawn.astype(np.float32)

    present = np.ones(T, dtype=bool)
    dynamic = values((T, C, H, W), SCALER.low[:C], SCALER.high[:C])
    if gaps:
        present[1], dynamic[1] = False, np.nan
    counted = rng.random((T, H, W)) < 0.8
    target = values((T, K, H, W), SCALER.target_low, SCALER.target_high)
    return Tile(
        dynamic=dynamic,
        static=values((S, H, W), SCALER.low[C:], SCALER.high[C:]),
        present=present,
        last=values((T, K, H, W), SCALER.target_low, SCALER.target_high),
        target=np.where(counted[:, None], target, np.float32(np.nan)),
        counted=counted,
        months=rng.integers(0, 12, T),
    )


def made(horizon: int = 1, gaps: Any = "mask", gappy: bool = True, **changes: Any) -> MapNetwork:
    return build_map_network(
        replace(SIZES, **changes),
        MapAims(targets=("a", "b"), horizon=horizon, length=T),
        replace(SCALER, gappy=gappy),
        gaps,
        n_static=S,
        seed=0,
    )


def loosened(network: MapNetwork) -> MapNetwork:
    """Let the head say something."""
    with torch.no_grad():
        network.network.head.weight.normal_(generator=torch.Generator().manual_seed(1))
    return network


def test_values_are_scaled_by_the_range_of_their_channel() -> None:
    one = tile(gaps=0.0)
    batch = made(gaps="sentinel").encode([one, tile(1)])
    low, span = SCALER.low[:, None, None], (SCALER.high - SCALER.low)[:, None, None]
    wanted = (one.dynamic.astype(np.float64) - low[:C]) / span[:C]
    np.testing.assert_allclose(batch.x[0].numpy(), wanted, atol=1e-6)
    wanted = (one.static.astype(np.float64) - low[C:]) / span[C:]
    np.testing.assert_allclose(batch.static[0].numpy(), wanted, atol=1e-6)
    assert {t.dtype for t in (batch.x, batch.static, batch.base, batch.y)} == {torch.float32}


@pytest.mark.parametrize("gaps", ["mask", "sentinel"])
def test_cells_without_a_value_are_filled(gaps: str) -> None:
    one = tile()
    batch = made(gaps=gaps).encode([one])
    shares = (SCALER.mean - SCALER.low) / (SCALER.high - SCALER.low)
    for c, share in enumerate(shares[:C]):
        fill = share if gaps == "mask" else NO_VALUE
        filled = batch.x[0, :, c].numpy()[np.isnan(one.dynamic[:, c])]
        np.testing.assert_allclose(filled, fill, rtol=1e-6)
    for s, share in enumerate(shares[C:]):
        fill = share if gaps == "mask" else NO_VALUE
        filled = batch.static[0, s].numpy()[np.isnan(one.static[s])]
        np.testing.assert_allclose(filled, fill, rtol=1e-6)
    assert batch.x.isfinite().all() and batch.static.isfinite().all()


@pytest.mark.parametrize(
    ("gaps", "gappy", "channels"),
    [("mask", True, C + 1), ("mask", False, C), ("sentinel", True, C), ("sentinel", False, C)],
)
def test_one_channel_more_tells_the_share_with_a_value(
    gaps: str, gappy: bool, channels: int
) -> None:
    one = tile()
    network = made(gaps=gaps, gappy=gappy)
    x = network.encode([one]).x
    assert x.shape == (1, T, channels, H, W)
    assert network.network.inlet.conv.in_channels == channels + S
    if channels > C:
        wanted = (~np.isnan(one.dynamic)).sum(axis=1) / C
        np.testing.assert_allclose(x[0, :, C].numpy(), wanted, rtol=1e-6)


def test_targets_are_scaled_and_valid_where_they_have_a_value() -> None:
    tiles = [tile(), tile(1)]
    batch = made().encode(tiles)
    for i, one in enumerate(tiles):
        valid = ~np.isnan(one.target)
        np.testing.assert_array_equal(batch.valid[i].numpy(), valid)
        span = (SCALER.target_high - SCALER.target_low)[:, None, None]
        wanted = (one.target - SCALER.target_low[:, None, None]) / span
        np.testing.assert_allclose(batch.y[i].numpy()[valid], wanted[valid], atol=1e-6)
        np.testing.assert_array_equal(batch.counted[i].numpy(), one.counted)
        np.testing.assert_array_equal(batch.months[i].numpy(), one.months)
        np.testing.assert_array_equal(batch.present[i].numpy(), one.present)
    assert (batch.y[~batch.valid] == 0).all()


def test_a_stack_without_static_layers_has_none() -> None:
    scaler = replace(SCALER, low=SCALER.low[:C], high=SCALER.high[:C], mean=SCALER.mean[:C])
    aims = MapAims(targets=("a", "b"), horizon=1, length=T)
    network = build_map_network(SIZES, aims, scaler, "mask", n_static=0, seed=0)
    bare = replace(tile(), static=np.zeros((0, H, W), dtype=np.float32))
    assert network.encode([bare]).static is None
    assert network.predict(bare).shape == (T, K, H, W)


@pytest.mark.parametrize("final", ["none", "sigmoid", "relu"])
def test_untrained_a_forecast_of_changes_is_persistence(final: str) -> None:
    one = tile()
    mean = np.broadcast_to(SCALER.target_mean[:, None, None], one.last.shape)
    wanted = np.where(np.isnan(one.last), mean, one.last)
    np.testing.assert_allclose(made(final=final).predict(one), wanted, rtol=1e-5, atol=1e-5)


def test_untrained_a_forecast_that_was_taught_a_sentinel_says_it_where_there_was_no_value() -> None:
    one = tile()
    network = made(gaps="sentinel")
    scaled = answer(network.network, network.encode([one]))[0].detach().numpy()
    np.testing.assert_allclose(scaled[np.isnan(one.last)], NO_VALUE, atol=1e-6)


@pytest.mark.parametrize("final", ["none", "sigmoid", "relu"])
@pytest.mark.parametrize("how", [{"horizon": 0}, {"horizon": 2, "change": False}], ids=str)
def test_untrained_other_networks_say_the_mean(final: str, how: dict[str, Any]) -> None:
    predicted = made(final=final, **how).predict(tile())
    mean = np.broadcast_to(SCALER.target_mean[:, None, None], predicted.shape)
    np.testing.assert_allclose(predicted, mean, rtol=1e-5)


@pytest.mark.parametrize("final", ["sigmoid", "relu"])
def test_a_mean_at_the_end_of_its_range_leaves_the_head_a_slope(final: str) -> None:
    scaler = replace(SCALER, target_mean=SCALER.target_low)
    aims = MapAims(targets=("a", "b"), length=T)
    sizes = replace(SIZES, final=final)
    network = build_map_network(sizes, aims, scaler, "mask", n_static=S, seed=0)
    answer(network.network, network.encode([tile()])).sum().backward()
    assert network.network.head.bias.grad.min() > 0


@pytest.mark.parametrize("change", [True, False])
@pytest.mark.parametrize("horizon", [0, 1])
def test_predictions_are_answers_in_the_units_of_the_targets(change: bool, horizon: int) -> None:
    network, one = loosened(made(horizon, change=change, static_stream=False)), tile()
    batch = network.encode([one])
    network.network.eval()
    with torch.no_grad():
        out = network.network(batch.x, batch.static, batch.present)[0].double().numpy()
    if change and horizon:
        out = out + batch.base[0].double().numpy()
    span = (SCALER.target_high - SCALER.target_low)[:, None, None]
    predicted = network.predict(one)
    wanted = out * span + SCALER.target_low[:, None, None]
    np.testing.assert_allclose(predicted, wanted, rtol=1e-5, atol=1e-5)
    assert predicted.dtype == np.float32 and np.isfinite(predicted).all()


@pytest.mark.parametrize(("horizon", "causal"), [(0, False), (1, True), (3, True)])
def test_forecasts_look_at_no_later_date(horizon: int, causal: bool) -> None:
    network, one = loosened(made(horizon)), tile(gaps=0.0)
    later = one.dynamic.copy()
    later[2:] += 5.0
    moved = network.predict(one) - network.predict(replace(one, dynamic=later))
    assert (np.abs(moved[:2]).max() < 1e-4) == causal
    assert np.abs(moved[2:]).max() > 1e-3


def test_held_out_targets_are_not_looked_at() -> None:
    network, one = loosened(made(1)), tile()
    hidden = replace(
        one,
        target=np.full_like(one.target, np.nan),
        counted=np.zeros_like(one.counted),
    )
    np.testing.assert_array_equal(network.predict(one), network.predict(hidden))


def test_the_same_seed_gives_the_same_weights_and_leaves_torchs_alone() -> None:
    before = torch.random.get_rng_state()
    first, second = made().network.state_dict(), made().network.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert torch.equal(before, torch.random.get_rng_state())
