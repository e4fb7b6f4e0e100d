"""``autospec export``: a kept model as a file of another program."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from autospec.cli.predict import ModelArgument, model_file
from autospec.errors import UsageError


def export(
    model: ModelArgument,
    onnx: Annotated[Path, typer.Option("--onnx", help="Write the model to this .onnx file.")],
    level: Annotated[
        float | None,
        typer.Option("--level", help="Also bounds that hold this share of lab values."),
    ] = None,
) -> None:
    """Write a kept model as ONNX, preprocessing inside; it wants the extra: onnx.

    The domain and the alignment of wavelengths stay behind. An earlier export of the same name is
    replaced; any other file is left alone. Example:

    autospec export runs/sweden --onnx sweden.onnx --level 0.9
    """
    from autospec.data.writing import write_bytes
    from autospec.predict.bundle import load_model
    from autospec.predict.document import CubeBundle, MapBundle
    from autospec.predict.document_text import document_digest
    from autospec.predict.onnx_graph import onnx_model, refuse_to_lose

    if onnx.suffix.lower() != ".onnx":
        raise UsageError(f"--onnx {onnx}: want a name that ends in .onnx.")
    refuse_to_lose(onnx)
    bundle = load_model(model_file(model))
    if isinstance(bundle, CubeBundle):
        raise UsageError(
            f"{bundle.name}: a model of cubes is not exported as ONNX, only one of spectra is. "
            "Predict with it: autospec predict, or autospec.predict in Python."
        )
    if isinstance(bundle, MapBundle):
        raise UsageError(
            f"{bundle.name}: a model of maps is not exported as ONNX, only one of spectra is. "
            f"Make a map with it: autospec map --model {model} --stack STACK -o map.nc"
        )
    content = onnx_model(
        bundle.model,
        bundle.axis,
        twins=bundle.twins if level is not None else (),
        calibration=None if level is None else bundle.calibration,
        level=level,
        texts={
            "name": bundle.name,
            "axis_unit": bundle.axis_unit,
            "quantity": bundle.quantity,
            "target": bundle.target_name,
            "unit": bundle.target_unit,
            "sha256": document_digest(bundle),
        },
    )
    write_bytes(onnx, content)
    typer.echo(onnx)
