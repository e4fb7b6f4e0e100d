"""``autospec predict``: a kept model and a file of spectra to a file of predictions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from autospec.cli.options import (
    AxisUnitOption,
    DeviceName,
    DeviceOption,
    IdOption,
    JsonOption,
    QuantityOption,
    ReplicatesName,
)
from autospec.cli.predict_cubes import predict_cube_file, refuse_cubes, refuse_for_cubes
from autospec.cli.predict_file import Asked, Opened, draw_points, opened_file, place_columns
from autospec.cli.predict_show import PredictDisplay, Result, printed, show, show_json
from autospec.errors import EXIT_INTERRUPTED, DataError, UsageError

if TYPE_CHECKING:
    from autospec.data.onto_axis import OntoAxis
    from autospec.predict.document import ModelBundle
    from autospec.predict.points import PointKeeper
    from autospec.predict.predictions import BundleRunner
    from autospec.predict.streaming import Source, Summary

ModelArgument = Annotated[
    Path, typer.Argument(help="A model file, or a run's folder, such as runs/sweden.")
]
ScansOption = Annotated[
    ReplicatesName,
    typer.Option("--replicates", help="Predict every scan, or the mean of those of a sample."),
]
LevelOption = Annotated[
    float, typer.Option("--level", help="Share of lab values that the intervals are to hold.")
]
XOption = Annotated[
    str | None,
    typer.Option("--x", help="Column of easting or longitude, to go into the predictions."),
]
YOption = Annotated[str | None, typer.Option("--y", help="Column of northing or latitude.")]
PictureOption = Annotated[
    bool, typer.Option("--picture", help="Also draw the rows at --x and --y, as OUT-map.html.")
]


def predict(
    model: ModelArgument,
    file: Annotated[
        Path,
        typer.Argument(
            help="Spectra: CSV, Parquet, a folder of scans, or one scan. Cubes: npz, NetCDF, Zarr."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="CSV, or .parquet.", show_default="FILE-predictions.csv, here"
        ),
    ] = None,
    level: LevelOption = 0.9,
    id_column: IdOption = None,
    quantity: QuantityOption = None,
    axis_unit: AxisUnitOption = None,
    replicates: ScansOption = ReplicatesName.keep,
    device: DeviceOption = DeviceName.auto,
    x_column: XOption = None,
    y_column: YOption = None,
    picture: PictureOption = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also show which bands the predictions rest on.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Predict new samples with a kept model: intervals, domain, and what is wrong with bad rows.

    A model of spectra predicts spectra; one of cubes cubes, whose channels are matched by name. An
    earlier file of predictions of the same name is replaced; any other file is left alone.
    Examples:

    autospec predict runs/sweden scans.csv

    autospec predict model.safetensors scans.parquet -o out.parquet --level 0.8

    autospec predict runs/farm scans.csv --x easting --y northing --picture

    autospec predict runs/soc samples.npz
    """
    from autospec.data.readers import ReadOptions
    from autospec.predict.bundle import load_model
    from autospec.predict.cube_predictions import open_cube_runner
    from autospec.predict.document import CubeBundle, MapBundle
    from autospec.predict.output import influence_files, picture_file, refuse_to_lose
    from autospec.predict.points import PointKeeper
    from autospec.predict.predictions import open_runner

    target = out or Path(f"{file.resolve().stem}-predictions.csv")
    if target.suffix.lower() not in (".csv", ".parquet"):
        raise UsageError(f"-o {target}: want a name that ends in .csv or .parquet.")
    places = place_columns(x_column, y_column, picture=picture)
    bundle = load_model(model_file(model))
    if isinstance(bundle, MapBundle):
        raise UsageError(
            f"{bundle.name}: a model of maps; autospec predict is for spectra and cubes. Use "
            f"autospec map --model {model} --stack {file} -o map.nc"
        )
    beside = influence_files(target) if explain else ()
    beside = (*beside, picture_file(target)) if picture else beside
    if isinstance(bundle, CubeBundle):
        refuse_for_cubes(
            {
                "--id": id_column is not None,
                "--quantity": quantity is not None,
                "--axis-unit": axis_unit is not None,
                "--replicates": replicates is not ReplicatesName.keep,
                "--x and --y": places is not None,
                "--picture": picture,
                "--explain": explain,
            }
        )
        cube_runner = open_cube_runner(bundle, level=level, device=device.value)
        refuse_to_lose(target)
        found = predict_cube_file(cube_runner, file, target)
        show_json(found) if as_json else show(found)
        return
    refuse_cubes(bundle, file)
    runner = open_runner(bundle, level=level, device=device.value)
    refuse_to_lose(target, beside)
    options = ReadOptions(
        id_column=id_column,
        quantity=quantity.value if quantity else None,
        axis_unit=axis_unit.value if axis_unit else None,
        need_target=False,
        replicates=replicates.value,
    )
    keeper = PointKeeper() if picture else None
    asked = Asked(file=file, options=options, places=places)
    result = _predicted(runner, asked, target, keeper)
    if not as_json:  # before the influence is measured: that takes a while, and may be stopped
        show(result)
    drawn: tuple[Path, ...] = ()
    if keeper is not None:
        drawn = (draw_points(keeper, asked, result),)
    if not as_json:
        _name(drawn)
    more = _explained(runner, asked, result, drawn, as_json=as_json) if explain else ()
    if as_json:
        show_json(result, (*drawn, *more))
    else:
        _name(more)


