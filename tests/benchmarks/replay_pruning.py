"""Replay pruning rules on searches that pruned nothing: what they save, and what they would lose.

    python tests/benchmarks/replay_pruning.py runs/replay --site sweden --seed 0
    python tests/benchmarks/replay_pruning.py runs/replay

The first line searches without pruning and keeps every fold's curve. The second replays the rules
on all that is kept, each time in many random orders (published designs stay first), and prints a
table of means:

- saved: share of folds × epochs that were not trained;
- lost: how often the best trial of all was given up, and the share of the best three;
- behind: by how much the best trial kept is worse than the best of all;
- at 40 %: the same once 40 % of the cost of all trials is spent, so that what is saved is used;
- complete: trials that ran to their end, the importance of parameters counts on them.

It also says how often a proposal had the architecture of an earlier one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from autospec.data.sites import load_site
from autospec.errors import TrialFailed
from autospec.nets.architecture import PUBLISHED
from autospec.search.design import Caps, Design
from autospec.search.execution import SEEDS_APART
from autospec.search.job import plan_split
from autospec.search.objective import CrossValidation
from autospec.search.pruning import (
    PruningRule,
    Seen,
    lead_epochs,
    lowest_so_far,
    why_given_up,
    why_lead_is_given_up,
)
from autospec.search.settings import SearchSettings
from autospec.search.study import make_sampler

Kept = list[dict[str, Any]]
ORDERS = 200
RULE = PruningRule()
BEFORE = replace(RULE, lead_epochs=0, margin=math.inf)
RULES = {
    "nothing is pruned": replace(BEFORE, at_least=10_000),
    "median of all folds only": BEFORE,
    "and beyond reach": replace(RULE, lead_epochs=0),
    "and a lead: ours": RULE,
    "ours, no beyond reach": replace(RULE, margin=math.inf),
    "ours, margin 0": replace(RULE, margin=0.0),
    "ours, margin 2 %": replace(RULE, margin=0.02),
    "ours, 1 of 5 leads": replace(RULE, lead_share=0.2),
    "ours, 3 of 5 lead": replace(RULE, lead_share=0.6),
    "ours, for 12 epochs": replace(RULE, lead_epochs=12),
    "ours, for 16 epochs": replace(RULE, lead_epochs=16),
    "ours, warm-up 8": replace(RULE, warm_up=8),
    "ours, warm-up 24": replace(RULE, warm_up=24),
    "ours, from 3 trials on": replace(RULE, at_least=3),
    "ours, from 8 trials on": replace(RULE, at_least=8),
}


def search(path: Path, site: str, settings: SearchSettings) -> None:
    """Train proposals without pruning, and keep their curves.

    Of the published designs the largest is left out: it would cost as much as all others.
    """
    rows = load_site(site).labelled()
    split = plan_split(rows, settings)
    train, seed = rows.rows(split.train), settings.seed + SEEDS_APART
    validation = CrossValidation(train=train, folds=split.folds, seed=seed)
    study = optuna.create_study(direction="minimize")
    first = [settings.space.published_design(n, train.axis) for n in PUBLISHED if n != "usa"]
    for design in first:
        study.enqueue_trial(settings.space.encode(design))
    kept: Kept = []
    for index in range(20 * settings.trials):
        study.sampler = make_sampler(settings, index)
        trial = study.ask(settings.space.distributions())
        design = settings.space.decode(trial.params)
        overrun = {} if index < len(first) else design.overrun(train.axis, settings.caps)
        for key, value in overrun.items():
            trial.set_constraint(key, value)
        if any(value > 0 for value in overrun.values()):
            study.tell(trial, state=TrialState.PRUNED)
            continue
        try:
            training = validation.evaluate(design)
        except TrialFailed:
            study.tell(trial, state=TrialState.FAIL)
            continue
        study.tell(trial, training.score)
        curves = training.fold_rmse.tolist()
        kept.append(known(design) | {"fold_rmse": curves, "published": index < len(first)})
        path.write_text(json.dumps(kept), encoding="utf-8")
        print(f"{path.stem}: {len(kept)} trials, {training.score:.3f}", flush=True)
        if len(kept) == settings.trials:
            return


def known(design: Design) -> dict[str, str]:
    """Return what tells architectures apart, with and without their dropout rates."""
    text = json.dumps(asdict(design.architecture), sort_keys=True)
    bare = json.dumps(without_dropout(asdict(design.architecture)), sort_keys=True)
    digests = [hashlib.sha256(t.encode()).hexdigest() for t in (text, bare)]
    return dict(zip(("architecture", "bare_architecture"), digests, strict=True))


def without_dropout(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: without_dropout(v) for key, v in tree.items() if key != "dropout"}
    return [without_dropout(v) for v in tree] if isinstance(tree, list | tuple) else tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """A kept trial: its curves, and what they came down to."""

    curves: np.ndarray
    published: bool
    lead: np.ndarray
    lowest: np.ndarray

    @property
    def score(self) -> float:
        return float(self.lowest[-1])


def trials_of(kept: Kept, rule: PruningRule) -> list[Trial]:
    found = []
    for one in kept:
        curves = np.array(one["fold_rmse"])
        lead = curves[: rule.lead_members(len(curves)), : rule.lead_epochs].mean(axis=0)
        found.append(
            Trial(
                curves=curves,
                published=one["published"],
                lead=lowest_so_far(lead),
                lowest=lowest_so_far(curves.mean(axis=0)),
            )
        )
    return found


def cost(trial: Trial, rule: PruningRule, seen: Seen) -> tuple[int, bool]:
    """Return the folds × epochs a trial is trained for, and whether it is given up."""
    folds, epochs = trial.curves.shape
    leading, alone = rule.lead_members(folds), lead_epochs(rule, seen)
    if trial.published:
        return folds * epochs, False
    if alone and why_lead_is_given_up(rule, seen, trial.curves[:leading, :alone].mean(axis=0)):
        return leading * alone, True
    mean = trial.curves.mean(axis=0)
    for epoch in range(rule.warm_up, epochs + 1):
        if epoch % rule.every == 0 and why_given_up(rule, seen, mean[:epoch]):
            return folds * epoch, True
    return folds * epochs, False


def replay(trials: list[Trial], order: list[int], rule: PruningRule) -> list[float]:
    """Return the figures of the table for one order."""
    spent, lost, best_at = 0, set(), []
    leads: list[np.ndarray] = []
    done: list[Trial] = []
    for i in order:
        seen = Seen(
            leads=tuple(leads),
            complete=tuple(t.lowest for t in done),
            scores=tuple(t.score for t in done),
        )
        folds_epochs, given_up = cost(trials[i], rule, seen)
        spent += folds_epochs
        leads.append(trials[i].lead)
        if given_up:
            lost.add(i)
        else:
            done.append(trials[i])
        best_at.append((spent, min(t.score for t in done)))
    whole = sum(t.curves.size for t in trials)
    ranks = sorted(range(len(trials)), key=lambda i: trials[i].score)
    lowest = trials[ranks[0]].score
    at_40 = [score for paid, score in best_at if paid <= 0.4 * whole][-1]
    saved, three = 1 - spent / whole, sum(i in lost for i in ranks[:3]) / 3
    behind = [best_at[-1][1] / lowest - 1, at_40 / lowest - 1]
    return [saved, ranks[0] in lost, three, *behind, len(done)]


def table(path: Path) -> None:
    kept: Kept = json.loads(path.read_text(encoding="utf-8"))
    again = [len(kept) - len({t[k] for t in kept}) for k in ("architecture", "bare_architecture")]
    print(f"\n{path.stem}: {len(kept)} trials; architectures seen before: {again[0]}, ", end="")
    print(f"of the same blocks with other dropout rates: {again[1] - again[0]}")
    print("| rule | saved | lost best | of best 3 | behind | at 40 % | complete |")
    print("|---|---|---|---|---|---|---|")
    for name, rule in RULES.items():
        trials, rng = trials_of(kept, rule), np.random.default_rng(0)
        first = [i for i, t in enumerate(trials) if t.published]
        rest = [i for i, t in enumerate(trials) if not t.published]
        orders = [first + rng.permutation(rest).tolist() for _ in range(ORDERS)]
        means = np.mean([replay(trials, order, rule) for order in orders], axis=0)
        shares = " | ".join(f"{100 * m:.0f} %" for m in means[:3])
        behind = " | ".join(f"{100 * m:.2f} %" for m in means[3:5])
        print(f"| {name} | {shares} | {behind} | {means[5]:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--site")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--trials", type=int, default=30)
    parser.add_argument("--caps", type=int, default=1_000_000, help="multiply-adds")
    asked = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    asked.folder.mkdir(parents=True, exist_ok=True)
    if asked.site is not None:
        caps = Caps(multiply_adds=asked.caps)
        settings = SearchSettings(trials=asked.trials, seed=asked.seed, caps=caps)
        path = asked.folder / f"{asked.site}_{asked.seed}.json"
        search(path, asked.site, settings)
        return
    for path in sorted(asked.folder.glob("*.json")):
        table(path)


if __name__ == "__main__":
    main()
