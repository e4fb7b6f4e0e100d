"""What the tests of the ONNX graph share: it, computed; its reference twin, `Runner`; and a model.

The tolerance is 1e-5 of the larger of |y| and the spread (sd) of the predictions: networks are
float32, whose numbers are 1.2e-7 apart and whose sums over some hundred inputs lose about ten of
these. What is double is held to 1e-9, for sums in another order.
"""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from autospec.data.spectra import FloatArray
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.predict.nodes import Mixture, Node
from autospec.predict.onnx_graph import onnx_model
from autospec.predict.running import Runner
from tests.predict.made_nodes import AXIS, made_kernel, made_linear, made_steps, made_values

SINGLE, DOUBLE = 1e-5, 1e-9
VALUES = made_values(24)
STEPS = made_steps()
VIEWS = (STEPS["a network's"], STEPS["a view of aligned spectra"])
SMALL = Architecture(
    conv=(ConvBlock(kernel=5, filters=4, activation="ELU"),),
    fc=(FCBlock(nodes=6, activation="ReLU"),),
)


def computed(graph: bytes, values: FloatArray) -> dict[str, FloatArray]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    out = session.run(names, {"spectra": values.astype(np.float32)})
    return dict(zip(names, out, strict=True))


def predicted(node: Node, values: FloatArray) -> FloatArray:
    return Runner().predict((node,), values)[0]


def agree(got: FloatArray, wanted: FloatArray, share: float) -> None:
    assert got.shape == wanted.shape
    assert got.dtype == np.float64
    spread = float(np.nanstd(wanted))
    np.testing.assert_allclose(got, wanted, rtol=share, atol=share * spread)


def check(node: Node, share: float, values: FloatArray | None = None) -> None:
    values = VALUES if values is None else values
    agree(
        computed(onnx_model(node, AXIS, texts={}), values)["prediction"],
        predicted(node, values),
        share,
    )


def made_mixture() -> Mixture:
    nodes = (
        made_linear(VIEWS[0]),
        made_linear(VIEWS[1], seed=1),
        made_kernel(VIEWS, linear=0.7, radial=3.0),
    )
    weights = np.array([0.5, 0.2, 0.3])
    return Mixture(names=("a", "b", "c"), nodes=nodes, weights=weights, low=12.0, high=22.0)
