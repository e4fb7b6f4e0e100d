"""Members of a draw: one that fails costs its row only, and auto stays within reason."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from autospec.data.spectra import FloatArray
from autospec.data.splits import Fold
from autospec.errors import DataError, StudyFailed, TrialFailed
from autospec.evaluate.fitted import Fitted
from autospec.localisation import candidates
from autospec.localisation.auto import Auto, fit_autos
from autospec.localisation.candidates import READINGS, LibraryModels, is_nonnegative, learn_library
from autospec.localisation.farm import FarmSpectra
from autospec.localisation.members import Member, fit_members
from autospec.localisation.protocol import inner_folds
from autospec.localisation.result import AUTO, AUTO_LOCAL, MEAN, PLSR_LOCAL
from tests.localisation.landscape import FIELDS, few_recipes, landscape, made_ready

WORLD = landscape(rows=20, samples=24)
PREPARED = made_ready(WORLD)
TRAIN = PREPARED.farm.rows(np.arange(18))
TEST = PREPARED.farm.rows(np.arange(18, 24))
FOLDS = inner_folds(TRAIN.own, 0).folds
SELECTED = np.arange(0, 60, 3)
PRIORS = ("library prior", "library prior, derivative", "library prior, SNV")
TWINS = ("no prior", "no prior, derivative", "no prior, SNV")
IN_AUTO = {*PRIORS, "SVR"}
OTHERS = {
    *TWINS,
    MEAN,
    PLSR_LOCAL,
    "PLSR averaged",
    "GPR",
    "GPR, root",
    "GPR SNV",
    "ridge",
    "PLSR global",
    "PLSR global, slope and bias",
    "PLSR spiked",
    "PLSR on K∪m",
    "memory-based",
}


@pytest.fixture(autouse=True, scope="module")
def light() -> Iterator[None]:
    with few_recipes():
        yield


@pytest.fixture(scope="module")
def models() -> LibraryModels:
    return learn_library(PREPARED.library, 0)


@pytest.fixture(scope="module")
def fitted(models: LibraryModels) -> tuple[Member, ...]:
    members, failures = fit_members(models, TRAIN, FOLDS, SELECTED)
    assert failures == {}
    return members


def relabelled(farm: FarmSpectra, target: FloatArray) -> FarmSpectra:
    return FarmSpectra(
        own=replace(farm.own, target=target), aligned=replace(farm.aligned, target=target)
    )


def names(members: tuple[Member, ...]) -> set[str]:
    return {member.name for member in members} - {"Cubist"}  # it is an extra


def test_every_member_has_its_row(fitted: tuple[Member, ...]) -> None:
    assert names(fitted) == IN_AUTO | OTHERS
    assert {member.name for member in fitted if member.start > 0} == IN_AUTO


def test_members_predict_rows_they_never_saw(fitted: tuple[Member, ...]) -> None:
    predicted = np.stack([member.predict(TEST) for member in fitted])
    assert predicted.shape == (len(fitted), 6)
    assert np.isfinite(predicted).all()


def test_for_the_final_model_only_what_auto_is_made_of_is_fitted(models: LibraryModels) -> None:
    members, failures = fit_members(models, TRAIN, FOLDS, None, only_auto=True)
    assert (names(members), failures) == (IN_AUTO, {})


def test_without_a_selection_only_its_plsr_is_missing(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "fit_memory_based", lambda *_, **__: fake(20.0).fitted)
    members, failures = fit_members(models, TRAIN, FOLDS, None)
    assert names(members) == (IN_AUTO | OTHERS) - {"PLSR on K∪m"}
    assert failures == {}


@pytest.mark.parametrize(
    "error",
    [
        np.linalg.LinAlgError("no factor"),
        ValueError("flat spectra"),
        DataError("too few rows"),
        TrialFailed("no network"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_member_that_cannot_be_fitted_costs_only_its_row(
    models: LibraryModels,
    fitted: tuple[Member, ...],
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    def fail(*args: object, **options: object) -> Fitted:
        raise error

    monkeypatch.setattr(candidates, "fit_svr", fail)
    members, failures = fit_members(models, TRAIN, FOLDS, None, only_auto=True)
    assert failures == {"SVR": str(error)}
    assert names(members) == set(PRIORS)
    before = {member.name: member.predict(TEST) for member in fitted}
    for member in members:
        np.testing.assert_array_equal(member.predict(TEST), before[member.name])


def test_a_member_whose_folds_are_not_finite_does_not_take_part(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "fit_svr", lambda *_: fake(np.nan).fitted)
    members, failures = fit_members(models, TRAIN, FOLDS, None, only_auto=True)
    assert failures == {"SVR": "its out-of-fold predictions are not finite"}
    assert "SVR" not in names(members)


def test_our_own_mistakes_are_not_swallowed(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> Fitted:
        raise AssertionError("a bug")

    monkeypatch.setattr(candidates, "fit_svr", broken)
    with pytest.raises(AssertionError, match="a bug"):
        fit_members(models, TRAIN, FOLDS, None, only_auto=True)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [([0.0, 3.0], True), ([0.4, 80.0], True), ([-0.01, 3.0], False)],
)
def test_cube_roots_are_for_lab_values_from_zero(target: list[float], allowed: bool) -> None:
    assert is_nonnegative(np.array(target)) is allowed


def test_a_negative_lab_value_of_the_farm_leaves_out_its_own_roots_only(
    models: LibraryModels, fitted: tuple[Member, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The priors go on: their scale is the library's, and a cube root may be negative."""
    target = TRAIN.own.target.copy()
    target[4] = -0.5
    members, failures = fit_members(models, relabelled(TRAIN, target), FOLDS, SELECTED)
    assert (names(members), failures) == (names(fitted) - {"GPR, root"}, {})
    predicted = np.stack([member.predict(TEST) for member in members])
    assert np.isfinite(predicted).all()


