"""The table of peers: each model over tuned local PLSR, farm by farm, and auto beside it.

A farm's ratio is the mean RMSE of the model over its draws, divided by PLSR's on the same draws;
what failed is missing from both, and counted. Over farms the geometric mean is taken; its interval
resamples the farms (percentiles of 10 000 bootstrap samples): farms, not draws, are what differs.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.errors import DataError
from autospec.localisation.result import AUTO, PLSR_LOCAL
from peers.lines import Line

RESAMPLED = 10_000
HEAD = (
    "Model",
    "Farms",
    "Fits",
    "Failed",
    "÷ PLSR local (95 % interval)",
    "Worst farm",
    "Farms b / w",
    "Draws won",
    "s a fit",
    "auto ÷ PLSR local",
    "auto ÷ it (95 % interval)",
)
Scores = dict[tuple[str, int], float]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Against:
    """One model against another on the draws that both have.

    Parameters
    ----------
    farms : tuple of str
    ratios : float64, shape (farms,)
        Of mean RMSEs.
    won : float
        Share of the draws in which the model has the lower RMSE, 0 to 1.
    """

    farms: tuple[str, ...]
    ratios: FloatArray
    won: float

    @property
    def mean(self) -> float:
        """Geometric mean over farms."""
        return float(np.exp(np.log(self.ratios).mean()))

    def interval(self) -> tuple[float, float]:
        """Return the ends of the mean's 95 % interval, farms resampled."""
        rng = np.random.default_rng(0)
        drawn = rng.integers(len(self.ratios), size=(RESAMPLED, len(self.ratios)))
        low, high = np.percentile(np.exp(np.log(self.ratios)[drawn].mean(axis=1)), [2.5, 97.5])
        return float(low), float(high)

    def worst(self) -> tuple[str, float]:
        """Return the farm of the highest ratio, and the ratio."""
        at = int(np.argmax(self.ratios))
        return self.farms[at], float(self.ratios[at])


def compare(scores: Scores, reference: Scores) -> Against | None:
    """Compare RMSEs by farm and draw; None without a draw that both have."""
    common = sorted(scores.keys() & reference.keys())
    if not common:
        return None
    farms = tuple(dict.fromkeys(site for site, _ in common))
    draws = {farm: [unit for unit in common if unit[0] == farm] for farm in farms}
    means = [
        np.mean([scores[unit] for unit in draws[farm]])
        / np.mean([reference[unit] for unit in draws[farm]])
        for farm in farms
    ]
    won = float(np.mean([scores[unit] < reference[unit] for unit in common]))
    return Against(farms=farms, ratios=np.array(means), won=won)


def lay_table(lines: Sequence[Line], shown: Sequence[str]) -> str:
    """Return the table in Markdown, best first.

    Parameters
    ----------
    lines : sequence of Line
    shown : sequence of str
        Models that get a row, if they have lines.

    Raises
    ------
    DataError
        If there is no line of tuned local PLSR or of auto.
    """
    scores: dict[str, Scores] = defaultdict(dict)
    by_model: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_model[line.model].append(line)
        if line.rmse is not None:
            scores[line.model][line.unit] = line.rmse
    for needed in (PLSR_LOCAL, AUTO):
        if not scores[needed]:
            raise DataError(f'there is no line of {needed!r}. Run the peer "ours" on these draws.')
    rows = []
    for name in shown:
        if name in by_model:
            rows.append(_row(name, by_model[name], scores))
    ordered = [cells for _, cells in sorted(rows, key=lambda row: row[0])]
    rule = ["---"] * len(HEAD)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (HEAD, rule, *ordered))


def _row(name: str, lines: Sequence[Line], scores: dict[str, Scores]) -> tuple[float, list[str]]:
    own, plsr, auto = scores[name], scores[PLSR_LOCAL], scores[AUTO]
    failed = sum(line.rmse is None for line in lines)
    against = compare(own, plsr)
    if against is None:
        farms = str(len({line.site for line in lines}))
        return np.inf, [name, farms, str(len(lines)), str(failed), *["–"] * (len(HEAD) - 4)]
    farm, worst = against.worst()
    better = int((against.ratios < 1).sum())
    seconds = np.mean([line.seconds for line in lines if line.rmse is not None])
    beside = compare({unit: auto[unit] for unit in own if unit in auto}, plsr)
    versus = None if name == AUTO else compare(auto, own)
    return against.mean, [
        name,
        str(len(against.farms)),
        str(len(lines)),
        str(failed),
        _with_interval(against),
        f"{worst:.2f} ({farm})",
        f"{better} / {len(against.farms) - better}",
        f"{against.won:.0%}",
        f"{seconds:.2g}" if seconds < 10 else f"{seconds:.0f}",
        f"{beside.mean:.3f}" if beside else "–",
        _with_interval(versus) if versus else "–",
    ]


def _with_interval(against: Against) -> str:
    low, high = against.interval()
    return f"{against.mean:.3f} ({low:.3f} to {high:.3f})"


def list_failures(lines: Sequence[Line]) -> str:
    """Return one line for each model and reason, most frequent first; "" if nothing failed."""
    counts: dict[tuple[str, str], int] = defaultdict(int)
    for line in lines:
        if line.failed:
            counts[line.model, line.failed] += 1
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return "\n".join(f"{model}: {count} x {why}" for (model, why), count in ordered)
