"""A kept model as one ONNX file: raw spectra in, predictions and their bounds out.

Preprocessing, networks, stack and CV+ intervals are inside the graph. What is not: bringing spectra
onto the model's bands, and the applicability domain. The caller writes the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import autospec
from autospec.data.spectra import FloatArray
from autospec.errors import OutputError, UsageError
from autospec.evaluate.conformal import Calibration, check_level
from autospec.predict.nodes import Node
from autospec.predict.onnx_drawing import DOUBLE, FLOAT, Drawing
from autospec.predict.onnx_nodes import View, draw_node, expm1, row_sum

if TYPE_CHECKING:
    from onnx import ModelProto

INSTALL = "pip install 'autospec-soil[onnx]'"
OPSET = 13  # the lowest where the axes of ReduceSum and Squeeze are inputs, as drawn here
IR_VERSION = 7  # the lowest that may hold it
PRODUCER = "autospec"
_HEAD_BYTES = 256
_PRODUCER_FIELD = bytes([0x12, len(PRODUCER)]) + PRODUCER.encode()  # field 2 of an ONNX file
MAX_BYTES = 2_000_000_000  # of numbers: a protobuf message ends at 2 GiB


def onnx_model(
    model: Node,
    axis: FloatArray,
    *,
    twins: tuple[Node, ...] = (),
    calibration: Calibration | None = None,
    level: float | None = None,
    texts: Mapping[str, str],
) -> bytes:
    """Return a model as the bytes of an ONNX file; equal models give equal bytes.

    The graph's input is `spectra`, float32, shape (n, b), any n: raw spectra on `axis`, in the
    model's own quantity. Its outputs are `prediction` and, with calibration and level, `lower` and
    `upper`, shape (n,), float64: that is what they are computed in. Rows with a value that is not
    finite have NaN everywhere, and spoil no other row.

    Parameters
    ----------
    model : Node
        What predicts.
    axis : float64, shape (b,)
        Bands that the model wants.
    twins : tuple of Node
        Each without one fold, in the order that `calibration.twin_of` counts; of use with it only.
    calibration : Calibration or None
        With `level`: bounds are drawn too, widened to hold the prediction.
    level : float or None
        Share of lab values that the interval is to hold, between 0 and n / (n + 1).
    texts : mapping of str to str
        Metadata, such as quantity, target, unit, and the digest of the model file; `axis` (JSON)
        and `level` are added.

    Raises
    ------
    UsageError
        If the package onnx is missing, the calibration cannot support the level, or the model is
        too large for one ONNX file.
    """
    _need_onnx()
    assert (calibration is None) == (level is None), "calibration and level, or neither"
    drawing = Drawing()
    spectra = (drawing.put("Cast", "spectra", to=DOUBLE), len(axis))
    broken = drawing.put("Mul", row_sum(drawing, spectra[0]), drawing.number(0.0))  # 0, or NaN
    outputs = {"prediction": drawing.put("Add", draw_node(drawing, model, spectra), broken)}
    words = {**texts, "axis": json.dumps(axis.tolist())}
    if calibration is not None and level is not None:
        assert max(calibration.twin_of) < len(twins), "the twins that the rows were missed by"
        rank = check_level(calibration.n, level)
        lower, upper = _cv_plus(drawing, _by_twin(drawing, twins, spectra), calibration, rank)
        outputs["lower"] = drawing.put("Min", lower, outputs["prediction"])
        outputs["upper"] = drawing.put("Max", upper, outputs["prediction"])
        words["level"] = repr(level)
    if drawing.size > MAX_BYTES:
        raise UsageError(
            f"the model holds {drawing.size / 1e9:.1f} GB of numbers; one ONNX file holds at most "
            f"{MAX_BYTES / 1e9:g} GB. Export it without intervals, or keep a smaller model."
        )
    message = _assembled(drawing, len(axis), outputs, words)
    data: bytes = message.SerializeToString(deterministic=True)
    return data


def refuse_to_lose(path: Path) -> None:
    """Refuse to write over a file unless it is an ONNX file that autospec wrote.

    Raises
    ------
    OutputError
        If another file, or a folder, is in the way.
    """
    if path.is_dir():
        raise OutputError(f"{path}: is a folder; want a file. Choose another with --onnx.")
    if path.exists() and not _is_ours(path):
        raise OutputError(
            f"{path}: exists, and autospec export did not write it; it is left as it is. "
            "Move it, or choose another name with --onnx."
        )


def _is_ours(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return _PRODUCER_FIELD in stream.read(_HEAD_BYTES)
    except OSError:
        return False


def _need_onnx() -> None:
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise UsageError(f"writing an ONNX file wants the package onnx: {INSTALL}") from error


def _by_twin(drawing: Drawing, twins: tuple[Node, ...], spectra: View) -> str:
    columns = [draw_node(drawing, twin, spectra) for twin in twins]
    return drawing.put("Concat", *columns, axis=1)


def _cv_plus(
    drawing: Drawing, by_twin: str, calibration: Calibration, rank: int
) -> tuple[str, str]:
    """Draw `autospec.evaluate.conformal.cv_plus` on predictions (m, K); return bounds (m, 1).

    The rank-th smallest of n is the last of the n − rank + 1 largest. A row that some twin has no
    number for has no bounds, as TopK sets no order for NaN.
    """
    unknown = drawing.put("IsNaN", row_sum(drawing, by_twin))
    centres = by_twin
    if calibration.log:
        held = drawing.put("Max", centres, drawing.number(0.0))
        centres = drawing.put("Log", drawing.put("Add", held, drawing.number(1.0)))
    centres = drawing.put("Gather", centres, drawing.integers(*calibration.twin_of), axis=1)
    spread = drawing.constant(calibration.residuals)
    count = calibration.n - rank + 1
    bounds = []
    for way, largest in (("Sub", 0), ("Add", 1)):
        ends = drawing.put(way, centres, spread)
        ends = drawing.put("TopK", ends, drawing.integers(count), axis=1, largest=largest)
        bound = drawing.put("Gather", ends, drawing.integers(count - 1), axis=1)
        bound = expm1(drawing, bound) if calibration.log else bound
        if float(calibration.observed.min()) >= 0:
            bound = drawing.put("Max", bound, drawing.number(0.0))
        bounds.append(drawing.put("Where", unknown, drawing.number(np.nan), bound))
    return bounds[0], bounds[1]


def _assembled(
    drawing: Drawing, bands: int, outputs: Mapping[str, str], words: Mapping[str, str]
) -> ModelProto:
    """Return the drawing as a message of ONNX, with the columns `outputs` as vectors."""
    from onnx import helper, numpy_helper

    axes = drawing.integers(1)
    operations = []
    for (kind, inputs, attributes), name in drawing.operations.items():
        names = [name, f"{name}_places"] if kind == "TopK" else [name]
        node = helper.make_node(kind, inputs, names)
        node.attribute.extend(helper.make_attribute(key, value) for key, value in attributes)
        operations.append(node)
    operations += [
        helper.make_node("Squeeze", [column, axes], [name]) for name, column in outputs.items()
    ]
    graph = helper.make_graph(
        operations,
        "autospec",
        [helper.make_tensor_value_info("spectra", FLOAT, ["n", bands])],
        [helper.make_tensor_value_info(name, DOUBLE, ["n"]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in drawing.constants.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name=PRODUCER,
        producer_version=autospec.__version__,
    )
    helper.set_model_props(model, dict(words))
    return model
