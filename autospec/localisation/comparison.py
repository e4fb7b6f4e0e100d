"""From the pieces of all draws to the rows of the comparison, and to verdicts in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.spectra import IntArray, Spectra
from autospec.evaluate.repeated import Repeated, compare_draws, mean_scores
from autospec.localisation.pieces import ModelPiece, Piece
from autospec.localisation.result import (
    AUTO,
    AUTO_LOCAL,
    LOCAL,
    PLSR_LOCAL,
    Draw,
    Kind,
    ModelRow,
    Outcome,
    Paired,
)

KINDS: tuple[Kind, ...] = ("auto", "strategy", "baseline")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Comparison:
    """Compares models over draws, on the same rows.

    Parameters
    ----------
    farm : Spectra
        The farm's rows with a lab value.
    draws : dict of int to Draw
        By number.
    seed : int
        Fixes the bootstrap draws.
    """

    farm: Spectra
    draws: dict[int, Draw]
    seed: int

    def rows(self, pieces: Sequence[Piece]) -> tuple[ModelRow, ...]:
        """Return one row a model: auto, strategies, baselines, each in the order of the pieces."""
        found: dict[str, list[ModelPiece]] = {}
        failures: dict[str, list[str]] = {}
        for piece in pieces:
            for model in piece.models:
                found.setdefault(model.name, []).append(model)
            for name, why in piece.failures.items():
                failures.setdefault(name, []).append(f"draw {piece.draw.number}: {why}")
        outcomes = {
            name: tuple(sorted((p.outcome for p in parts), key=lambda o: o.draw))
            for name, parts in found.items()
        }
        rows = [
            self._row(parts[0], outcomes, tuple(failures.get(name, ())))
            for name, parts in found.items()
        ]
        return tuple(sorted(rows, key=lambda row: KINDS.index(row.kind)))

    def _row(
        self, model: ModelPiece, outcomes: dict[str, tuple[Outcome, ...]], failures: tuple[str, ...]
    ) -> ModelRow:
        own = outcomes[model.name]
        return ModelRow(
            name=model.name,
            kind=model.kind,
            uses=model.uses,
            about=model.about,
            outcomes=own,
            failures=failures,
            **mean_scores(self._repeated(own), seed=self.seed),
            versus_local=self._paired(model.name, LOCAL, outcomes),
            versus_plsr=self._paired(model.name, PLSR_LOCAL, outcomes),
        )

    def _paired(
        self, name: str, reference: str, outcomes: dict[str, tuple[Outcome, ...]]
    ) -> Paired | None:
        return self.compare(name, reference, outcomes.get(name, ()), outcomes.get(reference, ()))

    def compare(
        self, name: str, reference: str, first: Sequence[Outcome], second: Sequence[Outcome]
    ) -> Paired | None:
        """Compare two models on the draws that both have; None for itself, or without any."""
        common = {o.draw for o in first} & {o.draw for o in second}
        if name == reference or not common:
            return None
        figures = compare_draws(
            self._repeated([o for o in first if o.draw in common]),
            self._repeated([o for o in second if o.draw in common]),
            seed=self.seed,
        )
        return Paired(
            reference=reference,
            draws=len(common),
            reduction_percent=figures.reduction_percent,
            low=figures.low,
            high=figures.high,
            wins=figures.wins,
            ties=figures.ties,
            better=figures.better,
        )

    def _repeated(self, outcomes: Sequence[Outcome]) -> Repeated:
        predicted = np.full((len(outcomes), self.farm.n), np.nan)
        for line, outcome in zip(predicted, outcomes, strict=True):
            line[list(self.draws[outcome.draw].test)] = outcome.predicted
        return Repeated(
            observed=self.farm.target, samples=sample_numbers(self.farm), predicted=predicted
        )


def sample_numbers(farm: Spectra) -> IntArray:
    """Number the samples of a farm's rows from 0: replicates share a number."""
    return np.unique(np.asarray(farm.groups), return_inverse=True)[1].astype(np.int64)


def auto_verdict(rows: Sequence[ModelRow], unit: str, n_train: int) -> str:
    """Say how good auto is, and whether it beats PLSR on the farm's own rows."""
    by_name = {row.name: row for row in rows}
    auto, plsr = by_name[AUTO], by_name.get(PLSR_LOCAL)
    start = (
        f"Trained on {n_train} samples of the farm, auto predicts the others with an RMSE of "
        f"{_figure(auto.rmse.value)} {unit} (95 % interval {_figure(auto.rmse.low)} to "
        f"{_figure(auto.rmse.high)}; mean of {_draws(len(auto.outcomes))})"
    )
    paired = auto.versus_plsr
    if plsr is None or paired is None:
        return f"{start}. PLSR could not be fitted, so there is nothing to compare with."
    words = {
        "first": "auto is better than PLSR beyond noise",
        "second": "PLSR is better than auto beyond noise: use PLSR",
        "cannot tell": "which of the two is better cannot be told from these rows",
    }[paired.better]
    other = f"PLSR on the same samples has {_figure(plsr.rmse.value)}"
    return f"{start}. {other}: auto's is {_change(paired)}. So {words}."


def transfer_verdict(comparison: Comparison, rows: Sequence[ModelRow]) -> str:
    """Say whether the library helped: auto against auto of the farm's rows only."""
    by_name = {row.name: row for row in rows}
    auto, own = by_name[AUTO], by_name.get(AUTO_LOCAL)
    paired = own and comparison.compare(AUTO, AUTO_LOCAL, auto.outcomes, own.outcomes)
    if not paired:
        return "Whether the library helped cannot be told: there is no auto without it."
    return f"{_helped(paired)} With the library auto's RMSE is {_change(paired)} than without it."


def strategy_verdicts(rows: Sequence[ModelRow]) -> tuple[str, ...]:
    """Say of every network that uses the library whether it helped beside the Local network."""
    return tuple(
        f"{row.name}: {_helped(row.versus_local)} Its RMSE is {_change(row.versus_local)} than "
        "that of Local."
        for row in rows
        if row.kind == "strategy" and row.uses != "farm" and row.versus_local is not None
    )


def _helped(paired: Paired) -> str:
    return {
        "first": "Transfer helped.",
        "second": "Transfer did not help: it did harm.",
        "cannot tell": "Whether transfer helped cannot be told.",
    }[paired.better]


def _change(paired: Paired) -> str:
    """Say by how much the RMSE differs, and between what, in words that need no sign."""
    low, high = _signed(paired.low), _signed(paired.high)
    if paired.high < 0:
        low, high = high, low  # both higher: the smaller number first
    if low.split()[-1] == high.split()[-1]:
        low = low.removesuffix(" lower").removesuffix(" higher")
    return (
        f"{_signed(paired.reduction_percent)} (95 % interval {low} to {high}; lower in "
        f"{paired.wins} of {_draws(paired.draws)})"
    )


def _signed(reduction: float) -> str:
    return f"{abs(reduction):.0f} % {'lower' if reduction >= 0 else 'higher'}"


def _draws(count: int) -> str:
    return f"{count} draw" + ("s" if count > 1 else "")


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"
