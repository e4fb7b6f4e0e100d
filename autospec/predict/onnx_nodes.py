"""Steps and nodes of a kept model as operations of ONNX: what `running` computes, drawn.

Statistics are double, networks float32, as in `autospec.predict.running`. onnxruntime's CPU has no
double kernel for Conv and Mean: linear filters along the bands (averaging, resampling, Savitzky–
Golay) are one matrix each, found by applying them to the identity, and means are sums divided. Its
optimiser puts a number that multiplies beside a double MatMul into a float32 attribute: such
numbers are vectors here. Predictions are columns, shape (n, 1), throughout.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from autospec.data.preprocess import REFLECTANCE_FLOOR
from autospec.data.tensors import tensor_name
from autospec.nets.build import SeededDropout
from autospec.predict.nodes import (
    Average,
    KernelExpansion,
    Linear,
    Mixture,
    Msc,
    Networks,
    NetworkWeights,
    Node,
    OnScale,
    Resample,
    Savgol,
    Snv,
    Step,
    Steps,
    Sum,
    ToQuantity,
)
from autospec.predict.onnx_drawing import DOUBLE, FLOAT, Drawing
from autospec.predict.running import build_members, make_transform
from autospec.training.target_scale import LARGEST_LOG

View = tuple[str, int]  # name of spectra in the graph, and how many bands they have


def draw_node(drawing: Drawing, node: Node, spectra: View) -> str:
    """Draw a node on raw spectra (n, b), double; return the name of its predictions (n, 1)."""
    if isinstance(node, Linear):
        x, _ = draw_steps(drawing, node.steps, spectra)
        product = drawing.put("MatMul", x, drawing.constant(node.coefficients[:, None]))
        return drawing.put("Add", product, drawing.number(node.intercept))
    if isinstance(node, Sum):
        return drawing.put("Sum", *(draw_node(drawing, term, spectra) for term in node.terms))
    if isinstance(node, KernelExpansion):
        return _kernel(drawing, node, spectra)
    if isinstance(node, Networks):
        return _networks(drawing, node, spectra)
    if isinstance(node, OnScale):
        y = _scaled(drawing, draw_node(drawing, node.node, spectra), node)
        if not (node.log or node.root):
            return y
        y = drawing.put("Clip", y, drawing.number(node.low), drawing.number(node.high))
        return cube(drawing, y) if node.root else expm1(drawing, y)
    return _mixture(drawing, node, spectra)


def draw_steps(drawing: Drawing, steps: Steps, spectra: View) -> View:
    """Draw steps on spectra (n, b), double; return what leaves them."""
    for step in steps:
        spectra = _step(drawing, step, spectra)
    return spectra


def row_sum(drawing: Drawing, x: str) -> str:
    """Draw the sum of each row of (n, k), shape (n, 1)."""
    return drawing.put("ReduceSum", x, drawing.integers(1), keepdims=1)


def cube(drawing: Drawing, x: str) -> str:
    """Draw x³."""
    return drawing.put("Mul", drawing.put("Mul", x, x), x)


def expm1(drawing: Drawing, x: str) -> str:
    """Draw exp(x) − 1, which ONNX has no word for."""
    return drawing.put("Sub", drawing.put("Exp", x), drawing.number(1.0))


def _step(drawing: Drawing, step: Step, spectra: View) -> View:
    x, bands = spectra
    if isinstance(step, ToQuantity):
        if step.to == "reflectance":
            powers = drawing.put("Mul", x, _along(drawing, -math.log(10), bands))
            return drawing.put("Exp", powers), bands
        logs = drawing.put("Log", drawing.put("Max", x, drawing.number(REFLECTANCE_FLOOR)))
        return drawing.put("Mul", logs, _along(drawing, -1 / math.log(10), bands)), bands
    if isinstance(step, Average | Resample | Savgol):
        matrix = _matrix(drawing, step, bands)
        return drawing.put("MatMul", x, matrix), drawing.constants[matrix].shape[1]
    if isinstance(step, Snv):
        centred = _centred(drawing, x)
        squares = drawing.put("Mul", centred, centred)
        variance = drawing.put("ReduceMean", squares, axes=(1,), keepdims=1)
        return drawing.put("Div", centred, drawing.put("Sqrt", variance)), bands
    if isinstance(step, Msc):
        reference = step.reference - step.reference.mean()
        weights = drawing.constant((reference / (reference @ reference))[:, None])
        centred = _centred(drawing, x)
        upright = drawing.put("Div", centred, drawing.put("MatMul", centred, weights))
        return drawing.put("Add", upright, drawing.number(float(step.reference.mean()))), bands
    centred = drawing.put("Sub", x, drawing.constant(step.mean))
    return drawing.put("Div", centred, drawing.constant(step.scale)), bands


def _along(drawing: Drawing, value: float, bands: int) -> str:
    """Keep a factor once a band, so that no optimiser makes it a float32 attribute of a MatMul."""
    return drawing.constant(np.full(bands, value))


def _centred(drawing: Drawing, x: str) -> str:
    return drawing.put("Sub", x, drawing.put("ReduceMean", x, axes=(1,), keepdims=1))


def _matrix(drawing: Drawing, step: Average | Resample | Savgol, bands: int) -> str:
    """Return the name of the matrix (b, b') of a linear step."""
    values = (getattr(step, name) for name in step.__slots__)
    key = (bands, *(tensor_name(v) if isinstance(v, np.ndarray) else v for v in values))
    if key not in drawing.matrices:
        drawing.matrices[key] = drawing.constant(make_transform(step)(np.eye(bands)))
    return drawing.matrices[key]


def _kernel(drawing: Drawing, node: KernelExpansion, spectra: View) -> str:
    views = [draw_steps(drawing, view, spectra)[0] for view in node.views]
    x = drawing.put("Concat", *views, axis=1)
    x = drawing.put("Div", x, _along(drawing, node.divisor, node.x.shape[1]))
    terms = [drawing.number(node.intercept)]
    if node.linear or not node.radial:  # of neither, a column all the same
        coefficients = node.linear * (node.weights @ node.x)
        terms.append(drawing.put("MatMul", x, drawing.constant(coefficients[:, None])))
    if node.radial:
        own = row_sum(drawing, drawing.put("Mul", x, x))
        theirs = drawing.constant(np.sum(node.x**2, axis=1))
        cross = drawing.put("Gemm", x, drawing.constant(node.x), theirs, alpha=-2.0, transB=1)
        squared = drawing.put("Max", drawing.put("Add", cross, own), drawing.number(0.0))
        near = drawing.put("Exp", drawing.put("Div", squared, drawing.number(-2 * node.length**2)))
        weights = drawing.constant((node.radial * node.weights)[:, None])
        terms.append(drawing.put("MatMul", near, weights))
    return drawing.put("Sum", *terms)


def _mixture(drawing: Drawing, node: Mixture, spectra: View) -> str:
    columns = [draw_node(drawing, part, spectra) for part in node.nodes]
    each = drawing.put("Concat", *columns, axis=1)
    unknown = drawing.put("IsNaN", each)
    held = drawing.put("Clip", each, drawing.number(node.low), drawing.number(node.high))
    zero = drawing.number(0.0)
    held = drawing.put("Where", unknown, zero, held)
    say = drawing.put("Where", unknown, zero, drawing.constant(node.weights))
    total = row_sum(drawing, drawing.put("Mul", held, say))
    return drawing.put("Div", total, row_sum(drawing, say))


def _networks(drawing: Drawing, node: Networks, spectra: View) -> str:
    x, bands = draw_steps(drawing, node.steps, spectra)
    assert bands == node.bands, f"{bands} bands arrive; the networks want {node.bands}"
    x = drawing.put("Cast", x, to=FLOAT)  # float64 in statistics, float32 in networks
    x = drawing.put("Unsqueeze", x, drawing.integers(1))
    members = build_members(node, torch.device("cpu"))
    columns = []
    for member, weights in zip(members, node.members, strict=True):
        z = x
        for layer in member.network:
            z = _layer(drawing, layer, z)
        y = _scaled(drawing, drawing.put("Cast", z, to=DOUBLE), weights)
        if weights.log:
            y = expm1(drawing, drawing.put("Min", y, drawing.number(LARGEST_LOG)))
        columns.append(y)
    return drawing.put("Div", drawing.put("Sum", *columns), drawing.number(float(len(columns))))


def _scaled(drawing: Drawing, z: str, scale: OnScale | NetworkWeights) -> str:
    y = drawing.put("Mul", z, drawing.number(scale.sd))
    return drawing.put("Add", y, drawing.number(scale.mean))


def _layer(drawing: Drawing, layer: nn.Module, x: str) -> str:
    """Draw a layer as it is when nothing is trained."""
    if isinstance(layer, SeededDropout):
        return x
    if isinstance(layer, nn.ConstantPad1d):
        left, right = layer.padding
        return drawing.put("Pad", x, drawing.integers(0, 0, left, 0, 0, right))
    if isinstance(layer, nn.Conv1d):
        return drawing.put("Conv", x, *_weights(drawing, layer), strides=layer.stride)
    if isinstance(layer, nn.BatchNorm1d):
        statistics = (layer.running_mean, layer.running_var)
        learnt = [drawing.constant(t.numpy()) for t in statistics if t is not None]
        inputs = (*_weights(drawing, layer), *learnt)
        return drawing.put("BatchNormalization", x, *inputs, epsilon=layer.eps)
    if isinstance(layer, nn.MaxPool1d | nn.AvgPool1d):
        kind = "MaxPool" if isinstance(layer, nn.MaxPool1d) else "AveragePool"
        (size,) = np.ravel(layer.kernel_size).tolist()
        return drawing.put(kind, x, kernel_shape=(size,), strides=(size,))
    if isinstance(layer, nn.Flatten):
        return drawing.put("Flatten", x, axis=1)
    if isinstance(layer, nn.Linear):
        return drawing.put("Gemm", x, *_weights(drawing, layer), transB=1)
    return _activation(drawing, layer, x)


def _activation(drawing: Drawing, layer: nn.Module, x: str) -> str:
    if isinstance(layer, nn.ReLU):
        return drawing.put("Relu", x)
    if isinstance(layer, nn.LeakyReLU):
        return drawing.put("LeakyRelu", x, alpha=layer.negative_slope)
    if isinstance(layer, nn.ELU):
        return drawing.put("Elu", x, alpha=layer.alpha)
    if isinstance(layer, nn.SELU):
        return drawing.put("Selu", x)
    assert isinstance(layer, nn.SiLU), f"no word of ONNX for {type(layer).__name__}"
    return drawing.put("Mul", x, drawing.put("Sigmoid", x))


def _weights(drawing: Drawing, layer: nn.Conv1d | nn.Linear | nn.BatchNorm1d) -> tuple[str, str]:
    assert layer.bias is not None, "every layer of `build_network` has a bias"
    weight, bias = layer.weight.detach().numpy(), layer.bias.detach().numpy()
    return drawing.constant(weight), drawing.constant(bias)
