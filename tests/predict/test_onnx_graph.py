"""The ONNX file: bounds by CV+, any number of rows, what it says of itself, and what is refused."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import autospec
from autospec.data.spectra import FloatArray
from autospec.data.tensors import tensor_name
from autospec.errors import OutputError, UsageError
from autospec.evaluate.conformal import Calibration, cv_plus
from autospec.nets.architecture import ConvBlock
from autospec.predict import onnx_graph
from autospec.predict.nodes import Linear, Mixture, Msc, Node
from autospec.predict.onnx_graph import onnx_model, refuse_to_lose
from autospec.predict.running import Runner
from tests.predict.made_nodes import (
    AXIS,
    made_linear,
    made_networks,
    made_steps,
    made_values,
    narrowed,
)
from tests.predict.onnx_twin import (
    DOUBLE,
    SINGLE,
    SMALL,
    STEPS,
    VALUES,
    VIEWS,
    agree,
    computed,
    made_mixture,
    predicted,
)


def made_calibration(n: int, twins: int, *, log: bool, low: float = 8.0) -> Calibration:
    rng = np.random.default_rng(8)
    observed = rng.uniform(low, 30.0, n)
    return Calibration(
        observed=observed,
        out_of_fold=observed + rng.normal(0, 2.0, n),
        twin_of=tuple(int(t) for t in rng.integers(0, twins, n)),
        log=log,
    )


def made_twins(count: int = 3) -> tuple[Node, ...]:
    """Twins that differ, one of them below 0 now and then."""
    twins = [made_linear(VIEWS[0], seed=seed) for seed in range(count)]
    return (replace(twins[0], intercept=1.0), *twins[1:])


@cache
def by_runner() -> tuple[FloatArray, FloatArray]:
    """Predictions of VALUES by the mixture, and by each twin."""
    return predicted(made_mixture(), VALUES), Runner().predict(made_twins(), VALUES)


@settings(deadline=None, max_examples=40)
@given(
    n=st.integers(1, 60),
    share=st.floats(0.02, 1.0),
    log=st.booleans(),
    low=st.sampled_from([-5.0, 8.0]),
)
def test_bounds_are_those_of_cv_plus(n: int, share: float, log: bool, low: float) -> None:
    calibration, level = made_calibration(n, 3, log=log, low=low), share * n / (n + 1)
    bounded: dict[str, Any] = {"twins": made_twins(), "calibration": calibration, "level": level}
    got = computed(onnx_model(made_mixture(), AXIS, **bounded, texts={}), VALUES)
    prediction, by_twin = by_runner()
    lower, upper = cv_plus(calibration, by_twin, level)
    agree(got["prediction"], prediction, DOUBLE)
    agree(got["lower"], np.minimum(lower, prediction), DOUBLE)
    agree(got["upper"], np.maximum(upper, prediction), DOUBLE)
    assert (got["lower"] <= got["prediction"]).all() and (got["prediction"] <= got["upper"]).all()


def test_the_cases_of_the_bounds_occur() -> None:
    """What the test above compares: bounds held at 0, and bounds widened to the prediction."""
    prediction, by_twin = by_runner()
    lower, _ = cv_plus(made_calibration(40, 3, log=False), by_twin, 0.9)
    narrow, _ = cv_plus(made_calibration(40, 3, log=False), by_twin, 0.1)
    assert (lower == 0).any()
    assert (narrow > prediction).any()


def a_graph(**changes: Any) -> bytes:
    given: dict[str, Any] = {
        "twins": made_twins(),
        "calibration": made_calibration(40, 3, log=True),
        "level": 0.9,
        "texts": {"quantity": "reflectance", "target": "soc", "unit": "g/kg", "sha256": "ab"},
    }
    return onnx_model(made_mixture(), AXIS, **(given | changes))


@pytest.mark.parametrize("n", [0, 1, 2, 500])
def test_any_number_of_rows_goes_through_one_graph(n: int) -> None:
    values, graph = made_values(500), a_graph()
    whole, some = computed(graph, values), computed(graph, values[:n])
    for name, all_rows in whole.items():
        agree(np.append(some[name], all_rows), np.append(all_rows[:n], all_rows), DOUBLE)


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("pooling", ["none", "max"])
def test_a_row_that_is_not_finite_has_nan_and_spoils_no_other(broken: float, pooling: str) -> None:
    block = ConvBlock(kernel=3, filters=4, activation="ReLU", pooling=pooling)  # type: ignore[arg-type]
    networks = made_networks(replace(SMALL, conv=(block,)))
    calibration = made_calibration(40, 1, log=False)
    options: dict[str, Any] = {"calibration": calibration, "level": 0.9, "texts": {}}
    values = made_values(8)
    graph = onnx_model(networks, AXIS, twins=(networks,), **options)
    whole = computed(graph, values)
    values[2, 50] = broken
    got = computed(graph, values)
    others = np.arange(8) != 2
    for name in ("prediction", "lower", "upper"):
        assert np.isnan(got[name][2])
        agree(got[name][others], whole[name][others], SINGLE)


def test_a_row_that_a_twin_has_no_number_for_has_no_bounds() -> None:
    msc = Msc(reference=made_values(20, seed=1).mean(axis=0))
    twins = (made_linear(()), made_linear((msc,)), made_linear(()))
    values = made_values(8)
    values[5] = 0.5  # flat
    got = computed(onnx_model(made_linear(()), AXIS, twins=twins, **some_bounds()), values)
    assert np.isfinite(got["prediction"]).all()
    assert np.flatnonzero(np.isnan(got["lower"])).tolist() == [5]
    assert np.flatnonzero(np.isnan(got["upper"])).tolist() == [5]


def some_bounds() -> dict[str, Any]:
    return {"calibration": made_calibration(40, 3, log=False), "level": 0.9, "texts": {}}


def test_onnx_itself_accepts_the_graph() -> None:
    networks = made_networks(narrowed("sweden"), STEPS["a network's"])
    node = replace(made_mixture(), nodes=(made_linear(()), networks, made_mixture().nodes[2]))
    model = onnx.load_model_from_string(onnx_model(node, AXIS, twins=(node,) * 3, **some_bounds()))
    onnx.checker.check_model(model, full_check=True)
    assert (model.opset_import[0].version, model.ir_version) == (13, 7)


def test_the_file_says_what_it_is() -> None:
    model = onnx.load_model_from_string(a_graph())
    words = {entry.key: entry.value for entry in model.metadata_props}
    assert json.loads(words.pop("axis")) == AXIS.tolist()
    assert words == {
        "quantity": "reflectance",
        "target": "soc",
        "unit": "g/kg",
        "sha256": "ab",
        "level": "0.9",
    }
    assert (model.producer_name, model.producer_version) == ("autospec", autospec.__version__)


def test_only_an_earlier_export_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "soc.onnx"
    refuse_to_lose(path)
    path.write_bytes(a_graph())
    refuse_to_lose(path)
    other = onnx.load_model_from_string(a_graph())
    other.producer_name = "another"
    for content in (other.SerializeToString(), b"autospec notes", b""):
        path.write_bytes(content)
        with pytest.raises(OutputError, match="left as it is"):
            refuse_to_lose(path)
    with pytest.raises(OutputError, match="is a folder"):
        refuse_to_lose(tmp_path)


def test_without_calibration_there_are_no_bounds() -> None:
    graph = a_graph(calibration=None, level=None)
    assert list(computed(graph, made_values(2))) == ["prediction"]
    words = {entry.key for entry in onnx.load_model_from_string(graph).metadata_props}
    assert "level" not in words


def test_equal_models_give_equal_bytes() -> None:
    assert a_graph() == a_graph()


def test_numbers_are_kept_once_and_named_by_their_content() -> None:
    model = onnx.load_model_from_string(a_graph())
    names = [tensor.name for tensor in model.graph.initializer]
    assert len(set(names)) == len(names)
    kept = [tensor_name(onnx.numpy_helper.to_array(t)) for t in model.graph.initializer]
    assert kept == names


def test_what_nodes_begin_with_is_drawn_once() -> None:
    """Steps equal in content, not identity: as they come from a file, twin by twin."""

    def counts(members: int) -> dict[str, int]:
        nodes = tuple(made_linear(made_steps()["a network's"], seed=i) for i in range(members))
        mixture = Mixture(
            names=tuple("abcdefghijkl"[:members]),
            nodes=nodes,
            weights=np.full(members, 1 / members),
            low=0.0,
            high=50.0,
        )
        twins = tuple(replace(mixture, high=60.0 + i) for i in range(3))
        model = onnx.load_model_from_string(onnx_model(mixture, AXIS, twins=twins, **some_bounds()))
        kinds = [operation.op_type for operation in model.graph.node]
        return {kind: kinds.count(kind) for kind in ("Log", "Sqrt", "MatMul")}

    assert counts(1) == {"Log": 1, "Sqrt": 1, "MatMul": 3}  # average, filter, coefficients
    assert counts(11) == {"Log": 1, "Sqrt": 1, "MatMul": 13}


def test_a_level_that_the_rows_cannot_support_is_refused() -> None:
    with pytest.raises(UsageError, match="at least 19 calibration rows; this model has 12"):
        a_graph(calibration=made_calibration(12, 3, log=False), level=0.95)


def test_a_model_too_large_for_one_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", 1000)
    with pytest.raises(UsageError, match="GB of numbers; one ONNX file holds at most"):
        a_graph()


def test_without_onnx_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(UsageError, match=re.escape("pip install 'autospec-soil[onnx]'")):
        a_graph()


def test_the_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (Path(__file__).parents[2] / "docs" / "onnx.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    (tmp_path / "soc.onnx").write_bytes(a_graph())
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"spectra": made_values(5)}
    exec(compile(block, "onnx.md", "exec"), names)
    assert names["prediction"].shape == names["lower"].shape == names["upper"].shape == (5,)
    assert names["axis"].tolist() == AXIS.tolist()


def test_a_linear_model_by_hand() -> None:
    """Not the twin's word for it: 3 + x · (1, 0, ..., 0), and its bounds ± the largest residual."""
    node = Linear(steps=(), coefficients=np.eye(100)[0], intercept=3.0)
    calibration = Calibration(
        observed=np.array([1.0, 2.0, 3.0]),
        out_of_fold=np.array([1.5, 2.0, 2.0]),
        twin_of=(0, 0, 0),
        log=False,
    )
    graph = onnx_model(node, AXIS, twins=(node,), calibration=calibration, level=0.75, texts={})
    values = np.zeros((2, 100))
    values[:, 0] = (0.25, 0.5)
    got = computed(graph, values)
    assert got["prediction"].tolist() == [3.25, 3.5]
    assert got["lower"].tolist() == [2.25, 2.5]
    assert got["upper"].tolist() == [4.25, 4.5]
