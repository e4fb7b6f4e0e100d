"""Numbers and designs in words, for tables, figures and the page; no HTML structure here."""

from __future__ import annotations

import html
import json
from dataclasses import asdict
from typing import Any

from autospec.data.spectra import AxisUnit
from autospec.evaluate.metrics import Estimate
from autospec.report.views import M, ModelsView, TargetView
from autospec.search.cubes.settings import CubeSettings
from autospec.search.result import SearchResult, Stopped, TrialRecord
from autospec.search.settings import SearchSettings
from autospec.training.config import TrainingConfig

MINUS = "−"
MISSING = "–"
UNIT_SIGNS: dict[AxisUnit, str] = {"nm": "nm", "cm-1": "cm⁻¹"}
STOPPED: dict[Stopped, str] = {
    "trials": "all trials were run",
    "budget": "the time budget ran out",
    "interrupt": "it was interrupted",
    "proposals": "no new designs were proposed",
}
_TRANSFORMS = {
    "none": "lab values as they are",
    "log1p": "standardised log(1 + y)",
    "z-score": "standardised lab values",
}
_LOSSES = {"mse": "", "l1": ", by the mean absolute error", "huber": ", by Huber's loss"}


def escape(text: object) -> str:
    """Return `text` safe between HTML tags, in quoted attributes and in Plotly's labels."""
    return html.escape(str(text), quote=True)


