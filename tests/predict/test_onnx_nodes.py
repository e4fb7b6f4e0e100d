"""The ONNX graph says what `Runner` says, for every step, node and layer."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec.nets.architecture import Activation, Architecture, ConvBlock, FCBlock
from autospec.predict.nodes import Mixture, Msc, OnScale, Standardise, Steps, Sum, ToQuantity
from autospec.predict.onnx_graph import onnx_model
from autospec.predict.running import Runner
from tests.predict.made_bundles import bundle_of
from tests.predict.made_nodes import (
    made_kernel,
    made_linear,
    made_networks,
    made_values,
    narrowed,
    standardised,
)
from tests.predict.onnx_twin import (
    DOUBLE,
    SINGLE,
    SMALL,
    STEPS,
    VALUES,
    VIEWS,
    agree,
    check,
    computed,
    made_mixture,
    predicted,
)

ACTIVATIONS = get_args(Activation)


@pytest.mark.parametrize("steps", STEPS.values(), ids=STEPS.keys())
def test_every_step_is_drawn(steps: Steps) -> None:
    check(made_linear(steps), DOUBLE)


def test_steps_of_one_kind_are_told_apart() -> None:
    kinds = ("smoothing", "first derivative", "second derivative")
    check(Sum(terms=tuple(made_linear(STEPS[kind]) for kind in kinds)), DOUBLE)


@pytest.mark.parametrize("reflectance", [0.0, -0.2, 9e-6, 1e-5])
def test_reflectance_at_the_floor_is_absorbance_5(reflectance: float) -> None:
    values = made_values(24)
    values[:, 10] = np.float32(reflectance)
    check(made_linear(STEPS["absorbance"]), DOUBLE, values)


def test_a_sum_of_linear_models_is_drawn() -> None:
    check(Sum(terms=tuple(made_linear(view, seed=i) for i, view in enumerate(VIEWS))), DOUBLE)


@pytest.mark.parametrize(("linear", "radial"), [(0.7, 0.0), (0.0, 3.0), (0.7, 3.0), (0.0, 0.0)])
def test_a_kernel_expansion_is_drawn(linear: float, radial: float) -> None:
    check(made_kernel(VIEWS, linear=linear, radial=radial), DOUBLE)


def test_a_kernel_expansion_at_its_own_rows_is_drawn() -> None:
    check(made_kernel(VIEWS, linear=0.0, radial=3.0), DOUBLE, made_values(30, seed=5))


@pytest.mark.parametrize("site", ["china", "sweden", "usa"])
@pytest.mark.parametrize("log", [False, True])
def test_the_published_networks_are_drawn(site: str, log: bool) -> None:
    check(made_networks(narrowed(site), STEPS["a network's"], log=log), SINGLE)


@st.composite
def conv_blocks(draw: st.DrawFn) -> ConvBlock:
    return ConvBlock(
        kernel=draw(st.integers(1, 8)),
        filters=draw(st.integers(1, 5)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        padding=draw(st.sampled_from(["valid", "same"])),
        stride=draw(st.integers(1, 4)),
        pooling=draw(st.sampled_from(["none", "max", "avg"])),
        pool_size=draw(st.integers(2, 3)),
        **draw(st.sampled_from([{}, {"batch_norm": True}, {"dropout": 0.3}])),
    )


@st.composite
def fc_blocks(draw: st.DrawFn) -> FCBlock:
    return FCBlock(
        nodes=draw(st.integers(1, 9)),
        activation=draw(st.sampled_from(ACTIVATIONS)),
        **draw(st.sampled_from([{}, {"batch_norm": True}, {"dropout": 0.3}])),
    )


architectures = st.builds(
    Architecture,
    conv=st.lists(conv_blocks(), min_size=0, max_size=2).map(tuple),
    fc=st.lists(fc_blocks(), min_size=0, max_size=2).map(tuple),
    leaky_slope=st.floats(0.01, 0.5),
    bn_eps=st.floats(1e-5, 1e-1),
).filter(lambda architecture: architecture.shortfall(100) == 0)


@settings(deadline=None, max_examples=60)
@given(architecture=architectures)
def test_every_architecture_is_drawn(architecture: Architecture) -> None:
    check(made_networks(architecture, standardised(()), members=1), SINGLE)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_is_drawn(activation: Activation) -> None:
    block = FCBlock(nodes=6, activation=activation)
    check(made_networks(replace(SMALL, leaky_slope=0.3, fc=(block,)), standardised(())), SINGLE)


def test_a_network_that_runs_away_is_held_at_the_same_value() -> None:
    networks = made_networks(SMALL, standardised(()), log=True)
    wild = replace(networks, members=tuple(replace(m, sd=300.0) for m in networks.members))
    wanted = predicted(wild, VALUES)
    assert wanted.max() > 1e20  # it does: half of expm1(50), and more
    check(wild, SINGLE)


@pytest.mark.parametrize("scale", [{}, {"log": True}, {"root": True}], ids=str)
def test_another_scale_is_drawn(scale: dict[str, bool]) -> None:
    inner = OnScale(
        node=made_linear(VIEWS[0]), mean=-17.25, sd=1.0, low=0.0, high=0.0
    )  # about 0, of spread 7
    node = OnScale(node=inner, mean=2.0, sd=0.3, low=1.0, high=3.0, **scale)
    wanted = predicted(node, VALUES)
    held = (wanted == wanted.min()).sum() > 1 and (wanted == wanted.max()).sum() > 1
    assert held == bool(scale)  # between low and high on the scales that grow fast only
    check(node, DOUBLE)


def test_roots_below_nought_are_cubed_below_nought() -> None:
    inner = OnScale(node=made_linear(VIEWS[0]), mean=-17.25, sd=1.0, low=0.0, high=0.0)
    node = OnScale(node=inner, root=True, mean=0.0, sd=0.3, low=-2.0, high=3.0)
    wanted = predicted(node, VALUES)
    assert wanted.min() == -8.0 and ((wanted > -8.0) & (wanted < -0.01)).any()
    check(node, DOUBLE)


def test_a_mixture_holds_each_of_its_nodes() -> None:
    node = made_mixture()
    each = Runner().predict(node.nodes, VALUES)
    assert (each[0] < 12).any() and (each[0] > 22).any()
    check(node, DOUBLE)


def test_a_node_without_a_number_has_no_say_in_that_row_alone() -> None:
    flat = made_values(24)
    flat[[3, 7]] = 0.0
    msc = Msc(reference=made_values(20, seed=1).mean(axis=0))  # of a spectrum of zeros 0/0
    node = replace(made_mixture(), nodes=(made_linear((msc,)), *made_mixture().nodes[1:]))
    lone = replace(node, names=("a",), nodes=node.nodes[:1], weights=np.ones(1))
    snv_free = (ToQuantity(to="absorbance"), Standardise(mean=np.zeros(100), scale=np.ones(100)))
    node = replace(node, nodes=(node.nodes[0], made_linear(snv_free), made_linear(())))
    with np.errstate(invalid="ignore"):
        assert np.isnan(predicted(node.nodes[0], flat)).sum() == 2
        check(node, DOUBLE, flat)
        check(lone, DOUBLE, flat)


def test_a_whole_stack_is_drawn() -> None:
    networks = made_networks(narrowed("sweden"), STEPS["a network's"], log=True)
    mixture = made_mixture()
    scaled = OnScale(node=mixture.nodes[2], root=True, mean=2.0, sd=0.05, low=0.0, high=4.0)
    nodes = (mixture.nodes[0], networks, scaled)
    check(replace(mixture, nodes=nodes), SINGLE)


def test_auto_of_a_farm_is_drawn_with_its_roots() -> None:
    bundle = bundle_of("auto")
    assert isinstance(bundle.model, Mixture)
    scales = [part for part in bundle.model.nodes if isinstance(part, OnScale)]
    assert {part.root for part in scales} == {False, True}
    rng = np.random.default_rng(2)
    values = 0.5 + np.cumsum(rng.normal(size=(20, len(bundle.axis))), axis=1) / 100
    values = values.astype(np.float32).astype(np.float64)
    for node in (bundle.model, *scales):  # each by itself too: the mixture holds them
        graph = onnx_model(node, bundle.axis, texts={})
        agree(computed(graph, values)["prediction"], predicted(node, values), DOUBLE)
