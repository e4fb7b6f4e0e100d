"""The sealed test set and the inner folds: whole groups, like the whole, repeatable, one door."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score
from sklearn.model_selection import KFold
from sklearn.neighbors import KNeighborsRegressor

import autospec
from autospec.data import splits
from autospec.data.sites import load_site
from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.data.splits import Fold, SplitPlan, make_folds, make_split_plan
from autospec.errors import DataError

PACKAGE = Path(autospec.__file__).parent


def made(
    groups: Sequence[object], fields: Sequence[object] | None = None, seed: int = 0
) -> Spectra:
    """Three bands of noise, with these groups and fields."""
    rng = np.random.default_rng(seed)
    n = len(groups)
    return Spectra(
        values=rng.normal(size=(n, 3)),
        axis=np.array([500.0, 510.0, 520.0]),
        axis_unit="nm",
        quantity="absorbance",
        ids=tuple(f"s{i}" for i in range(n)),
        groups=tuple(map(str, groups)),
        fields=tuple(map(str, fields)) if fields is not None else ("f",) * n,
        target=rng.lognormal(2.0, 0.6, n),
        target_name="soc",
        target_unit="g/kg",
    )


@st.composite
def tables(draw: st.DrawFn) -> Spectra:
    """20 to 60 groups of 1 to 6 rows, in 1 to 3 fields of any sizes."""
    sizes = draw(st.lists(st.integers(1, 6), min_size=20, max_size=60))
    groups = np.repeat(np.arange(len(sizes)), sizes)
    n_fields = draw(st.integers(1, 3))
    fields = np.sort(draw(st.integers(0, 2**16)) * np.arange(len(groups)) % 97) * n_fields // 97
    return made(groups.tolist(), fields.tolist(), seed=draw(st.integers(0, 99)))


plans = {
    "table": tables(),
    "test_fraction": st.sampled_from([0.1, 0.2, 0.25, 0.5]),
    "n_folds": st.integers(2, 5),
    "repeats": st.integers(1, 2),
    "seed": st.integers(0, 999),
}


def pieces(plan: SplitPlan) -> Iterator[tuple[IntArray, IntArray]]:
    """Every pair of rows of the table that must not meet: (train, test), then (fit, score)."""
    yield plan.train, plan.unseal()
    for fold in plan.folds:
        yield plan.train[fold.fit], plan.train[fold.score]


@given(**plans)
@settings(max_examples=60, deadline=None)
def test_pieces_are_disjoint_cover_all_and_cut_no_group(
    table: Spectra, test_fraction: float, n_folds: int, repeats: int, seed: int
) -> None:
    plan = make_split_plan(
        table, test_fraction=test_fraction, n_folds=n_folds, repeats=repeats, seed=seed
    )
    groups = np.asarray(table.groups)
    everything = [np.arange(table.n)] + [plan.train] * (n_folds * repeats)
    both = list(pieces(plan))
    assert len(both) == 1 + n_folds * repeats
    assert all(len(left) and len(right) for left, right in both)
    assert all(
        np.array_equal(np.sort(np.concatenate(pair)), rows)
        for pair, rows in zip(both, everything, strict=True)
    )
    assert all(not set(groups[left]) & set(groups[right]) for left, right in both)
    scored = [f.score for f in plan.folds[:n_folds]]
    assert np.array_equal(np.sort(np.concatenate(scored)), np.arange(len(plan.train)))


@given(**plans)
@settings(max_examples=60, deadline=None)
def test_the_sealed_share_is_near_the_wanted_one(
    table: Spectra, test_fraction: float, n_folds: int, repeats: int, seed: int
) -> None:
    plan = make_split_plan(
        table, test_fraction=test_fraction, n_folds=n_folds, repeats=repeats, seed=seed
    )
    # A greedy cutter can do no better than one whole group (6 rows at most); a tenth is allowed.
    wanted = table.n * test_fraction
    assert abs(plan.n_test - wanted) <= max(6, wanted / 10)
    assert plan.n_test == len(plan.unseal())


def counts_by_field_and_quintile(table: Spectra, piece: IntArray) -> tuple[FloatArray, FloatArray]:
    """Rows of each field and fifth of its target: in all of the table, and in the piece."""
    whole, part = [], []
    for field in sorted(set(table.fields)):
        rows = np.flatnonzero(np.asarray(table.fields) == field)
        for fifth in np.array_split(rows[np.argsort(table.target[rows], kind="stable")], 5):
            whole.append(len(fifth))
            part.append(len(np.intersect1d(fifth, piece)))
    return np.array(whole, dtype=float), np.array(part, dtype=float)


@pytest.mark.parametrize("seed", range(6))
def test_sealed_rows_look_like_the_whole_of_sweden(seed: int) -> None:
    sweden = load_site("sweden")
    sealed = make_split_plan(sweden, seed=seed).unseal()
    whole, part = counts_by_field_and_quintile(sweden, sealed)
    # 24 or 25 rows a cell, of which whole rows go to a quarter: 6 or 7.
    np.testing.assert_allclose(part, whole / 4, atol=1.0)
    # Within a fifth of the range a draw is free: the mean stays within a fifth of an sd.
    free = 0.2 * sweden.target.std()
    assert abs(sweden.target[sealed].mean() - sweden.target.mean()) <= free


@pytest.mark.parametrize("fold", range(5))
def test_inner_folds_look_like_the_training_rows_of_sweden(fold: int) -> None:
    sweden = load_site("sweden")
    plan = make_split_plan(sweden, seed=1)
    train = sweden.rows(plan.train)
    whole, part = counts_by_field_and_quintile(train, plan.folds[fold].score)
    # 18 or 19 rows a cell; their fifths differ from the splitter's by a row at each end.
    np.testing.assert_allclose(part, whole / 5, atol=2.0)


def test_the_same_seed_gives_the_same_plan_and_another_seed_another() -> None:
    table = made(range(60))
    digests = [make_split_plan(table, seed=seed).digest for seed in (0, 0, 1, 2)]
    assert digests[0] == digests[1]
    assert len(set(digests)) == 3


def test_the_digest_covers_sealed_rows_and_folds() -> None:
    plan = make_split_plan(made(range(60)))
    moved = replace(plan, folds=plan.folds[::-1])
    other = replace(plan, sealed=plan.unseal()[::-1])
    assert len({plan.digest, moved.digest, other.digest}) == 3


def rows_of(folds: Sequence[Fold]) -> list[list[int]]:
    return [fold.score.tolist() for fold in folds]


def test_repeats_differ_and_do_not_depend_on_their_number() -> None:
    table = made(range(60))
    one, three = (make_split_plan(table, repeats=r, seed=4) for r in (1, 3))
    assert rows_of(three.folds[:5]) == rows_of(one.folds)
    np.testing.assert_array_equal(three.unseal(), one.unseal())
    assert rows_of(three.folds[5:10]) != rows_of(three.folds[:5])
    assert rows_of(three.folds[10:]) != rows_of(three.folds[5:10])


def test_folds_of_a_table_are_those_of_the_plan() -> None:
    table = made(range(60))
    plan = make_split_plan(table, repeats=2, seed=4)
    assert rows_of(make_folds(table.rows(plan.train), 5, 2, 4)) == rows_of(plan.folds)


@pytest.mark.parametrize(
    ("groups", "n_folds", "found"),
    [
        (range(19), 5, "19 labelled rows in 19 groups"),
        ([i // 10 for i in range(60)], 5, "60 labelled rows in 6 groups"),
        (range(21), 11, "21 labelled rows"),
    ],
)
def test_too_few_rows_or_groups_are_refused(
    groups: Sequence[int], n_folds: int, found: str
) -> None:
    with pytest.raises(DataError, match=f"{found}.*too few.*want at least"):
        make_split_plan(made(groups), n_folds=n_folds)


def test_unlabelled_rows_are_our_own_bug() -> None:
    table = made(range(30))
    target = table.target.copy()
    target[3] = np.nan
    with pytest.raises(AssertionError, match="labelled rows only"):
        make_split_plan(replace(table, target=target))


def test_a_sample_scanned_twice_is_sealed_under_some_seeds_and_not_under_others() -> None:
    table = made([*range(60), 0])
    sealed = [60 in make_split_plan(table, seed=seed).unseal() for seed in range(40)]
    # A quarter of 40 is 10, sd 2.7: within three sd.
    assert 2 <= sum(sealed) <= 18


@pytest.mark.parametrize("seed", range(3))
def test_one_giant_group_leaves_enough_groups_for_the_folds(seed: int) -> None:
    table = made([0] * 100 + list(range(1, 10)))
    plan = make_split_plan(table, test_fraction=0.5, n_folds=5, seed=seed)
    assert len({table.groups[i] for i in plan.train}) >= 5
    assert all(len(fold.score) for fold in plan.folds)


@pytest.mark.parametrize("tiny", [1, 3, 8])
def test_a_tiny_field_is_split_without_a_warning(tiny: int) -> None:
    table = made(range(60 + tiny), ["large"] * 60 + ["tiny"] * tiny)
    assert make_split_plan(table).n_test == pytest.approx((60 + tiny) / 4, abs=2)


# The canary: a target that belongs to the sample, and says nothing about its spectrum. Replicate
# scans of one sample are near copies, so only a model that has seen the sample can predict it.


def replicated(seed: int) -> Spectra:
    """40 samples scanned five times."""
    rng = np.random.default_rng(seed)
    groups = np.repeat(np.arange(40), 5)
    spectra, target = rng.normal(size=(40, 8)), rng.lognormal(2.0, 0.6, 40)
    return replace(
        made(groups.tolist()),
        values=spectra[groups] + 0.01 * rng.normal(size=(200, 8)),
        axis=np.arange(8.0),
        target=target[groups],
    )


def nearest_neighbour_r2(table: Spectra, pairs: Sequence[tuple[IntArray, IntArray]]) -> float:
    predicted = [
        KNeighborsRegressor(1).fit(table.values[fit], table.target[fit]).predict(table.values[rows])
        for fit, rows in pairs
    ]
    observed = np.concatenate([table.target[rows] for _, rows in pairs])
    return float(r2_score(observed, np.concatenate(predicted)))


class Ungrouped:
    """StratifiedGroupKFold's manners around a plain KFold."""

    def __init__(self, n_splits: int, shuffle: bool, random_state: int) -> None:
        self.cutter = KFold(n_splits, shuffle=shuffle, random_state=random_state)

    def split(
        self, X: IntArray, y: IntArray, groups: IntArray
    ) -> Iterator[tuple[IntArray, IntArray]]:
        return self.cutter.split(X)  # type: ignore[no-any-return]