def number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` significant digits and a true minus sign; None as a dash.

    Digits before the point are never rounded away, trailing zeros are kept so that 9.70 and 12.3
    stand beside each other, and nothing below 0.00005 is told from 0.
    """
    if value is None:
        return MISSING
    rounded = float(f"{value:.{digits - 1}e}")
    magnitude = 0 if rounded == 0 else int(f"{abs(rounded):e}".split("e")[1])
    text = f"{value:.{min(max(digits - 1 - magnitude, 0), 4)}f}"
    if float(text) == 0:
        return "0"
    return text.replace("-", MINUS)


def measured(value: float | None, like: float | None = None) -> str:
    """Return a number in a unit that may be of any size: 0.144, 2.31e−5; None as a dash.

    Parameters
    ----------
    value : float or None
    like : float, optional
        What it is read beside: where that is below 0.001, all have powers of ten. `value` itself
        by default.
    """
    scale = value if like is None else like
    if value is None or value == 0 or scale is None or not 0 < abs(scale) < 1e-3:
        return number(value)
    mantissa, power = f"{value:.2e}".split("e")
    return f"{mantissa}e{int(power)}".replace("-", MINUS)


def signed(percent: float, digits: int = 1) -> str:
    """Return a percentage with its sign: +13.2, −4.0, −174, 0.

    Parameters
    ----------
    percent : float
        What to write.
    digits : int
        After the point; none from 100 on.
    """
    text = f"{percent:+.{digits if abs(percent) < 99.95 else 0}f}"
    return "0" if float(text) == 0 else text.replace("-", MINUS)


def count(value: int | None) -> str:
    """Return a whole number with thin spaces between thousands; None as a dash."""
    return MISSING if value is None else f"{value:,}".replace(",", "\u202f")


def size(value: int | None) -> str:
    """Return a large count in short: 553 k, 3.48 M."""
    if value is None:
        return MISSING
    for factor, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= factor:
            return f"{number(value / factor)}\u202f{sign}"
    return str(value)


def measured_interval(estimate: Estimate, like: float | None = None) -> str:
    """Return "2.31e−5 to 2.40e−5" as `measured`, or an empty string if there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    like = estimate.value if like is None else like
    return f"{measured(estimate.low, like)} to {measured(estimate.high, like)}"


def interval(estimate: Estimate, digits: int = 3) -> str:
    """Return "9.1 to 12.0", or an empty string if there is no interval."""
    if estimate.low is None or estimate.high is None:
        return ""
    return f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"


def duration(seconds: float) -> str:
    """Return seconds as "48 s", "5 min 3 s" or "2 h 10 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def target_label(data: TargetView) -> str:
    """Return the target with its unit, such as "SOC (g/kg)"."""
    return f"{spelt_target(data.target_name)} ({data.target_unit})"


def spelt_target(name: str) -> str:
    """Return the name of a target as it is printed: SOC for soc."""
    return name.upper() if name.islower() and len(name) <= 3 else name


def preprocessing_words(result: SearchResult) -> str:
    """Return the winner's preprocessing as one sentence."""
    recipe, data = result.winner.preprocessing, result.data
    words = [recipe.quantity if recipe.quantity == data.quantity else f"{recipe.quantity}"]
    if recipe.quantity != data.quantity:
        words[0] = f"{data.quantity} turned into {recipe.quantity}"
    words.append(
        f"bands averaged every {recipe.step:g} {UNIT_SIGNS[data.axis_unit]} "
        f"({count(result.winner_bands)} bands)"
    )
    scatter = {"snv": "standard normal variate (SNV)", "msc": "scatter correction (MSC)"}
    words.append(scatter.get(recipe.scatter, "no scatter correction"))
    if recipe.savgol is None:
        words.append("no Savitzky–Golay filter")
    else:
        s = recipe.savgol
        kind = ("smoothing", "first derivative", "second derivative")[min(s.derivative, 2)]
        words.append(f"Savitzky–Golay {kind} (window {s.window} bands, order {s.order})")
    return f"{_sentence('; '.join(words))}; each band standardised on the training rows."


def training_words(t: TrainingConfig, epochs: int, members: int) -> str:
    """Return how a winner was trained as one sentence."""
    optimiser = {"adam": "Adam", "adamw": "AdamW"}[t.optimiser]
    networks = f"{members} networks from different seeds"
    return (
        f"{optimiser}, learning rate {scientific(t.learning_rate)}, weight decay "
        f"{scientific(t.weight_decay)}, batches of at most {t.batch_size}; trained on "
        f"{_TRANSFORMS[t.target_transform]}{_LOSSES[t.loss]} for {count(epochs)} epochs; "
        f"{f'the mean of {networks}' if members > 1 else 'one network'} predicts."
    )


def scientific(value: float) -> str:
    """Return a small positive number as 5.0 × 10⁻⁴, larger ones plainly."""
    if value == 0 or 0.01 <= abs(value) < 1e5:
        return number(value, 2) if value else "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    powers = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa} × 10{powers}"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def trial_counts(trials: tuple[TrialRecord, ...]) -> dict[str, int]:
    """Return how many trials ended in each state, all four states named."""
    states = ("complete", "pruned", "infeasible", "failed")
    return {state: sum(trial.state == state for trial in trials) for state in states}


def winner_model(result: ModelsView[M]) -> M:
    """Return the winner's row."""
    return next(model for model in result.models if model.kind == "winner")


def named_model(result: ModelsView[M], name: str) -> M | None:
    """Return the model called `name` if it is there."""
    return next((model for model in result.models if model.name == name), None)


def by_rmse(result: ModelsView[M]) -> list[M]:
    """Return the models, lowest test RMSE first, those without scores last."""

    def key(model: M) -> float:
        value = model.scores.rmse.value if model.scores else None
        return float("inf") if value is None else value

    return sorted(result.models, key=key)


def settings_toml(settings: SearchSettings | CubeSettings) -> str:
    """Return settings as the ``[search]`` tables of a study file, every default written out.

    A setting that is left to autospec has no line.
    """
    tables: dict[str, dict[str, Any]] = {"search": asdict(settings)}
    for name in [key for key, value in tables["search"].items() if isinstance(value, dict)]:
        tables[f"search.{name}"] = tables["search"].pop(name)
    blocks = []
    for name, table in tables.items():
        lines = [f"{key} = {_toml(value)}" for key, value in table.items() if value is not None]
        blocks.append("\n".join([f"[{name}]", *lines]))
    return "\n\n".join(blocks) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, tuple | list):
        return f"[{', '.join(_toml(item) for item in value)}]"
    if isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    return repr(value)