def test_a_negative_lab_value_of_the_library_leaves_out_all_roots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    target = PREPARED.library.target.copy()
    target[4] = -0.5
    models = learn_library(replace(PREPARED.library, target=target), 0)
    assert [prior.root for prior in models.priors] == [False] * 3
    members, failures = fit_members(models, TRAIN, FOLDS, None)
    assert failures == {}
    about = {member.name: member.fitted.detail for member in members}
    assert {name for name, words in about.items() if "cube root" in words} == {"GPR, root"}


def test_the_library_is_read_in_three_ways_on_roots(models: LibraryModels) -> None:
    assert [prior.root for prior in models.priors] == [True] * 3
    assert [prior.recipes for prior in models.priors] == [reading[2] for reading in READINGS]
    sources = ["all fields"]  # fields of 20 rows are no sources
    assert [[s.name for s in prior.sources] for prior in models.priors] == [sources] * 3


def test_large_fields_of_the_library_are_named_where_they_are_believed() -> None:
    world = landscape(rows=32, samples=24)
    ready = made_ready(world)
    members, _ = fit_members(learn_library(ready.library, 0), TRAIN, FOLDS, None, only_auto=True)
    told = next(member.fitted.detail for member in members if member.name == "library prior")
    assert any(f"% {name}" in told for name in ("all fields", *FIELDS))


def test_without_a_prior_the_library_has_no_say(
    models: LibraryModels, fitted: tuple[Member, ...]
) -> None:
    other = replace(PREPARED.library, target=PREPARED.library.target[::-1].copy())
    members, _ = fit_members(learn_library(other, 1), TRAIN, FOLDS, None)
    twins = {member.name: member.predict(TEST) for member in fitted if member.name in TWINS}
    assert set(twins) == set(TWINS)
    for member in members:
        if member.name in TWINS:
            np.testing.assert_array_equal(member.predict(TEST), twins[member.name])


def test_the_two_autos_start_alike(fitted: tuple[Member, ...]) -> None:
    """Where all members agree, weights stay where they start: like for like in both."""
    same = tuple(replace(m, fitted=fitted[0].fitted) for m in fitted)
    auto, own = (
        {m.name: w for m, w in zip(a.members, a.weights, strict=True)}
        for a in fit_autos(same, TRAIN.own.target)
    )
    assert [own[name] for name in TWINS] == pytest.approx([auto[n] for n in PRIORS], abs=1e-6)
    assert own["SVR"] == pytest.approx(auto["SVR"], abs=1e-6)
    assert len(own) == len(auto) == 4


def test_auto_mixes_all_and_its_twin_only_those_of_the_farm(fitted: tuple[Member, ...]) -> None:
    auto, own = fit_autos(fitted, TRAIN.own.target)
    assert (auto.name, auto.uses) == (AUTO, "both")
    assert (own.name, own.uses) == (AUTO_LOCAL, "farm")
    assert {member.name for member in auto.members} == IN_AUTO
    assert {member.uses for member in own.members} == {"farm"}
    assert {member.name for member in own.members} == {*TWINS, "SVR"}


def test_auto_is_the_weighted_mean_of_its_members(fitted: tuple[Member, ...]) -> None:
    auto = fit_autos(fitted, TRAIN.own.target)[0]
    assert auto.weights.sum() == pytest.approx(1.0)
    each = [np.clip(member.predict(TEST), auto.low, auto.high) for member in auto.members]
    expected = sum(w * e for w, e in zip(auto.weights, each, strict=True))
    np.testing.assert_allclose(auto.predict(TEST), expected, rtol=1e-12)


