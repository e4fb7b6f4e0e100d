"""`say_verdict`: one sentence on whether a model beats its rival beyond noise."""

from __future__ import annotations

from autospec.evaluate.metrics import VERDICT_ROWS, Comparison, Scores


def say_verdict(
    winner: Scores, versus: Comparison, rival: Scores, *, names: tuple[str, str], unit: str
) -> str:
    """Say in one sentence whether the winner beats its rival beyond noise.

    Parameters
    ----------
    versus : Comparison
        First model: the winner; second: the rival.
    names : pair of str
        Such as "the CNN" and "PLSR".
    """
    few = f" (a verdict wants at least {VERDICT_ROWS})" if winner.n < VERDICT_ROWS else ""
    first, second = names
    words = {
        "first": f"{first} beats {second} beyond noise",
        "second": f"{first} does not beat {second}: {second} is better beyond noise",
        "cannot tell": f"whether {first} or {second} is better cannot be told from these rows",
    }[versus.better]
    return (
        f"On the {winner.n} sealed test rows the RMSE is {winner.rmse.value:.2f} {unit} for "
        f"{first} and {rival.rmse.value:.2f} {unit} for {second} (difference "
        f"{versus.difference:+.2f}, 95 % interval {versus.low:+.2f} to {versus.high:+.2f}): "
        f"{words}{few}."
    )
