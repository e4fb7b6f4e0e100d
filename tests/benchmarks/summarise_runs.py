"""Print the table of docs/results.md from the folders of finished runs.

    autospec search --site sweden --seed 0 --control random -o runs/sweden-0   # and 1, 2
    python tests/benchmarks/summarise_runs.py runs/sweden-0 runs/sweden-1 runs/sweden-2

One line a run and model: RMSE on the sealed test rows with its 95 % bootstrap interval, the
paired difference from PLSR with its interval, and the (tuned) CV RMSE; then the means over runs,
and what each run took.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

from autospec import load_result
from autospec.search.result import ModelResult, SearchResult


def line(result: SearchResult, model: ModelResult) -> str:
    assert model.scores is not None
    r, c = model.scores.rmse, model.versus_plsr
    against = "–" if c is None else f"{c.difference:+.2f} ({c.low:+.2f} to {c.high:+.2f})"
    cv = "–" if model.cv_rmse is None else f"{model.cv_rmse:.2f}"
    return (
        f"| {result.name} | {result.settings.seed} | {model.name} | {r.value:.2f} "
        f"({r.low:.2f} to {r.high:.2f}) | {against} | {cv} |"
    )


def main(folders: list[str]) -> None:
    results = [load_result(Path(folder)) for folder in folders]
    print("| Site | Seed | Model | Test RMSE (95 %) | Minus PLSR (95 %) | CV RMSE (tuned) |")
    print("|---|---|---|---|---|---|")
    by_model: dict[str, list[float]] = defaultdict(list)
    for result in results:
        for model in result.models:
            if model.scores is not None and model.scores.rmse.value is not None:
                print(line(result, model))
                by_model[model.name].append(model.scores.rmse.value)
    print("\n| Model | Mean test RMSE | Runs |\n|---|---|---|")
    for name, values in sorted(by_model.items(), key=lambda item: sum(item[1]) / len(item[1])):
        print(f"| {name} | {sum(values) / len(values):.2f} | {len(values)} |")
    print("\n| Site | Seed | Trained | Pruned | Infeasible | Stopped by | Search | Refits |")
    print("|---|---|---|---|---|---|---|---|")
    for r in results:
        states = [t.state for t in r.trials]
        e = r.environment
        print(
            f"| {r.name} | {r.settings.seed} | {len(states) - states.count('infeasible')} | "
            f"{states.count('pruned')} | {states.count('infeasible')} | {r.stopped} | "
            f"{e.seconds_search:.0f} s | {e.seconds_final:.0f} s |"
        )


if __name__ == "__main__":
    main(sys.argv[1:])