def test_auto_says_what_it_is_made_of_largest_first(fitted: tuple[Member, ...]) -> None:
    auto = fit_autos(fitted, TRAIN.own.target)[0]
    shares = [int(part.split("%")[0]) for part in auto.detail.split(", ") if "%" in part]
    assert len(shares) == len(auto.members)
    assert shares == sorted(shares, reverse=True)


def test_where_all_members_agree_the_library_has_eight_ninths(fitted: tuple[Member, ...]) -> None:
    """Shared 2 : 1 : 1 by the prior on four preprocessings and those on one."""
    same = tuple(replace(m, fitted=fitted[0].fitted) for m in fitted)
    auto = fit_autos(same, TRAIN.own.target)[0]
    weights = dict(zip((m.name for m in auto.members), auto.weights, strict=True))
    expected = {**dict(zip(PRIORS, (4 / 9, 2 / 9, 2 / 9), strict=True)), "SVR": 1 / 9}
    assert weights == pytest.approx(expected, abs=1e-6)


class _Constant:
    def __init__(self, value: float) -> None:
        self.value = value

    def predict(self, values: FloatArray) -> FloatArray:
        return np.full(len(values), self.value)


def fake(predicted: float, held: FloatArray | None = None) -> Member:
    out_of_fold = np.full(TRAIN.own.n, predicted) if held is None else held
    return Member(
        name=f"always {predicted:g}",
        about="made",
        uses="farm",
        sees="own",
        fitted=Fitted(model=_Constant(predicted), out_of_fold=out_of_fold, detail=""),
        start=1.0,
        seconds=0.0,
    )


def mixed(*predicted: float) -> Auto:
    held = TRAIN.own.target + np.random.default_rng(0).normal(size=TRAIN.own.n)
    return fit_autos(tuple(fake(p, held) for p in predicted), TRAIN.own.target)[0]


@pytest.mark.parametrize("wild", [1e12, -1e12, np.inf, -np.inf])
def test_a_member_that_explodes_leaves_auto_within_the_range(wild: float) -> None:
    y = TRAIN.own.target
    predicted = mixed(20.0, wild).predict(TEST)
    assert (predicted >= max(0.0, y.min() - np.ptp(y) / 2)).all()
    assert (predicted <= y.max() + np.ptp(y) / 2).all()


def test_a_member_without_a_number_has_no_say_in_the_row() -> None:
    np.testing.assert_allclose(mixed(20.0, np.nan, 22.0).predict(TEST), 21.0, rtol=1e-6)


def test_auto_is_never_negative_where_no_lab_value_is() -> None:
    auto = fit_autos((fake(-30.0),), TRAIN.own.target - TRAIN.own.target.min())[0]
    assert auto.predict(TEST).min() == 0.0


def test_auto_may_be_negative_where_lab_values_are() -> None:
    y = TRAIN.own.target - 40.0
    auto = fit_autos((fake(-30.0),), y)[0]
    assert auto.predict(TEST)[0] == pytest.approx(-30.0)


def fail_for(monkeypatch: pytest.MonkeyPatch, *functions: str) -> None:
    def fail(*args: object, **options: object) -> Fitted:
        raise ValueError("not today")

    for function in functions:
        monkeypatch.setattr(candidates, function, fail)


def test_auto_goes_on_without_any_member_of_the_farm_alone(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(monkeypatch, "fit_svr")
    members, _ = fit_members(models, TRAIN, FOLDS, None, only_auto=True)
    assert [auto.name for auto in fit_autos(members, TRAIN.own.target)] == [AUTO]
    assert {member.uses for member in members} == {"both"}


def test_auto_goes_on_without_any_prior(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(monkeypatch, "fit_on_prior")
    members, failures = fit_members(models, TRAIN, FOLDS, None, only_auto=True)
    assert (names(members), set(failures)) == ({"SVR"}, set(PRIORS))
    for auto in fit_autos(members, TRAIN.own.target):
        assert (auto.uses, auto.detail) == ("farm", "100% SVR")


def test_with_nothing_to_make_auto_of_the_reasons_are_told(
    models: LibraryModels, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_for(monkeypatch, "fit_svr", "fit_on_prior")
    with pytest.raises(StudyFailed, match=r"no member of auto.*SVR: not today"):
        fit_members(models, TRAIN, FOLDS, None, only_auto=True)


def test_constant_training_rows_are_predicted_as_they_are(models: LibraryModels) -> None:
    """A draw of a farm whose samples are nearly all at the detection limit."""
    flat = relabelled(TRAIN, np.full(TRAIN.own.n, 7.0))
    folds: tuple[Fold, ...] = inner_folds(flat.own, 0).folds
    members, _ = fit_members(models, flat, folds, None, only_auto=True)
    for auto in fit_autos(members, flat.own.target):
        np.testing.assert_allclose(auto.predict(TEST), 7.0)
