"""Rows and verdicts: in order, on the same draws, and the right way round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from autospec.data.spectra import FloatArray
from autospec.evaluate.metrics import Winner
from autospec.localisation.comparison import (
    Comparison,
    auto_verdict,
    sample_numbers,
    strategy_verdicts,
    transfer_verdict,
)
from autospec.localisation.pieces import ModelPiece, Piece
from autospec.localisation.protocol import score_outcome
from autospec.localisation.result import (
    AUTO,
    AUTO_LOCAL,
    LOCAL,
    PLSR_LOCAL,
    Draw,
    Kind,
    ModelRow,
    Uses,
)
from tests.localisation.landscape import landscape

FARM = landscape(unlabelled=0).farm
DRAWS = {
    i: Draw(
        number=i,
        train=tuple(sorted(set(range(40)) - set(range(i, i + 30)))),
        test=tuple(range(i, i + 30)),
    )
    for i in range(5)
}
COMPARISON = Comparison(farm=FARM, draws=DRAWS, seed=0)
KINDS: dict[str, tuple[Kind, Uses]] = {
    AUTO: ("auto", "both"),
    AUTO_LOCAL: ("auto", "farm"),
    LOCAL: ("strategy", "farm"),
    "DTL-I_g": ("strategy", "both"),
    "DTL-R_g": ("strategy", "both"),
}
NOISE = np.random.default_rng(0).normal(size=(5, 40))


def model(name: str, draw: int, error: float | FloatArray) -> ModelPiece:
    """A model whose errors have the RMSE `error`, about."""
    rows = list(DRAWS[draw].test)
    kind, uses = KINDS.get(name, ("baseline", "farm"))
    predicted = FARM.target[rows] + (error * NOISE[draw])[rows]
    outcome = score_outcome(
        DRAWS[draw], FARM.target, predicted, inner_rmse=None, detail="", seconds=0.0
    )
    return ModelPiece(name=name, kind=kind, uses=uses, about=name, outcome=outcome)


def piece(draw: int, errors: dict[str, float], failures: dict[str, str] | None = None) -> Piece:
    return Piece(
        fingerprint="",
        draw=DRAWS[draw],
        models=tuple(model(name, draw, error) for name, error in errors.items()),
        failures=failures or {},
    )


def rows(errors: dict[str, float], draws: Sequence[int] = range(5)) -> tuple[ModelRow, ...]:
    return COMPARISON.rows([piece(draw, errors) for draw in draws])


def row(table: tuple[ModelRow, ...], name: str) -> ModelRow:
    return next(one for one in table if one.name == name)


def test_auto_comes_first_then_strategies_then_baselines() -> None:
    baselines = [piece(i, {AUTO: 1.0, AUTO_LOCAL: 1.1, "mean": 5.0, PLSR_LOCAL: 2}) for i in (0, 1)]
    networks = [piece(i, {"Global": 3.0, LOCAL: 2.0, "DTL-I_g": 1.0}) for i in (0, 1)]
    table = COMPARISON.rows([*baselines, *networks])
    assert [one.kind for one in table] == ["auto"] * 2 + ["strategy"] * 2 + ["baseline"] * 3
    assert [one.name for one in table[:4]] == [AUTO, AUTO_LOCAL, LOCAL, "DTL-I_g"]
    assert [one.name for one in table[4:]] == ["mean", PLSR_LOCAL, "Global"]


def test_outcomes_stand_in_the_order_of_the_draws_whatever_that_of_the_pieces() -> None:
    table = COMPARISON.rows([piece(i, {AUTO: 1.0}) for i in (3, 0, 2)])
    assert [outcome.draw for outcome in table[0].outcomes] == [0, 2, 3]


def test_a_row_is_the_mean_of_its_draws() -> None:
    one = rows({AUTO: 2.0})[0]
    assert one.rmse.value == pytest.approx(np.mean([o.rmse for o in one.outcomes]))
    assert one.rmse.low is not None and one.rmse.high is not None
    assert one.rmse.low < one.rmse.value < one.rmse.high


def test_models_are_compared_on_the_draws_that_both_have() -> None:
    pieces = [piece(i, {AUTO: 1.0, PLSR_LOCAL: 2.0}) for i in range(5)]
    pieces += [piece(1, {LOCAL: 4.0}), piece(3, {LOCAL: 4.0})]
    auto = row(COMPARISON.rows(pieces), AUTO)
    assert auto.versus_plsr is not None and auto.versus_plsr.draws == 5
    assert auto.versus_local is not None and auto.versus_local.draws == 2
    assert auto.versus_local.reduction_percent == pytest.approx(75.0)


def test_draws_that_only_one_model_has_do_not_change_a_comparison() -> None:
    common = [piece(i, {AUTO: 1.0, PLSR_LOCAL: 2.0}) for i in (0, 1, 2)]
    alone = [piece(i, {AUTO: 50.0}) for i in (3, 4)]
    few, more = (row(COMPARISON.rows(p), AUTO) for p in (common, [*common, *alone]))
    assert few.versus_plsr == more.versus_plsr
    assert few.rmse != more.rmse


def test_a_model_has_no_comparison_with_itself_or_with_what_was_not_run() -> None:
    table = rows({AUTO: 1.0, PLSR_LOCAL: 2.0})
    assert row(table, PLSR_LOCAL).versus_plsr is None
    assert row(table, AUTO).versus_local is None


def test_failures_are_told_with_their_draw() -> None:
    pieces = [piece(0, {AUTO: 1.0, "SVR": 2.0}), piece(1, {AUTO: 1.0}, {"SVR": "no factor"})]
    svr = row(COMPARISON.rows(pieces), "SVR")
    assert svr.failures == ("draw 1: no factor",)
    assert [outcome.draw for outcome in svr.outcomes] == [0]


@pytest.mark.parametrize(
    ("error", "better", "sign"), [(1.0, "first", 1), (4.0, "second", -1), (2.0, "cannot tell", 0)]
)
def test_positive_percentages_mean_that_the_model_is_better(
    error: float, better: Winner, sign: int
) -> None:
    paired = row(rows({AUTO: error, PLSR_LOCAL: 2.0}), AUTO).versus_plsr
    assert paired is not None and paired.better == better
    assert np.sign(paired.reduction_percent) == sign
    assert paired.reduction_percent == pytest.approx(100 * (2.0 - error) / 2.0)
    assert paired.low <= paired.reduction_percent <= paired.high
    assert (paired.wins, paired.ties) == {1: (5, 0), -1: (0, 0), 0: (0, 5)}[sign]


@pytest.mark.parametrize(
    ("error", "words", "change"),
    [
        (1.0, "So auto is better than PLSR beyond noise.", "auto's is 50 % lower"),
        (4.0, "So PLSR is better than auto beyond noise: use PLSR.", "is 100 % higher"),
        (2.0, "which of the two is better cannot be told from these rows.", "is 0 % lower"),
    ],
)
def test_the_verdict_says_who_is_better_and_by_how_much(
    error: float, words: str, change: str
) -> None:
    verdict = auto_verdict(rows({AUTO: error, PLSR_LOCAL: 2.0}), "g/kg", 10)
    assert verdict.startswith("Trained on 10 samples of the farm, auto predicts the others with")
    assert verdict.endswith(words)
    assert change in verdict and "mean of 5 draws" in verdict


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        (0.2, "(95 % interval {low} % to {high} % lower"),
        (0.6, "{low} % higher to {high} % lower"),
        (2.0, "(95 % interval {high} % to {low} % higher"),
    ],
)
def test_the_interval_needs_no_signs(step: float, wanted: str) -> None:
    table = COMPARISON.rows(
        [piece(i, {AUTO: 1.0 + step * (i + (step > 1)), PLSR_LOCAL: 2.0}) for i in range(5)]
    )
    paired = row(table, AUTO).versus_plsr
    assert paired is not None and paired.low < paired.high
    ends = wanted.format(low=f"{abs(paired.low):.0f}", high=f"{abs(paired.high):.0f}")
    verdict = auto_verdict(table, "g/kg", 10)
    assert ends in verdict and f"lower in {paired.wins} of 5 draws)" in verdict


def test_without_plsr_there_is_no_comparison() -> None:
    verdict = auto_verdict(rows({AUTO: 1.0}), "g/kg", 10)
    assert verdict.endswith("PLSR could not be fitted, so there is nothing to compare with.")


@pytest.mark.parametrize("draws", [1, 2])
def test_from_one_or_two_draws_nothing_is_settled(draws: int) -> None:
    verdict = auto_verdict(rows({AUTO: 1.0, PLSR_LOCAL: 9.0}, range(draws)), "g/kg", 10)
    assert verdict.endswith("cannot be told from these rows.")
    assert f"mean of {draws} draw{'s' * (draws > 1)})" in verdict


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (1.0, "Transfer helped."),
        (4.0, "Transfer did not help: it did harm."),
        (2.0, "Whether transfer helped cannot be told."),
    ],
)
def test_whether_the_library_helped_is_auto_against_auto_without_it(
    error: float, words: str
) -> None:
    table = rows({AUTO: error, AUTO_LOCAL: 2.0, PLSR_LOCAL: 0.1})
    assert transfer_verdict(COMPARISON, table).startswith(words)


def test_without_its_twin_auto_says_nothing_of_transfer() -> None:
    table = rows({AUTO: 1.0, PLSR_LOCAL: 0.1})
    assert transfer_verdict(COMPARISON, table).startswith("Whether the library helped cannot be")


def test_every_transfer_strategy_is_judged_beside_the_local_network() -> None:
    table = rows({AUTO: 1.0, LOCAL: 2.0, "DTL-I_g": 1.0, "DTL-R_g": 4.0}, range(3))
    verdicts = strategy_verdicts(table)
    assert len(verdicts) == 2
    assert verdicts[0].startswith("DTL-I_g: Transfer helped. Its RMSE is 50 % lower (95 % interval")
    assert verdicts[1].startswith("DTL-R_g: Transfer did not help: it did harm. Its RMSE is 100 %")
    assert all(verdict.endswith("of 3 draws) than that of Local.") for verdict in verdicts)


def test_replicates_share_a_number() -> None:
    farm = landscape(unlabelled=0, replicates=3).farm
    numbers = sample_numbers(farm)
    assert len(set(numbers.tolist())) == 40
    assert np.array_equal(numbers[40:], numbers[:3])
