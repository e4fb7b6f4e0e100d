"""``autospec cube synthesise``: a made-up stack and samples of it, to try everything on."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from autospec.errors import OutputError

STACK_FILE = "synthetic-stack.npz"
SAMPLES_FILE = "synthetic-samples.npz"


class EffectName(StrEnum):
    """What the made-up lab values follow."""

    planted = "planted"
    autocorrelated = "autocorrelated"
    none = "none"


def synthesise(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder; its synthetic-*.npz are replaced.")
    ],
    effect: Annotated[
        EffectName,
        typer.Option(
            "--effect",
            help="What the lab values follow: patterns planted in the layers, a field of its own "
            "that only neighbours tell, or nothing.",
        ),
    ] = EffectName.planted,
    n: Annotated[int, typer.Option("--n", min=1, max=100_000, help="Samples.")] = 400,
    seed: Annotated[int, typer.Option("--seed", min=0, help="The same makes the same.")] = 0,
    window: Annotated[
        int, typer.Option("--window", min=2, max=64, help="Cells along each side of a sample.")
    ] = 10,
    steps: Annotated[int, typer.Option("--steps", min=2, max=24, help="Dates of a sample.")] = 4,
    no_value: Annotated[
        float,
        typer.Option("--no-value", min=0, max=90, help="Percent of cells hidden under clouds."),
    ] = 5.0,
) -> None:
    """Make up a raster stack and samples whose law is known; nothing in them was measured.

    Examples:

    autospec cube synthesise -o made

    autospec cube synthesise -o made --effect autocorrelated --n 600
    """
    from autospec.data.cubes.cube_files import write_cubes
    from autospec.data.cubes.stack_files import write_stack
    from autospec.data.cubes.synthetic import SyntheticSettings, synthesise

    settings = SyntheticSettings(
        effect=effect.value, n=n, window=window, steps=steps, no_value_percent=no_value
    )
    stack, cubes = synthesise(settings, seed)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{out}: cannot make this folder ({error.strerror}). Pass another -o."
        ) from error
    write_stack(out / STACK_FILE, stack)
    write_cubes(out / SAMPLES_FILE, cubes)
    c, h, w, t = cubes.shape
    samples = out / SAMPLES_FILE
    leak = " --show-leakage" if effect is EffectName.autocorrelated else ""
    typer.echo(
        f"Made up, not measured: {cubes.n} samples of {c} channels, {h} x {w} cells and {t} dates "
        f"in {samples}, cut from {out / STACK_FILE}. {cubes.provenance[0]}.\n"
        f"Next: autospec cube check {samples}\n"
        f"      autospec search --cube {samples} --target soc --split blocks --buffer-km 1.2{leak}"
    )
