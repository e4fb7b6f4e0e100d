"""Made cubes whose signal a small network finds, settings that train fast, quick baselines."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from sklearn.linear_model import Ridge

from autospec.data.cubes.cubes import TIME_TYPE, Cubes
from autospec.data.cubes.splits import CubeSplit, make_cube_split
from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.evaluate.cube_baselines import CubeBaseline, Halt, never
from autospec.evaluate.metrics import rmse
from autospec.search.cubes.objective import CubeValidation
from autospec.search.cubes.settings import CubeSettings
from autospec.search.cubes.space import CubeSpace
from autospec.search.plan import StudyPlan
from autospec.search.progress import silent
from autospec.search.result import TrialRecord
from autospec.search.study import open_study, run_study
from autospec.search.trials import trial_records

SHAPE = (2, 6, 6, 3)
SPACE = CubeSpace(
    conv_blocks=(1, 2),
    filters=(4, 8),
    kernel_space=(1, 2, 3),
    kernel_time=(1, 2),
    stride=(1, 1),
    pooling=("none", "avg"),
    norm=("none",),
    activation=("ReLU", "ELU"),
    dropout=(0.0, 0.1),
    fc_blocks=(0, 1),
    nodes=(16, 32),
    learning_rate=(1e-3, 1e-2),
    batch_size=(16, 32),
    max_epochs=10,
    patience=6,
)
SETTINGS = CubeSettings(
    trials=5,
    budget_s=600.0,
    seed=3,
    members=2,
    published=False,
    split=CubeSplit(buffer_km=0.5, folds=3),
    space=SPACE,
)


def made_cubes(n: int = 80, *, seed: int = 0, shape: tuple[int, int, int, int] = SHAPE) -> Cubes:
    """Smooth windows, 2 % of cells without a value; the target is the first channel's level."""
    rng = np.random.default_rng(seed)
    level = rng.normal(size=(n, shape[0], 1, 1, 1))
    values = 10.0 + 3.0 * level + 0.5 * rng.normal(size=(n, *shape))
    valid = rng.uniform(size=values.shape) > 0.02
    months = np.arange(shape[3]) * np.timedelta64(30 * 86400, "s")
    return Cubes(
        values=np.where(valid, values, 0.0).astype(np.float32),
        valid=valid,
        channels=("rain", "ndvi"),
        times=np.tile(np.datetime64("2020-01-01", "s") + months, (n, 1)).astype(TIME_TYPE),
        x=rng.uniform(500_000, 520_000, n),
        y=rng.uniform(5_600_000, 5_620_000, n),
        crs="EPSG:32633",
        ids=tuple(f"p{i:03d}" for i in range(n)),
        target=20.0 + 4.0 * level[:, 0, 0, 0, 0] + 0.3 * rng.normal(size=n),
        target_name="soc",
        target_unit="g/kg",
        synthetic=True,
        provenance=("made by the tests; synthetic",),
    )


def at_dates(cubes: Cubes) -> Cubes:
    """Give each sample a date of its own, so that it can be split in time."""
    days = np.arange(cubes.n)[:, None] * np.timedelta64(86400, "s")
    return replace(cubes, times=(cubes.times + days).astype(TIME_TYPE))


@dataclass(frozen=True, kw_only=True)
class MeanModel:
    value: float

    def predict(self, cubes: Cubes) -> FloatArray:
        return np.full(cubes.n, self.value)


@dataclass(frozen=True, kw_only=True)
class FlatRidge:
    model: Ridge

    def predict(self, cubes: Cubes) -> FloatArray:
        return np.asarray(self.model.predict(_flat(cubes)))


def _flat(cubes: Cubes) -> FloatArray:
    return cubes.values.reshape(cubes.n, -1).astype(np.float64)


def quick_baselines(
    train: Cubes,
    folds: tuple[Fold, ...],
    seed: int,
    *,
    halt: Callable[[], Halt | None] = never,
) -> tuple[CubeBaseline, ...]:
    """Ridge and the mean: the real ones take longer than all else here."""
    found = []
    for name in ("ridge", "mean"):
        models = [_fit(name, train.rows(fold.fit)) for fold in folds]
        errors = [
            rmse(train.target[fold.score], model.predict(train.rows(fold.score)))
            for fold, model in zip(folds, models, strict=True)
        ]
        cv_rmse = float(np.mean(errors))
        model = _fit(name, train)
        found.append(CubeBaseline(name=name, detail="quick", cv_rmse=cv_rmse, model=model))
    return tuple(found)


def quick_refit(baseline: CubeBaseline, train: Cubes) -> MeanModel | FlatRidge:
    return _fit(baseline.name, train)


def _fit(name: str, train: Cubes) -> MeanModel | FlatRidge:
    if name == "mean":
        return MeanModel(value=float(train.target.mean()))
    return FlatRidge(model=Ridge(alpha=100.0).fit(_flat(train), train.target))


def plan_for(cubes: Cubes, settings: CubeSettings = SETTINGS, **changes: object) -> StudyPlan:
    split = make_cube_split(cubes, settings.split)
    plan = StudyPlan(
        validation=CubeValidation(
            train=cubes.rows(split.plan.train),
            folds=split.plan.folds,
            seed=settings.seed,
            device="cpu",
        ),
        settings=settings,
        fingerprint={"data_digest": cubes.digest},
        should_stop=lambda: None,
        report=silent,
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def run(plan: StudyPlan, storage: str | None = None) -> tuple[TrialRecord, ...]:
    study = open_study(storage, "s", plan)
    run_study(study, plan)
    return trial_records(study)


def comparable(records: tuple[TrialRecord, ...]) -> list[TrialRecord]:
    """Trials without what an interruption may change: seconds, and numbers of lost trials."""
    return [replace(r, seconds=0.0, number=i) for i, r in enumerate(records)]