def _name(paths: tuple[Path, ...]) -> None:
    """Print the files that were written."""
    for path in paths:
        typer.echo(printed(path))


def model_file(path: Path) -> Path:
    """Return a model file, or the recommended one of a run's folder.

    Raises
    ------
    DataError
        If the folder has none.
    """
    if not path.is_dir():
        return path
    from autospec.report.sections import MODEL_FILE

    found = path / MODEL_FILE
    if found.is_file():
        return found
    from autospec.report.jobs import TRAIN_FILE

    if (path / TRAIN_FILE).is_file():
        raise DataError(
            f"{path}: the folder of a training that kept no model. Run the same autospec train "
            "again with --keep-model, or name a run of autospec search --cube."
        )
    others = sorted(p.name for p in path.glob("*.safetensors"))
    next_step = (
        f"Name one: {', '.join(others)}."
        if others
        else "Name a run of autospec search or autospec localise that wrote one, or a model file."
    )
    raise DataError(f"{path}: there is no {MODEL_FILE} in this folder. {next_step}")


def show_next(folder: Path, what: str = "scans", file: str = "scans.csv") -> None:
    """Say how the model of a run's folder is used, if it has one, on such a file."""
    from autospec.report.sections import MODEL_FILE

    if (folder / MODEL_FILE).is_file():
        typer.echo(f"Predict new {what}: autospec predict {folder} {file}")


def _predicted(
    runner: BundleRunner, asked: Asked, target: Path, keeper: PointKeeper | None
) -> Result:
    """Read, predict and write; return what became of the file."""
    assert runner.level is not None, "the command always asks for intervals"
    with opened_file(asked) as opened:
        before = opened.told()
        onto = _announce(runner.bundle, opened, asked.file, target)
        summary = _run(runner, opened.source, onto, target, keeper)
        after = opened.told()
    return Result(
        bundle=runner.bundle,
        summary=summary,
        level=runner.level,
        notes=(*after, *onto.notes),
        late=tuple(note for note in after if note not in before),
        predictions=target,
    )


def _announce(bundle: ModelBundle, opened: Opened, file: Path, target: Path) -> OntoAxis:
    """Say beforehand what will be done, on stderr."""
    from autospec.data.findings import count
    from autospec.predict.streaming import check_source

    source = opened.source
    onto = check_source(bundle, source, file.name)
    rows = "all rows" if source.n_rows is None else count(source.n_rows, "row")
    unit = f" in {bundle.target_unit}" if bundle.target_unit else ""
    lines = [
        f"{bundle.name}: {bundle.target_name}{unit}, {rows} of {file.name} to {printed(target)}",
        *opened.told(),
        *(onto.notes or ("the file has the model's own bands",)),
    ]
    typer.echo("\n".join(lines), err=True)
    return onto


def _run(
    runner: BundleRunner, source: Source, onto: OntoAxis, target: Path, keeper: PointKeeper | None
) -> Summary:
    """Predict with a progress bar; Ctrl-C leaves no file behind."""
    from autospec.predict.streaming import predict_source, unseen

    watch = unseen if keeper is None else keeper.watch
    try:
        with PredictDisplay() as display:
            return predict_source(runner, source, onto, target, progress=display, watch=watch)
    except KeyboardInterrupt:
        typer.echo(f"autospec: stopped. {target} was not written.", err=True)
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _explained(
    runner: BundleRunner,
    asked: Asked,
    result: Result,
    before: tuple[Path, ...],
    *,
    as_json: bool,
) -> tuple[Path, ...]:
    """Measure the influence and return its files; Ctrl-C keeps what was written before."""
    from autospec.predict.explain import WINDOWS

    parts = min(WINDOWS, len(runner.bundle.axis))
    typer.echo(f"measuring the influence of {parts} parts of the spectrum ...", err=True)
    try:
        return _explain(runner, asked, result.predictions)
    except KeyboardInterrupt:
        if as_json:
            show_json(result, before)
        typer.echo(
            f"autospec: stopped. The predictions are in {printed(result.predictions)}; "
            "the influence was not written.",
            err=True,
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _explain(runner: BundleRunner, asked: Asked, target: Path) -> tuple[Path, Path]:
    """Write which bands the predictions of the first rows rest on, beside the predictions."""
    from autospec.predict.explain import explain
    from autospec.predict.output import influence_files
    from autospec.predict.streaming import check_source, first_rows
    from autospec.report.influence_page import write_influence

    with opened_file(asked) as opened:
        onto = check_source(runner.bundle, opened.source, asked.file.name)
        found = explain(runner, first_rows(opened.source, onto))
    bundle = runner.bundle
    return write_influence(
        found,
        influence_files(target)[0],
        title=f"{bundle.name} on {asked.file.name}",
        axis_unit=bundle.axis_unit,
        unit=bundle.target_unit,
    )
