"""Print the table of ways over farms in docs/results.md from the folders of `--site all`.

    autospec localise --site all -o runs/all
    python tests/benchmarks/summarise_sites.py runs/all

One line a model: on how many farms it ran, the geometric mean over farms of its RMSE over that of
PLSR on the farm's own rows and over that of the Local network (each on the draws that both have),
the worst of these ratios, and on how many farms it was better, worse or neither beyond noise.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from math import exp, log
from pathlib import Path

from autospec import load_localisation
from autospec.localisation.result import Paired


def ratios(pairs: Sequence[Paired]) -> str:
    if not pairs:
        return "– | – | –"
    each = [1 - pair.reduction_percent / 100 for pair in pairs]
    mean = exp(sum(log(ratio) for ratio in each) / len(each))
    counts = [sum(pair.better == word for pair in pairs) for word in ("first", "second")]
    even = len(pairs) - sum(counts)
    return f"{mean:.3f} | {max(each):.2f} | {counts[0]} / {counts[1]} / {even}"


def main(folder: Path) -> None:
    plsr: dict[str, list[Paired]] = defaultdict(list)
    local: dict[str, list[Paired]] = defaultdict(list)
    farms: dict[str, int] = defaultdict(int)
    for path in sorted(folder.glob("*/localisation.json")):
        for model in load_localisation(path.parent).models:
            farms[model.name] += 1
            if model.versus_plsr is not None:
                plsr[model.name].append(model.versus_plsr)
            if model.versus_local is not None:
                local[model.name].append(model.versus_local)
    print("| Model | Farms | ÷ PLSR | worst | b / w / c | ÷ Local | worst | b / w / c |")
    print("|---|---|---|---|---|---|---|---|")
    for name, count in farms.items():
        print(f"| {name} | {count} | {ratios(plsr[name])} | {ratios(local[name])} |")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
