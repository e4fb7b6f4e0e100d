"""A realistic result of a search on cubes, made by hand: no network is trained, nothing is read."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import optuna

from autospec.data.cubes.cubes import Cubes
from autospec.data.cubes.splits import CubeSplit, CubeSplitPlan, make_cube_split, random_folds
from autospec.evaluate.cube_metrics import mean_absolute_error, squared_correlation
from autospec.evaluate.metrics import compare, score
from autospec.evaluate.trust import summarise_trust
from autospec.nets.architecture import FCBlock
from autospec.nets.cube_architecture import CubeArchitecture, CubeConvBlock
from autospec.search.cubes.design import CubeDesign
from autospec.search.cubes.result import (
    CubeModel,
    CubeModelKind,
    CubeResult,
    CubesSummary,
    LeakageRow,
    PlaceRecord,
    Role,
    SplitRecord,
)
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.space import CubeSpace
from autospec.search.result import TrialRecord
from tests.report.conftest import HOSTILE_IDS, curve, environment

SHAPE = (6, 10, 10, 4)
CHANNELS = ("temperature", "precipitation", "ndvi", "elevation", "slope", "<b>wetness</b>")
WINNER_NAME, BASELINE = "autospec winner", "random forest"
WINNER = CubeDesign(
    preprocessing=CubeSpace().reference_design().preprocessing,
    architecture=CubeArchitecture(
        conv=(
            CubeConvBlock(
                kernel_space=3,
                kernel_time=2,
                filters=48,
                activation="Swish",
                padding="same",
                norm="batch",
                pooling="max",
            ),
            CubeConvBlock(
                kernel_space=2, kernel_time=1, filters=96, activation="ELU", dropout=0.14
            ),
        ),
        head="average",
        fc=(FCBlock(nodes=128, activation="ReLU", dropout=0.22),),
    ),
    training=replace(CubeSpace().reference_design().training, loss="huber"),
)


def made_cubes(n: int, rng: np.random.Generator, crs: str) -> Cubes:
    """Return n tiny windows, in clusters as farms lie, whose lab value drifts over the map."""
    centres = rng.uniform(0, 1, (40, 2))
    spread = np.clip(centres[rng.integers(0, 40, n)] + rng.normal(0, 0.03, (n, 2)), 0, 1)
    x, y = 9.6 + 0.9 * spread[:, 0], 47.2 + 0.6 * spread[:, 1]
    if not crs.endswith("4326"):
        x, y = 500_000 + 60_000 * spread[:, 0], 5_200_000 + 60_000 * spread[:, 1]
    drift = np.sin(5 * spread[:, 0]) + np.cos(4 * spread[:, 1])
    ids = [f"P-{i:03d}" for i in range(n)]
    ids[: len(HOSTILE_IDS)] = HOSTILE_IDS
    return Cubes(
        values=np.zeros((n, 1, 1, 1, 1), dtype=np.float32),
        valid=np.ones((n, 1, 1, 1, 1), dtype=bool),
        channels=("none",),
        times=np.full((n, 1), np.datetime64("2020-01-01", "s")),
        x=x,
        y=y,
        crs=crs,
        ids=tuple(ids),
        target=np.round(np.abs(22 + 6 * drift + rng.normal(0, 4, n)), 2),
        target_name="soc",
        target_unit="g/kg",
    )


def place_records(cubes: Cubes, plan: CubeSplitPlan, guess: np.ndarray) -> tuple[PlaceRecord, ...]:
    roles: list[Role] = ["dropped"] * cubes.n
    folds = [-1] * cubes.n
    for row in plan.plan.train:
        roles[row] = "train"
    for row in plan.plan.sealed:
        roles[row] = "test"
    for number, fold in enumerate(plan.plan.folds):
        for row in plan.plan.train[fold.score]:
            folds[row] = number
    return tuple(
        PlaceRecord(
            id=cubes.ids[i],
            x=float(cubes.x[i]),
            y=float(cubes.y[i]),
            target=float(cubes.target[i]),
            role=roles[i],
            block=int(plan.block_of[i]),
            fold=folds[i],
            out_of_fold=float(guess[i]) if folds[i] >= 0 else None,
        )
        for i in range(cubes.n)
    )


def split_record(cubes: Cubes, plan: CubeSplitPlan, split: CubeSplit) -> SplitRecord:
    return SplitRecord(
        kind=plan.kind,
        buffer_km=split.buffer_km,
        block_km=plan.block_km,
        n_blocks=len(set(plan.block_of.tolist())),
        n_train=len(plan.plan.train),
        n_test=len(plan.plan.sealed),
        n_dropped=len(plan.dropped),
        dropped_in_folds=plan.dropped_in_folds,
        nearest_km=plan.nearest_km,
        nearest_in_folds_km=tuple(float(v) for v in plan.nearest_in_folds_km),
        digest="a3" * 32,
    )


def trial_records(n: int, seed: int) -> tuple[TrialRecord, ...]:
    """Return n trials: the first is Small3DCNN, trial 5 the winner, some pruned or infeasible."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rng, space = np.random.default_rng(seed), CubeSpace()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    records = []
    for number in range(n):
        params = study.ask(space.distributions()).params
        base = TrialRecord(number=number, state="infeasible", value=None, params=params)
        if number % 9 == 4:
            records.append(replace(base, reason="layers: 2 conv blocks find nothing left"))
            continue
        floor = 4.6 + 3 * rng.beta(1.2, 4) - (1.2 if number == 5 else 0)
        points = curve(rng, floor, int(rng.integers(20, 50)))
        sizes = {"n_parameters": int(rng.integers(9e3, 2e6)), "seconds": 3.1}
        sizes |= {"multiply_adds": int(rng.integers(2e5, 4e7))}
        if number % 4 == 3:
            records.append(replace(base, state="pruned", curve=points[:7], **sizes))
            continue
        records.append(
            replace(
                base,
                state="complete",
                value=min(points),
                curve=points,
                best_epoch=int(np.argmin(points)) + 1,
                fold_rmse=tuple((min(points) + rng.normal(0, 0.5, 5)).tolist()),
                **sizes,
            )
        )
    first, shape = space.reference_design(), SHAPE
    records[0] = replace(
        records[0],
        label="published: small3d",
        params=space.encode(first),
        n_parameters=first.architecture.n_parameters(shape),
    )
    if n > 5:
        records[5] = replace(records[5], params=space.encode(WINNER))
    return tuple(records)