def cross_validated_and_sealed_r2(seed: int) -> tuple[float, float]:
    """R2 over the inner folds, and over the sealed rows of six plans (one plan has 10 samples)."""
    table = replicated(seed)
    plans = [list(pieces(make_split_plan(table, seed=s))) for s in range(6)]
    folds, sealed = plans[0][1:], [plan[0] for plan in plans]
    return nearest_neighbour_r2(table, folds), nearest_neighbour_r2(table, sealed)


@pytest.mark.parametrize("seed", range(3))
def test_a_group_only_target_cannot_be_predicted_across_a_split(seed: int) -> None:
    assert max(cross_validated_and_sealed_r2(seed)) <= 0.05


@pytest.mark.parametrize("seed", range(3))
def test_the_canary_sings_when_groups_are_ignored(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(splits, "StratifiedGroupKFold", Ungrouped)
    assert min(cross_validated_and_sealed_r2(seed)) > 0.5


def files_with_attribute(name: str) -> set[str]:
    """Files of the package that read an attribute of this name, or spell it in a getattr."""
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            attribute = isinstance(node, ast.Attribute) and node.attr == name
            text = isinstance(node, ast.Constant) and node.value == name
            if attribute or text:
                found.add(path.relative_to(PACKAGE).as_posix())
    return found


def test_only_the_final_evaluation_opens_the_sealed_rows() -> None:
    searches = {f"search/{kind}final.py" for kind in ("", "cubes/", "maps/")}
    trainings = {"training/cube_fit.py", "training/map_fit.py"}
    told = {"training/map_outcome.py"}  # says which dates and how many cells were sealed
    doors = {*searches, *trainings, "localisation/protocol.py"}
    assert files_with_attribute("unseal") == doors | told


def test_only_the_plan_itself_reads_the_sealed_field() -> None:
    assert files_with_attribute("sealed") == {"data/splits.py"}
