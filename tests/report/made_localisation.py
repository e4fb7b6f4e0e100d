"""A realistic localisation, made by hand from seeded numbers: nothing is trained or selected."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from autospec.evaluate.metrics import METRICS, Estimate, metric_table
from autospec.evaluate.trust import Trust
from autospec.localisation.result import (
    AUTO,
    AUTO_LOCAL,
    LOCAL,
    MEAN,
    PLSR_LOCAL,
    Draw,
    DrawTrust,
    FinalModel,
    Kind,
    LocalisationResult,
    ModelRow,
    NetworkRecord,
    Outcome,
    Paired,
    SelectionRecord,
    SpectraMap,
    Uses,
)
from autospec.localisation.settings import LocaliseSettings
from autospec.nets.architecture import PUBLISHED
from autospec.transfer.alignment_result import (
    Alignment,
    AlignmentRow,
    Figures,
    Residuals,
    SetName,
)
from autospec.transfer.provenance import Stability
from autospec.transfer.selection import Generation
from tests.report.conftest import HOSTILE_IDS, WINNER, environment, spectra_summary

LIBRARY = {"UL.120": 120, "SSP.460": 460, "CV.98": 98, "SC.93": 93, "SP.231": 231}
N, TRAIN, DRAWS, NETWORK_DRAWS = 125, 30, 10, 3
# name, kind, uses, error in g/kg, what it is
MODELS: tuple[tuple[str, Kind, Uses, float, str], ...] = (
    (AUTO, "auto", "both", 3.3, "weighted mean of what did best inside the training rows"),
    (AUTO_LOCAL, "auto", "farm", 3.7, "the same from the farm's rows alone"),
    (LOCAL, "strategy", "farm", 4.6, "network searched on the farm's training rows"),
    ("Global", "strategy", "library", 6.9, "network searched on the library"),
    ("Global, slope and bias", "strategy", "both", 4.4, "Global, corrected on the farm's rows"),
    ("DTL-I_g", "strategy", "both", 3.9, "network on the selected rows and the farm's"),
    ("DTL-R_g", "strategy", "both", 4.2, "Global, fine-tuned on the farm's rows"),
    ("DTL-IR (library→K∪m)", "strategy", "both", 4.0, "Global, fine-tuned on both"),
    (PLSR_LOCAL, "baseline", "farm", 3.9, "PLSR on the farm's training rows"),
    ("PLSR global", "baseline", "library", 7.4, "PLSR on the library"),
    ("PLSR spiked", "baseline", "both", 3.8, "PLSR on the library and the weighted farm rows"),
    ("ridge", "baseline", "farm", 4.0, "ridge regression on the farm's training rows"),
    ("MBL", "baseline", "both", 3.7, "local regression on the nearest rows"),
    (MEAN, "baseline", "farm", 9.4, "mean of the training rows"),
)


def made_draws(rng: np.random.Generator, draws: int = DRAWS) -> tuple[Draw, ...]:
    out = []
    for number in range(draws):
        train = np.sort(rng.choice(N, TRAIN, replace=False))
        test = np.setdiff1d(np.arange(N), train)
        out.append(Draw(number=number, train=tuple(train.tolist()), test=tuple(test.tolist())))
    return tuple(out)


def outcome(
    rng: np.random.Generator, draw: Draw, observed: np.ndarray, error: float, detail: str
) -> Outcome:
    truth = observed[list(draw.test)]
    predicted = truth + rng.normal(0.1, error * rng.uniform(0.9, 1.15), len(truth))
    scores = {name: float(value) for name, value in metric_table(truth, predicted).items()}
    return Outcome(
        draw=draw.number,
        predicted=tuple(predicted.tolist()),
        inner_rmse=0.9 * scores["rmse"],
        detail=detail,
        seconds=float(rng.uniform(0.1, 40)),
        **scores,
    )


def estimate(rng: np.random.Generator, values: list[float]) -> Estimate:
    array = np.asarray(values)
    spread = array[rng.integers(0, len(array), (200, len(array)))].mean(axis=1)
    low, high = np.quantile(spread, [0.025, 0.975])
    return Estimate(value=float(array.mean()), low=float(low), high=float(high))


def paired(rng: np.random.Generator, model: ModelRow, reference: ModelRow) -> Paired:
    theirs = {o.draw: o.rmse for o in reference.outcomes}
    pairs = np.array([(theirs[o.draw], o.rmse) for o in model.outcomes if o.draw in theirs])
    means = pairs[rng.integers(0, len(pairs), (400, len(pairs)))].mean(axis=1)
    spread = 100 * (means[:, 0] - means[:, 1]) / means[:, 0]
    low, high = np.quantile(spread, [0.025, 0.975])
    r, m = pairs.mean(axis=0)
    return Paired(
        reference=reference.name,
        draws=len(pairs),
        reduction_percent=float(100 * (r - m) / r),
        low=float(low),
        high=float(high),
        wins=int((pairs[:, 1] < pairs[:, 0]).sum()),
        ties=int((pairs[:, 1] == pairs[:, 0]).sum()),
        better="first" if low > 0 else "second" if high < 0 else "cannot tell",
    )


def made_models(
    rng: np.random.Generator, draws: tuple[Draw, ...], observed: np.ndarray, networks: bool
) -> tuple[ModelRow, ...]:
    rows = []
    for name, kind, uses, error, about in MODELS:
        if kind == "strategy" and not networks:
            continue
        ran = draws[:NETWORK_DRAWS] if kind == "strategy" else draws
        detail = "PLSR spiked 0.6, MBL 0.3, DTL-I_g 0.1" if name == AUTO else "9 components"
        outcomes = tuple(outcome(rng, draw, observed, error, detail) for draw in ran)
        failed = name == "DTL-R_g"
        outcomes = outcomes[:-1] if failed else outcomes
        rows.append(
            ModelRow(
                name=name,
                kind=kind,
                uses=uses,
                about=about,
                outcomes=outcomes,
                failures=("draw 2: every epoch's loss was not finite",) if failed else (),
                versus_local=None,
                versus_plsr=None,
                **{m: estimate(rng, [getattr(o, m) for o in outcomes]) for m in METRICS},
            )
        )
    return tuple(with_references(rng, rows))


def with_references(rng: np.random.Generator, rows: list[ModelRow]) -> list[ModelRow]:
    named = {row.name: row for row in rows}
    out = []
    for row in rows:
        local, plsr = named.get(LOCAL), named[PLSR_LOCAL]
        out.append(
            replace(
                row,
                versus_local=None if local in (None, row) else paired(rng, row, local),
                versus_plsr=None if row is plsr else paired(rng, row, plsr),
            )
        )
    return out


def selection(rng: np.random.Generator, draw: int | None) -> SelectionRecord:
    names = list(LIBRARY)
    fields = sorted(rng.choice(names, 100, p=[0.35, 0.25, 0.2, 0.15, 0.05]).tolist())
    sizes = [1002]
    while sizes[-1] > 100:
        sizes.append(max(100, round(sizes[-1] * 0.9)))
    trace = tuple(
        Generation(
            number=i + 1,
            size=size,
            draws=400,
            discarded=1,
            judged_by="response",
            error_mean=float(3.5 + 5 * (size / 1002) ** 1.4 + rng.normal(0, 0.08)),
            error_sd=0.8,
            error_min=2.9,
            cut=6.0,
            dropped=size - sizes[i + 1],
            wanted=100,
        )
        for i, size in enumerate(sizes[:-1])
    )
    return SelectionRecord(
        draw=draw,
        library="global",
        ids=tuple(f"{field}-{i:03d}" for i, field in enumerate(fields)),
        fields=tuple(fields),
        sources={name: fields.count(name) for name in names},
        trace=trace,
        fits=400 * len(trace),
        discarded=len(trace),
        seconds=4.2,
    )


def network(strategy: str, draw: int | None) -> NetworkRecord:
    searched = strategy != "DTL-R_g"
    design = WINNER if searched else replace(WINNER, architecture=PUBLISHED["china"])
    return NetworkRecord(
        strategy=strategy,
        draw=draw,
        design=design,
        epochs=41,
        bands=216,
        trials=12 if searched else 0,
        cv_rmse=3.1 if searched else None,
    )


def alignment() -> Alignment:
    names: tuple[SetName, ...] = ("library", "selection", "random k", "nearest k")
    numbers = (
        (0.8, 2.1, 9.8, 8.1),
        (0.6, 1.8, 5.1, 4.2),
        (0.8, 2.2, 9.9, 8.4),
        (0.2, 0.6, 6.0, 5.0),
    )
    rows = tuple(
        AlignmentRow(
            name=name,
            n=1002 if name == "library" else 100,
            figures=Figures(
                mmd2=mmd2,
                mmd_p=0.005,
                energy=energy,
                auc=0.93,
                target_distance=4.4,
                rmse=rmse,
                me=2.1,
                sde=sde,
            ),
            sd=Figures(
                mmd2=0.1,
                mmd_p=0.0,
                energy=0.2,
                auc=0.02,
                target_distance=1.0,
                rmse=2.0,
                me=1.0,
                sde=1.0,
            )
            if name == "random k"
            else None,
        )
        for name, (mmd2, energy, rmse, sde) in zip(names, numbers, strict=True)
    )
    return Alignment(
        rows=rows,
        reference=Residuals(rmse=4.1, me=0.1, sde=4.1),
        judged="holdout",
        n_judged=95,
        m=30,
        components=7,
        bandwidth=0.41,
        further=19,
        worse=20,
        repeats=20,
        permutations=199,
        seed=0,
        target_name="soc",
        target_unit="g/kg",
        note="Judged on the draw's test rows, which had no part in the selection.",
        notes=("500 of 1002 library rows were compared.",),
    )


def spectra_map(rng: np.random.Generator) -> SpectraMap:
    def cloud(n: int, x: float, y: float, wide: float) -> tuple[tuple[float, float], ...]:
        points = rng.normal((x, y), (wide, 0.4 * wide), (n, 2))
        return tuple((float(a), float(b)) for a, b in points)

    parts = [cloud(n // 2, 3.0 * i - 6, i % 3, 2.0) for i, n in enumerate(LIBRARY.values())]
    return SpectraMap(
        explained=(0.81, 0.12),
        library=tuple(point for part in parts for point in part),
        library_fields=tuple(f for f, n in LIBRARY.items() for _ in range(n // 2)),
        selected=cloud(100, -2, 0.5, 3.0),
        farm=cloud(60, -4, 0.2, 1.5),
    )


def made_intervals(
    rng: np.random.Generator, draws: tuple[Draw, ...], models: tuple[ModelRow, ...]
) -> tuple[DrawTrust, ...]:
    """Bounds that hold about nine of ten lab values; every tenth row is outside the domain."""
    auto = next(model for model in models if model.name == AUTO)
    out = []
    for draw, made in zip(draws[:NETWORK_DRAWS], auto.outcomes, strict=False):
        half = rng.uniform(4.5, 6.5, len(draw.test))
        predicted = np.array(made.predicted)
        out.append(
            DrawTrust(
                draw=draw.number,
                level=0.9,
                lower=tuple(np.maximum(predicted - half, 0).tolist()),
                upper=tuple((predicted + 1.2 * half).tolist()),
                inside=tuple(i % 10 != 0 for i in draw.test),
            )
        )
    return tuple(out)


def made_trust() -> Trust:
    return Trust(
        level=0.9,
        rows=285,
        covered=0.911,
        covered_low=0.86,
        covered_high=0.95,
        mean_width=12.1,
        inside=258,
        rmse_inside=3.2,
        rmse_outside=4.9,
    )


def make_localisation(*, networks: bool = True) -> LocalisationResult:
    """Return a localisation of one Swedish field; hostile ids, five rows without a lab value."""
    rng = np.random.default_rng(20_261_121)
    observed = np.round(rng.gamma(3.0, 7.0, N), 2)
    draws = made_draws(rng)
    farm_ids = [f"SL.125-{i:03d}" for i in range(N)]
    farm_ids[: len(HOSTILE_IDS)] = HOSTILE_IDS
    farm = replace(spectra_summary(rng, N), n=N, n_unlabelled=5, fields={"SL.125": N}, n_groups=N)
    library = replace(farm, n=1002, n_unlabelled=0, fields=LIBRARY, digest="c1" * 32)
    strategies = [name for name, kind, *_ in MODELS if kind == "strategy"]
    models = made_models(rng, draws, observed, networks)
    return LocalisationResult(
        name="sweden-skane",
        settings=LocaliseSettings(seed=11, quick=not networks),
        farm=farm,
        library=library,
        country=None,
        inputs_digest="e7" * 32,
        farm_ids=tuple(farm_ids),
        farm_fields=("SL.125",) * N,
        observed=tuple(observed.tolist()),
        library_rows=1002,
        library_fields=LIBRARY,
        aligned="216 bands of 420 to 2490 nm, 10 nm apart; RP.62 and SA.112 begin at 1000 nm and "
        "were left out.",
        purged="0 library rows are the farm's own and were left out (0 by name, 0 by spectrum, "
        "0 as their replicates)",
        draws=draws,
        models=models,
        selections=(*(selection(rng, d.number) for d in draws[:4]), selection(rng, None)),
        networks=tuple(
            network(s, None if s == "Global" else d)
            for s in strategies
            for d in range(2)
            if s != "Global" or d == 0
        )
        if networks
        else (),
        alignment=alignment(),
        stability=Stability(selections=4, jaccard=0.31, jaccard_by_chance=0.05, common=(3, 8, 77)),
        spectra_map=spectra_map(rng),
        final=FinalModel(
            detail="PLSR spiked 0.62, MBL 0.28, ridge 0.10",
            weights={"PLSR spiked": 0.62, "MBL": 0.28, "ridge": 0.1},
            ids=("new-1", "=cmd|' /C calc'!A0", "new-3", "new-4", "new-5"),
            predicted=(predicted := tuple(rng.gamma(3.0, 7.0, 5).tolist())),
            level=0.9,
            calibration_rows=N,
            lower=tuple(0.6 * value for value in predicted),
            upper=tuple(1.5 * value for value in predicted),
            inside=(True, True, False, True, True),
            reasons=("", "", "Q 0.0123 above 0.0045; nearest 3.1 above 2.2", "", ""),
        ),
        trust=made_trust(),
        intervals=made_intervals(rng, draws, models),
        verdict="auto predicts SOC with an error of 3.41 g/kg, 13 % below PLSR on the farm's own "
        "rows (6 to 21 %).",
        transfer_verdict="The library helped: 10 % lower error than from the farm's rows alone "
        "(3 to 17 %, better in 9 of 10 draws).",
        strategy_verdicts=(
            "DTL-I_g helped: its RMSE is 15 % lower than Local's (3 to 24 %).",
            "DTL-R_g: cannot tell (−4 to 19 %).",
        )
        if networks
        else (),
        notes=("5 rows of the farm have no lab value: they get predictions.",),
        stopped="complete",
        environment=environment(),
    )


def later_draws(localisation: LocalisationResult, first: int) -> LocalisationResult:
    """Return a localisation whose draws are those from number `first` on."""
    settings = replace(localisation.settings, draws=first + 10, first_draw=first)
    return replace(
        localisation,
        settings=settings,
        draws=tuple(replace(d, number=d.number + first) for d in localisation.draws),
        models=tuple(
            replace(m, outcomes=tuple(replace(o, draw=o.draw + first) for o in m.outcomes))
            for m in localisation.models
        ),
        intervals=tuple(replace(t, draw=t.draw + first) for t in localisation.intervals),
    )