def cube_models(observed: np.ndarray, rng: np.random.Generator) -> tuple[CubeModel, ...]:
    noise = rng.normal(0, 1, len(observed))
    rows: list[tuple[str, CubeModelKind, str, float, float]] = [
        (WINNER_NAME, "winner", "5 networks, 41 k parameters", 3.7, 3.9),
        ("published: small3d", "published", "5 networks, 37\u202f873 parameters", 4.6, 4.8),
        ("random search", "control", "best of 10 random designs", 4.4, 4.5),
        ("gradient boosting", "baseline", "depth 4, 180 trees", 4.9, 4.9),
        (BASELINE, "baseline", "300 trees, a third of the features", 4.7, 4.7),
        ("ridge", "baseline", "alpha 1000", 5.6, 5.5),
    ]
    guesses = {
        name: observed + error * (0.6 * noise + 0.8 * rng.normal(0, 1, len(observed)))
        for name, _, _, error, _ in rows
    }
    guesses["mean"] = np.full(len(observed), 22.4)
    rows.append(("mean", "baseline", "mean of the training samples", 7.2, 7.1))
    return tuple(
        CubeModel(
            name=name,
            kind=kind,
            detail=detail,
            cv_rmse=cv,
            predicted=tuple(guesses[name].tolist()),
            scores=score(observed, guesses[name], seed=0),
            mae=mean_absolute_error(observed, guesses[name]),
            pearson_r2=squared_correlation(observed, guesses[name]),
            versus_baseline=(
                None if name == BASELINE else compare(observed, guesses[name], guesses[BASELINE])
            ),
        )
        for name, kind, detail, _, cv in rows
    )


