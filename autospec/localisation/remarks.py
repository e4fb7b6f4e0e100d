"""What a localisation says in words beside its verdicts: the cost before, remarks afterwards."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from autospec.data.spectra import Spectra
from autospec.data.splits import SplitPlan
from autospec.evaluate.conformal import DEFAULT_LEVEL
from autospec.localisation.pieces import Piece
from autospec.localisation.preparation import MIN_COUNTRY, Prepared
from autospec.localisation.protocol import training_samples
from autospec.localisation.settings import LocaliseSettings, draw_words
from autospec.localisation.trust_draw import interval_level


def announcement(prepared: Prepared, plans: Sequence[SplitPlan], settings: LocaliseSettings) -> str:
    """Say beforehand what it will cost."""
    farm = prepared.farm.own
    numbers, plan = settings.numbers, plans[settings.first_draw]
    networks = f"then networks on the first {min(settings.network_draws, len(numbers))}"
    return (
        f"{farm.n} rows of the farm with {farm.target_name}, {prepared.library.n} library rows. "
        f"{draw_words(numbers)} of {len(plan.train)} training rows, {plan.n_test} sealed "
        f"to test; {'no networks (--quick)' if settings.quick else networks}. RS-Local selects "
        f"{prepared.selection.wanted} rows in each draw. It aims to end within "
        f"{settings.budget_s / 60:.3g} minutes whatever is left. Stop early with Ctrl-C: finished "
        "draws are reported and kept."
    )


def train_samples(farm: Spectra, plan: SplitPlan) -> int:
    """Return how many samples of the farm train in a draw: replicates count once."""
    return len({farm.ids[i] for i in plan.train})


def farm_remarks(farm: Spectra, plan: SplitPlan, settings: LocaliseSettings) -> Iterator[str]:
    """Say if fewer samples train than were asked for."""
    samples = len(set(farm.groups))
    if training_samples(samples, settings.n) < settings.n:
        yield (
            f"The farm has {samples} samples with {farm.target_name}: {train_samples(farm, plan)} "
            f"of them train in a draw, not {settings.n}, so that there are some to test on."
        )


def network_remarks(
    baselines: Sequence[Piece], networks: Sequence[Piece], prepared: Prepared, country: str | None
) -> Iterator[str]:
    """Say why there is no Country, and on how many draws the networks ran."""
    if prepared.country is None:
        why = f"fewer than {MIN_COUNTRY} usable library rows are of {country!r}"
        if country is None:
            why = "no country was given"
        yield f"No Country networks: {why}."
    if networks and len(networks) < len(baselines):
        yield (
            f"The networks ran on {len(networks)} of {len(baselines)} draws: they are compared "
            "with others on these draws only."
        )


def interval_remarks(
    plans: Sequence[SplitPlan], baselines: Sequence[Piece], intervals: Sequence[Piece]
) -> Iterator[str]:
    """Say on how many draws intervals were measured, where not on all, and at which level."""
    level, rows = interval_level(plans), min(len(plan.train) for plan in plans)
    measured = sum(piece.trust is not None for piece in intervals)
    if level is None:
        yield f"{rows} training rows a draw support no interval worth its name: none was measured."
    elif level < DEFAULT_LEVEL:
        yield (
            f"{rows} training rows a draw do not support {100 * DEFAULT_LEVEL:g} % intervals: "
            f"{100 * level:g} % ones were measured."
        )
    if level is not None and measured < len(baselines):
        yield (
            f"auto's intervals and domain were measured on {measured} of {len(baselines)} draws."
        )
    reasons = {why for piece in intervals for why in piece.failures.values()}
    yield from (f"A draw has no intervals: {why}" for why in sorted(reasons))


def missing_models(pieces: Sequence[Piece]) -> Iterator[str]:
    """Name the models that no draw has a result of: they have no row that could say why."""
    found = {model.name for piece in pieces for model in piece.models}
    reasons: dict[str, list[str]] = {}
    for piece in pieces:
        for name, why in piece.failures.items():
            if name not in found:
                found.add(name)
                reasons.setdefault(why, []).append(name)
    yield from (f"Without a result: {', '.join(names)}: {why}" for why, names in reasons.items())
