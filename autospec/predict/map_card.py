"""What the card of a model of maps says; nothing is computed here."""

from __future__ import annotations

from autospec.data.maps.times import say_step
from autospec.predict.card_text import safe, table
from autospec.predict.document import MapBundle


def map_sections(bundle: MapBundle, file_name: str) -> dict[str, list[str]]:
    """Return the sections that another model's card does not have, by their titles."""
    return {
        "What it predicts": _what(bundle),
        "The data": _data(bundle),
        "When not to trust it": _limits(bundle),
        "How to use it": _use(file_name),
        "What is inside": _inside(),
    }


def _what(bundle: MapBundle) -> list[str]:
    aims = bundle.aims
    targets = ", ".join(f"**{safe(name)}**" for name in aims.targets)
    step = say_step(bundle.step_s)
    when = (
        "of the same dates"
        if aims.horizon == 0
        else f"{_ahead(aims.horizon, step)} after each date, from that date and those before it"
    )
    static = ", ".join(safe(name) for name in bundle.static_channels)
    lines = [
        f"Maps of {targets} {when}. It looks at {aims.length} steps of {step} at once. It wants "
        f"the channels {', '.join(safe(name) for name in bundle.inputs)}"
        + (f", and without dates {static}" if static else "")
        + ". They are matched by name; cells of "
        f"{bundle.cell[0]:.6g} x {bundle.cell[1]:.6g} in units of {safe(bundle.crs[:60])} and "
        f"steps of {step} have to be the same, nothing is resampled."
    ]
    if bundle.synthetic:
        lines += ["", "**It learned from SYNTHETIC data: it knows nothing of real ones.**"]
    return lines


def _ahead(horizon: int, step: str) -> str:
    return step if horizon == 1 else f"{horizon} x {step}"


def _data(bundle: MapBundle) -> list[str]:
    scaler, names = bundle.scaler, (*bundle.inputs, *bundle.static_channels)
    ranges = [
        (safe(name), f"{low:.4g}", f"{high:.4g}", f"{mean:.4g}")
        for group, numbers in (
            (names, (scaler.low, scaler.high, scaler.mean)),
            (
                [f"{name} (target)" for name in bundle.aims.targets],
                (scaler.target_low, scaler.target_high, scaler.target_mean),
            ),
        )
        for name, low, high, mean in zip(group, *numbers, strict=True)
    ]
    return [
        f"A stack with dates from {safe(bundle.first_time)} to {safe(bundle.last_time)}; it "
        f"learned from tiles of {bundle.tile} x {bundle.tile} cells at most. What it learned from "
        "had these values:",
        "",
        *table(("layer", "lowest", "highest", "mean"), ranges),
    ]


def _limits(bundle: MapBundle) -> list[str]:
    gaps = (
        "- Where inputs lack values: it fills them with what it learned of gaps, and says nothing "
        "of how sure it is. A map has no intervals."
    )
    taught = (
        "- It was taught to say, by a value 1 % of the range below the lowest, that a target has "
        "no value: nearer to that than to the lowest value `autospec map` writes NaN. So it also "
        "says NaN where a target truly is lower than all that it learned from."
    )
    return [
        "- Beyond the values in the table above: it learned nothing there.",
        "- On layers of another sensor or unit: it takes them for the same.",
        gaps,
        *([taught] if bundle.gaps == "sentinel" else []),
    ]


def _use(file_name: str) -> list[str]:
    return [
        "```bash",
        'pip install "autospec-soil[cubes]"',
        f"autospec map --model {file_name} --stack stack.nc -o map.nc",
        "```",
        "",
        "```python",
        "import autospec",
        "",
        f'model = autospec.load_model("{file_name}")',
        'plan, maps = autospec.map_stack(model, autospec.read_stack("stack.nc"))',
        "```",
    ]


def _inside() -> list[str]:
    return [
        "The file holds the network's weights and, of the data that it learned from, the lowest "
        "and highest values and the means of the layers. It holds no map, no place but the name of "
        "the reference system, and no code; nothing in it is ever run."
    ]