def leakage_rows(cubes: Cubes, plan: CubeSplitPlan) -> tuple[LeakageRow, ...]:
    observed = cubes.target[plan.plan.train]
    rng = np.random.default_rng(3)
    assert len(random_folds(len(observed), 5, 0)) == 5
    rows = []
    for name, honest, leaky in ((WINNER_NAME, 6.3, 3.4), (BASELINE, 6.6, 3.1), ("ridge", 6.7, 4.9)):
        both = [observed + rng.normal(0, error, len(observed)) for error in (honest, leaky)]
        honest_scores, leaky_scores = (score(observed, guess) for guess in both)
        rows.append(LeakageRow(name=name, honest=honest_scores, leaky=leaky_scores))
    mean = score(observed, np.full(len(observed), observed.mean() + 0.3))
    return (*rows, LeakageRow(name="mean", honest=mean, leaky=mean))


def summary(cubes: Cubes, plan: CubeSplitPlan, *, synthetic: bool) -> CubesSummary:
    train = cubes.target[plan.plan.train]
    made = ("Synthetic: made by autospec cube synthesise, seed 0.",) if synthetic else ()
    return CubesSummary(
        n=cubes.n,
        n_unlabelled=7,
        shape=SHAPE,
        channels=CHANNELS,
        mean=(8.4, 71.2, 0.52, 611.0, 4.9, 0.1),
        sd=(5.1, 30.3, 0.17, 201.0, 3.3, 0.02),
        invalid_percent=(0.0, 0.0, 5.2, 0.0, 0.0, 1.25),
        first_time="2019-01-01",
        last_time="2020-12-01",
        crs=cubes.crs,
        synthetic=synthetic,
        target_name="soc",
        target_unit="g/kg",
        target_train=tuple(train.tolist()),
        provenance=(*made, "Windows of 10 × 10 cells and 4 dates cut around 360 points."),
        digest=cubes.digest,
    )


@cache
def make_cube_result(
    *, synthetic: bool = True, crs: str = "EPSG:4326", leakage: bool = True, random: bool = False
) -> CubeResult:
    """Return a result; the same arguments give the same one."""
    rng = np.random.default_rng(20_261_122)
    cubes = made_cubes(360, rng, crs)
    split = CubeSplit(buffer_km=1.2, block_km=9.0, kind="random" if random else "blocks")
    plan = make_cube_split(cubes, split)
    observed = cubes.target[plan.plan.sealed]
    inside = tuple(bool(i % 17 != 3) for i in range(len(observed)))
    models = cube_models(observed, rng)
    predicted = np.array(models[0].predicted)
    bounds = (predicted - 7.0, predicted + 7.0)
    winner = replace(
        models[0],
        lower=tuple(bounds[0].tolist()),
        upper=tuple(bounds[1].tolist()),
        trust=summarise_trust(observed, predicted, bounds, np.array(inside), 0.9),
    )
    trials = trial_records(24, seed=2)
    names = sorted(k for k in trials[0].params if not k.startswith(("conv3", "conv4", "fc3")))
    weights = sorted(np.random.default_rng(1).dirichlet(np.full(18, 0.5)).tolist(), reverse=True)
    return CubeResult(
        name="samples",
        settings=CubeSettings(trials=24, control="random", seed=4, split=split),
        data=summary(cubes, plan, synthetic=synthetic),
        split=split_record(cubes, plan, split),
        places=place_records(cubes, plan, cubes.target + rng.normal(0, 5, cubes.n)),
        trials=trials,
        control_trials=trial_records(10, seed=9),
        winner=WINNER,
        winner_trial=5,
        winner_epochs=31,
        importance=dict(zip(names, weights, strict=False)),
        importance_note="fANOVA over complete trials; pruned and infeasible ones are left out.",
        test_ids=tuple(cubes.ids[i] for i in plan.plan.sealed),
        observed=tuple(observed.tolist()),
        in_domain=inside,
        baseline=BASELINE,
        models=(winner, *models[1:]),
        leakage=leakage_rows(cubes, plan) if leakage else (),
        verdict="The winner beats random forest: its test RMSE is lower by 21 % (95 % interval of "
        "the difference −1.62 to −0.24 g/kg).",
        notes=("7 samples had no lab value and were left out.",),
        stopped="trials",
        environment=environment(),
    )
