"""Canaries of a localisation: what may not help does not help, to the bit where that can be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray, IntArray, join_spectra
from autospec.data.splits import SplitPlan
from autospec.localisation.candidates import learn_library
from autospec.localisation.job import localise
from autospec.localisation.members import fit_members
from autospec.localisation.pieces import ModelPiece, Piece
from autospec.localisation.protocol import inner_folds, lay_draws
from autospec.localisation.result import AUTO, AUTO_LOCAL, MEAN
from autospec.transfer.prior_regression import PriorModel
from tests.localisation.landscape import (
    ON_CPU,
    QUICK,
    Landscape,
    few_recipes,
    first_draw,
    landscape,
    made_ready,
)

WORLD = landscape(rows=20, samples=34, unlabelled=0)
PLAN: SplitPlan = lay_draws(WORLD.farm, QUICK)[0]
TEST: IntArray = PLAN.unseal()


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.fixture(scope="module")
def honest() -> Piece:
    return first_draw(WORLD)


def with_farm(**changes: FloatArray) -> Landscape:
    return replace(WORLD, farm=replace(WORLD.farm, **changes))  # type: ignore[arg-type]


def named(piece: Piece, name: str) -> ModelPiece:
    return next(model for model in piece.models if model.name == name)


def chosen(piece: Piece) -> dict[str, object]:
    """All that was decided and fitted before the test rows were opened, and what it predicts."""
    return {
        m.name: (m.outcome.predicted, m.outcome.detail, m.outcome.inner_rmse) for m in piece.models
    }


def selections(piece: Piece) -> list[dict[str, object]]:
    return [asdict(replace(record, seconds=0.0)) for record in piece.selections]


@pytest.mark.parametrize(
    "change",
    [
        lambda y: y[::-1],
        lambda y: y + 500.0,
        lambda y: -y,
        np.zeros_like,
    ],
    ids=["reversed", "shifted", "negative", "zero"],
)
def test_lab_values_of_test_rows_change_nothing_but_the_scores(honest: Piece, change) -> None:  # noqa: ANN001
    target = WORLD.farm.target.copy()
    target[TEST] = change(target[TEST])
    piece = first_draw(with_farm(target=target))
    assert chosen(piece) == chosen(honest)
    assert (piece.selected, piece.failures) == (honest.selected, honest.failures)
    assert selections(piece) == selections(honest)
    assert named(piece, AUTO).outcome.rmse != named(honest, AUTO).outcome.rmse


def test_other_test_rows_change_no_model(honest: Piece) -> None:
    """Spectra and lab values of half of the test rows: the other half is predicted as before."""
    values, target = WORLD.farm.values.copy(), WORLD.farm.target.copy()
    half = len(TEST) // 2
    values[TEST[:half]] = 1.0 - values[TEST[:half]][:, ::-1]
    target[TEST[:half]] = 3.0
    piece = first_draw(with_farm(values=values, target=target))
    assert piece.selected == honest.selected
    before, after = ({m.name: m.outcome for m in p.models} for p in (honest, piece))
    assert after.keys() == before.keys()
    for name, outcome in after.items():
        assert outcome.predicted[half:] == before[name].predicted[half:], name
        assert outcome.predicted[:half] != before[name].predicted[:half] or name == MEAN
        assert outcome.detail == before[name].detail


def test_a_band_that_tells_the_lab_value_in_test_rows_only_does_not_help(honest: Piece) -> None:
    values = WORLD.farm.values.copy()
    values[TEST, 10] += 0.005 * (WORLD.farm.target[TEST] - WORLD.farm.target.mean())
    piece = first_draw(with_farm(values=values))
    assert named(piece, AUTO).outcome.rmse > 0.9 * named(honest, AUTO).outcome.rmse


def test_the_same_band_in_all_rows_does_help(honest: Piece) -> None:
    """So the canary above can sing: the band is one that models take up."""
    values = WORLD.farm.values.copy()
    values[:, 10] += 0.005 * (WORLD.farm.target - WORLD.farm.target.mean())
    piece = first_draw(with_farm(values=values))
    assert named(piece, "ridge").outcome.rmse < 0.7 * named(honest, "ridge").outcome.rmse


@pytest.mark.parametrize("by", ["name", "spectrum", "name of a replicate"])
def test_the_farms_own_rows_in_the_library_change_nothing(honest: Piece, by: str) -> None:
    own = replace(WORLD.farm, fields=("north",) * WORLD.farm.n)
    if by == "name":
        own = replace(own, values=own.values + 1e-3)
    else:
        ids = tuple(f"copy-{i}" for i in range(own.n))
        own = replace(own, ids=ids, groups=ids)
    if by == "name of a replicate":
        own = join_spectra([own, replace(own, values=own.values + 1e-3)])
    spoilt = replace(WORLD, library=join_spectra([WORLD.library, own]))
    assert made_ready(spoilt).purged.startswith(f"{own.n} library rows are the farm's own")
    assert chosen(first_draw(spoilt)) == chosen(honest)


def test_permuted_lab_values_cannot_be_predicted() -> None:
    """CCC about 0 over five farms: the standard error of the mean of five is about 0.08."""
    ccc, beside_the_mean, beside_plsr = [], [], []
    for seed in range(5):
        target = np.random.default_rng(seed).permutation(WORLD.farm.target)
        piece = first_draw(with_farm(target=target), replace(QUICK, seed=seed))
        outcome = named(piece, AUTO).outcome
        ccc.append(outcome.ccc)
        beside_the_mean.append(outcome.rmse / named(piece, MEAN).outcome.rmse)
        beside_plsr.append(outcome.rmse / named(piece, "PLSR local").outcome.rmse)
    assert abs(float(np.mean(ccc))) < 0.25
    assert np.mean(beside_the_mean) > 0.97  # a leak shows as an error below the mean predictor's
    assert np.mean(beside_plsr) > 0.7  # of noise nothing is left to be much better at


def beliefs(world: Landscape) -> list[float]:
    """How far the library priors of a farm believe the library: ρ."""
    ready = made_ready(world)
    folds = inner_folds(ready.farm.own, 0).folds
    models = learn_library(ready.library, 0)
    members, _ = fit_members(models, ready.farm, folds, None, only_auto=True)
    priors = [member.fitted.model for member in members if member.name.startswith("library prior")]
    return [abs(prior.belief) for prior in priors if isinstance(prior, PriorModel)]


def test_a_library_that_knows_something_else_is_not_believed() -> None:
    """Its lab values follow another absorber: a strong law, and the wrong one for this farm."""
    misleading = landscape(rows=20, samples=34, unlabelled=0, carrier=1)
    assert np.array_equal(misleading.farm.target, WORLD.farm.target)
    assert max(beliefs(misleading)) < 0.3 < 0.7 < min(beliefs(WORLD))


def test_a_misleading_library_does_not_help() -> None:
    library = landscape(rows=20, samples=34, unlabelled=0, carrier=1).library
    result = localise(library, WORLD.farm, settings=replace(QUICK, draws=3), execution=ON_CPU)
    assert not result.transfer_verdict.startswith("Transfer helped.")


def test_a_library_of_permuted_lab_values_changes_next_to_nothing() -> None:
    """Auto and auto without the library are the same kinds of model in the same places.

    So their predictions are near each other, beside the error they make: over six made farms by
    0.03 to 0.14 of it, where auto without the library's members alone was 0.13 to 0.71 away.
    """
    apart = []
    for seed in range(4):
        world = landscape(rows=20, samples=34, unlabelled=0, seed=seed)
        target = np.random.default_rng(seed).permutation(world.library.target)
        piece = first_draw(replace(world, library=replace(world.library, target=target)))
        auto, own = (named(piece, name).outcome for name in (AUTO, AUTO_LOCAL))
        difference = np.subtract(auto.predicted, own.predicted)
        apart.append(np.sqrt(np.mean(difference**2)) / own.rmse)
    assert float(np.mean(apart)) < 0.15


def test_an_honest_library_helps_where_the_farm_has_few_rows() -> None:
    few = replace(QUICK, n=10, draws=4)
    world = landscape(rows=40, samples=34, unlabelled=0)
    result = localise(world.library, world.farm, settings=few, execution=ON_CPU)
    assert result.transfer_verdict.startswith("Transfer helped.")
