"""What the card of a model of cubes says that another's does not; nothing is computed here."""

from __future__ import annotations

from autospec.predict.card_text import safe, table
from autospec.predict.document import CubeBundle

Sections = tuple[list[str], list[str], list[str], list[str], list[str], list[str]]


def cube_sections(bundle: CubeBundle, file_name: str) -> Sections:
    """Return what it predicts, the data, the domain, its limits, how to use it, what is inside."""
    return (
        _what(bundle),
        _data(bundle),
        _domain(bundle),
        _limits(bundle),
        _use(file_name),
        _inside(bundle),
    )


def _what(bundle: CubeBundle) -> list[str]:
    c, h, w, t = bundle.shape
    lines = [
        f"**{safe(bundle.target_name)}** in **{safe(bundle.target_unit) or 'no unit'}**, from "
        f"windows of {h} x {w} cells, {t} dates and {c} channels: "
        f"{', '.join(safe(name) for name in bundle.channels)}. Channels are matched by name; the "
        "window has to be the same, nothing is resampled."
    ]
    if bundle.synthetic:
        lines += ["", "**It learned from SYNTHETIC samples: it knows nothing of real ones.**"]
    return lines


def _data(bundle: CubeBundle) -> list[str]:
    lab, scaler = bundle.lab, bundle.model.scaler
    rows = [
        (safe(name), f"{mean:.4g}", f"{sd:.4g}", f"{100 * missing:.3g} %")
        for name, mean, sd, missing in zip(
            bundle.channels, scaler.mean, scaler.sd, bundle.domain.most_missing, strict=True
        )
    ]
    step = f", usually {bundle.step_days:.3g} days apart" if bundle.step_days else ""
    return [
        f"It learned from {bundle.n_train} windows, coordinates in {safe(bundle.crs)}, dates from "
        f"{safe(bundle.first_time)} to {safe(bundle.last_time)}{step}. Their lab values run from "
        f"{lab.lowest:.4g} to {lab.highest:.4g} {safe(bundle.target_unit)}, the median is "
        f"{lab.median:.4g}.",
        "",
        *table(("channel", "mean", "standard deviation", "most cells without a value"), rows),
    ]


def _domain(bundle: CubeBundle) -> list[str]:
    limits = ", ".join(
        f"{name} {limit:.3g}"
        for name, limit in zip(("Q", "T²", "nearest"), bundle.domain.limits, strict=True)
    )
    return [
        "A window is out of the domain if it is unlike those that the model learned from. Three "
        "distances say so, of each channel's mean on each date and its spread over space: Q, T² "
        f"and the distance to the nearest training window. Limits: {limits}. About 5 % of new "
        "windows of the same kind, from places as far away as a held-out fold, are out of it too; "
        "so is a window with a larger share of cells without a value than any in training."
    ]


def _limits(bundle: CubeBundle) -> list[str]:
    return [
        "- On layers of another sensor, unit, cell size or time step: it takes them for the same.",
        "- Far from all training samples: look at `in_domain`, and at a map of both.",
    ]


def _use(file_name: str) -> list[str]:
    return [
        "```bash",
        "pip install autospec-soil",
        f"autospec predict {file_name} samples.npz -o predictions.csv",
        "```",
        "",
        "```python",
        "import autospec",
        "from autospec.data.cubes.cube_files import read_cubes",
        "",
        f'model = autospec.load_model("{file_name}")',
        'found = autospec.predict(model, read_cubes("samples.npz"))',
        "found.predicted, found.lower, found.upper, found.in_domain",
        "```",
    ]


def _inside(bundle: CubeBundle) -> list[str]:
    return [
        f"The file holds the networks' weights, {bundle.calibration.n} lab values of samples that "
        "they learned from, and these samples' windows in compressed form: scores of "
        f"{len(bundle.domain.space.sd)} principal components. Pass it on only to whom you would "
        "show these. It holds no coordinates, no sample names and no code, and nothing in it is "
        "ever run."
    ]
