"""A realistic result, made by hand: no network is trained, nothing is read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import optuna
import pytest

from autospec.data.preprocess import Preprocessing, SavitzkyGolay
from autospec.evaluate.metrics import compare, score
from autospec.evaluate.trust import summarise_trust
from autospec.localisation.result import LocalisationResult
from autospec.nets.architecture import PUBLISHED, Architecture, ConvBlock, FCBlock
from autospec.search.design import Design
from autospec.search.result import (
    Environment,
    ModelKind,
    ModelResult,
    SearchResult,
    SpectraSummary,
    TrialRecord,
)
from autospec.search.settings import SearchSettings
from autospec.search.space import SearchSpace
from autospec.training.config import TrainingConfig

AXIS = np.arange(420.0, 2501.0, 1.0)
HOSTILE = "<script>alert(1)</script>"
HOSTILE_IDS = (HOSTILE, "=1+1", '"><img src=x onerror=alert(1)>', "a|b", "</script><b>")

WINNER = Design(
    preprocessing=Preprocessing(
        quantity="absorbance",
        scatter="snv",
        savgol=SavitzkyGolay(window=13, order=2, derivative=1),
        step=8.0,
    ),
    architecture=Architecture(
        conv=(
            ConvBlock(kernel=11, filters=64, padding="same", stride=2, activation="Swish"),
            ConvBlock(
                kernel=7,
                filters=128,
                stride=2,
                activation="ELU",
                pooling="max",
                pool_size=2,
                dropout=0.12,
            ),
            ConvBlock(kernel=5, filters=96, activation="Swish", batch_norm=True),
        ),
        fc=(
            FCBlock(nodes=212, activation="LeakyReLU", batch_norm=True),
            FCBlock(nodes=48, activation="Swish", dropout=0.31),
        ),
    ),
    training=TrainingConfig(
        learning_rate=8.4e-4, weight_decay=3e-5, batch_size=24, max_epochs=60, patience=8
    ),
)


def spectra_summary(rng: np.random.Generator, n_train: int) -> SpectraSummary:
    axis = AXIS[::6]
    soc = np.sort(rng.gamma(3.0, 7.0, 245))
    base = 0.46 - 0.3 * np.exp(-(axis - 420) / 420)
    for centre, width, depth in ((1414, 28, 0.05), (1915, 34, 0.09), (2206, 24, 0.05)):
        base = base - depth * np.exp(-0.5 * ((axis - centre) / width) ** 2)
    level = 1.0 - 0.011 * soc[:, None] + rng.normal(0, 0.09, (245, 1))
    values = np.clip(base * level, 0.02, 0.9)
    picks = np.linspace(0, 244, 30).astype(int)
    envelope = np.quantile(values, [0, 0.25, 0.5, 0.75, 1], axis=0)
    return SpectraSummary(
        n=245,
        n_unlabelled=4,
        b=len(AXIS),
        axis_unit="nm",
        axis_low=420.0,
        axis_high=2500.0,
        quantity="reflectance",
        fields={"sweden-skane": 125, "sweden-uppsala": 120},
        n_groups=241,
        target_name="soc",
        target_unit="g/kg",
        target_train=tuple(rng.permutation(soc)[:n_train].tolist()),
        axis=tuple(axis.tolist()),
        envelope=tuple(tuple(row) for row in envelope.tolist()),
        examples=tuple(tuple(row) for row in values[picks].tolist()),
        example_targets=tuple(soc[picks].tolist()),
        provenance=(
            "SL.125 and UL.120 of LimeSoDa 0.1.5 (CC BY-SA 4.0).",
            "SOM in % was turned into SOC in g/kg: times 10, divided by 1.724.",
            "Reflectance in percent was divided by 100.",
        ),
        digest="5f" * 32,
    )


def curve(rng: np.random.Generator, floor: float, epochs: int) -> tuple[float, ...]:
    steps = np.arange(epochs)
    overfit = 0.004 * np.maximum(steps - 0.8 * epochs, 0)
    values = floor + 14 * np.exp(-steps / 6) + overfit + rng.normal(0, 0.06, epochs)
    return tuple(np.abs(values).tolist())


def trial_record(rng: np.random.Generator, number: int, trial: optuna.Trial) -> TrialRecord:
    """One searched trial: every ninth is infeasible, every fourth pruned, the eleventh failed."""
    space = SearchSpace()
    params = trial.params
    base = TrialRecord(number=number, state="infeasible", value=None, params=params)
    if number % 9 == 5:
        return replace(base, reason="multiply_adds 2.4 times the cap of 5000000")
    if number == 11:
        return replace(
            base, state="failed", reason=f"loss not finite in epoch 3 {HOSTILE}", seconds=1.25
        )
    design = space.decode(params)
    sizes = {
        "n_parameters": int(rng.integers(20_000, 4_000_000)),
        "multiply_adds": int(rng.integers(200_000, 5_000_000)),
        "seconds": float(rng.uniform(2, 14)),
    }
    floor = 3.9 + 7 * rng.beta(1.2, 4 + number / 6) + 0.6 * len(design.architecture.fc)
    if number % 4 == 2:
        return replace(base, state="pruned", curve=curve(rng, floor + 2, 9), **sizes)
    points = curve(rng, floor, int(rng.integers(28, 60)))
    best = int(np.argmin(points)) + 1
    return replace(
        base,
        state="complete",
        value=min(points),
        curve=points,
        best_epoch=best,
        fold_rmse=tuple((min(points) + rng.normal(0, 0.5, 5)).tolist()),
        **sizes,
    )


def search_trials(rng: np.random.Generator, n: int, seed: int) -> tuple[TrialRecord, ...]:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = SearchSpace().distributions()
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    return tuple(trial_record(rng, number, study.ask(space)) for number in range(n))


def labelled_trials(trials: tuple[TrialRecord, ...]) -> tuple[TrialRecord, ...]:
    """Name the first three after the published designs, and let the winner be the best."""
    space, out = SearchSpace(), list(trials)
    for i, site in enumerate(PUBLISHED):
        design = space.published_design(site, AXIS)
        points = curve(np.random.default_rng(i), 5.2 + i, 40)
        out[i] = replace(
            out[i],
            state="complete",
            value=min(points),
            curve=points,
            best_epoch=int(np.argmin(points)) + 1,
            params=space.encode(design),
            n_parameters=design.architecture.n_parameters(219),
            multiply_adds=design.architecture.multiply_adds(219),
            label=f"published: {site}",
        )
    points = curve(np.random.default_rng(7), 3.55, 52)
    out[31] = replace(
        out[31],
        state="complete",
        value=min(points),
        curve=points,
        params=space.encode(WINNER),
        fold_rmse=(3.31, 3.82, 3.44, 3.95, 3.29),
        best_epoch=int(np.argmin(points)) + 1,
        reason="",
    )
    out[36] = replace(out[36], state="complete", value=out[31].value, curve=(), reused=31)
    return tuple(out)


def model_rows(rng: np.random.Generator, observed: np.ndarray) -> tuple[ModelResult, ...]:
    noise = rng.normal(0, 1, len(observed))
    rows: list[tuple[str, ModelKind, str, float, float | None]] = [
        ("autospec winner", "winner", "5 networks, 238 k parameters", 3.4, 3.52),
        ("published: sweden", "published", "absorbance, step 10, SNV", 5.0, 5.21),
        ("published: china", "published", "absorbance, step 10, SNV", 5.6, 6.17),
        ("random search", "control", "best of 12 random designs", 4.6, 4.4),
        ("PLSR", "baseline", "absorbance, step 10, SNV; 9 components", 4.3, 4.21),
    ]
    plsr = observed + 4.3 * (0.6 * noise + 0.8 * rng.normal(0, 1, len(observed)))
    models = []
    for name, kind, detail, error, cv in rows:
        p = observed + error * (0.6 * noise + 0.8 * rng.normal(0, 1, len(observed)))
        p = plsr if name == "PLSR" else p
        versus = None if name == "PLSR" else compare(observed, p, plsr, seed=0)
        models.append(
            ModelResult(
                name=name,
                kind=kind,
                detail=detail,
                cv_rmse=cv,
                predicted=tuple(p.tolist()),
                scores=score(observed, p, seed=0),
                versus_plsr=versus,
            )
        )
    mean = np.full(len(observed), 20.7)
    models.append(
        ModelResult(
            name="mean",
            kind="baseline",
            detail="mean of the training rows",
            cv_rmse=11.9,
            predicted=tuple(mean.tolist()),
            scores=score(observed, mean, seed=0),
            versus_plsr=compare(observed, mean, plsr, seed=0),
        )
    )
    failed = ModelResult(
        name="published: usa",
        kind="published",
        detail="not fitted: 16.4 M parameters did not fit into memory",
        cv_rmse=None,
        predicted=(),
        scores=None,
    )
    return (*models, failed)


def with_intervals(
    model: ModelResult, observed: np.ndarray, inside: tuple[bool, ...]
) -> ModelResult:
    """Give the winner and PLSR intervals of a width that holds about nine rows in ten."""
    if model.name not in ("autospec winner", "PLSR"):
        return model
    predicted, half = np.array(model.predicted), 5.6 if model.kind == "winner" else 7.1
    lower, upper = np.maximum(predicted - half, 0), predicted + half
    return replace(
        model,
        lower=tuple(lower.tolist()),
        upper=tuple(upper.tolist()),
        trust=summarise_trust(observed, predicted, (lower, upper), np.array(inside), 0.9),
    )


def environment() -> Environment:
    return Environment(
        autospec="0.1.0",
        python="3.12.8",
        packages={"torch": "2.9.0", "optuna": "5.0.0", "numpy": "2.3.5"},
        platform="Linux-6.8-x86_64",
        processor="AMD EPYC 7B13",
        cpu_count=2,
        threads=2,
        device="cpu",
        started="2026-05-04T09:12:44+00:00",
        seconds_search=241.7,
        seconds_final=38.2,
    )


def make_result() -> SearchResult:
    rng = np.random.default_rng(20_260_504)
    n_train, n_test = 184, 61
    observed = np.round(rng.gamma(3.0, 7.0, n_test), 2)
    trials = labelled_trials(search_trials(rng, 40, seed=3))
    ids = [f"S-{i:03d}" for i in range(n_test)]
    ids[: len(HOSTILE_IDS)] = HOSTILE_IDS
    inside = tuple(i % 20 != 7 for i in range(n_test))
    weights = rng.dirichlet(np.full(26, 0.5))
    names = sorted(k for k in trials[0].params if not k.startswith(("conv3", "conv4", "fc3")))
    importance = dict(zip(names, sorted(weights.tolist(), reverse=True), strict=False))
    return SearchResult(
        name="sweden",
        settings=SearchSettings(trials=36, control="random", seed=11),
        data=spectra_summary(rng, n_train),
        n_train=n_train,
        n_test=n_test,
        split_digest="a3" * 32,
        trials=trials,
        control_trials=search_trials(rng, 12, seed=4),
        winner=WINNER,
        winner_trial=31,
        winner_epochs=47,
        winner_bands=260,
        importance=importance,
        importance_note="fANOVA over complete trials; pruned and infeasible ones are left out.",
        test_ids=tuple(ids),
        test_fields=tuple(["sweden-skane", "sweden-uppsala"][i % 2] for i in range(n_test)),
        observed=tuple(observed.tolist()),
        in_domain=inside,
        models=tuple(with_intervals(m, observed, inside) for m in model_rows(rng, observed)),
        verdict="The winner beats PLSR: its test RMSE is lower by 21 % (95 % interval of the "
        "difference −1.62 to −0.24 g/kg).",
        notes=("3 rows of sweden-uppsala had no lab value and were left out.",),
        stopped="trials",
        environment=environment(),
    )


@pytest.fixture(scope="session")
def result() -> SearchResult:
    return make_result()


@pytest.fixture(scope="session")
def localisation() -> LocalisationResult:
    from tests.report.made_localisation import make_localisation

    return make_localisation()


@pytest.fixture(scope="session")
def quick() -> LocalisationResult:
    from tests.report.made_localisation import make_localisation

    return make_localisation(networks=False)
