"""RS-Local v1: equal to its slow twin, exact in size, finds what was planted, repeats itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from autospec import DataError, RSLocalSettings, rs_local
from autospec.data.spectra import Spectra, join_spectra
from autospec.errors import UsageError
from autospec.transfer import pls
from autospec.transfer.selection import Generation
from tests.transfer.planted import as_table, planted
from tests.transfer.reference import slow_rs_local

SMALL = RSLocalSettings(k=40, b=8, r=0.1, components=6, tolerance=0.0)
CASE = planted(200, 20, b=50, seed=2)


def test_rows_and_errors_equal_the_slow_twin() -> None:
    case = planted(90, 12, b=40, seed=9)
    kept, errors = slow_rs_local(
        case.library, case.local, k=20, b=10, r=0.2, components=4, target=30, seed=5
    )
    settings = RSLocalSettings(k=20, b=10, r=0.2, components=4, target=30, tolerance=0.0)
    selection = rs_local(case.library, case.local, settings, seed=5, device="cpu")
    np.testing.assert_array_equal(selection.indices, kept)
    means = [generation.error_mean for generation in selection.trace]
    # float64 against float64 through a Gram matrix, as in test_pls
    np.testing.assert_allclose(means, [e.mean() for e in errors], rtol=1e-8)
    assert [g.draws for g in selection.trace] == [len(e) for e in errors]


@pytest.mark.parametrize("seed", range(3))
def test_the_default_rotation_selects_what_no_rotation_selects(seed: int) -> None:
    case = planted(600, 30, b=100, seed=seed)
    cut = RSLocalSettings(k=60, b=20, r=0.1, components=8)
    rows = rs_local(case.library, case.local, cut, seed=seed, device="cpu")
    whole = rs_local(case.library, case.local, replace(cut, tolerance=0.0), seed=seed, device="cpu")
    assert rows.rank <= whole.rank == 100
    # errors of draws move by 2e-6, scores of rows at a cut lie further apart in a small library
    assert np.isin(rows.indices, whole.indices).mean() >= 0.99


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(13, 80),
    k=st.integers(4, 60),
    extra=st.integers(0, 20),
    r=st.floats(0.001, 0.95),
    version=st.sampled_from(["v1", "v2"]),
)
def test_exactly_the_wanted_number_of_rows_comes_back(
    n: int, k: int, extra: int, r: float, version: str
) -> None:
    case = planted(n, 5, b=12, seed=n)
    asked = RSLocalSettings(version=version, k=k, b=1, r=r, components=2, target=k + extra)
    if k + extra >= n:
        with pytest.raises(UsageError, match="want both below"):
            rs_local(case.library, case.local, asked, device="cpu")
        return
    selection = rs_local(case.library, case.local, asked, device="cpu")
    assert len(selection.indices) == len(set(selection.indices)) == k + extra
    assert selection.indices.min() >= 0 and selection.indices.max() < n
    assert sum(g.dropped for g in selection.trace) == n - k - extra
    assert all(g.dropped >= 1 for g in selection.trace)


def test_planted_rows_are_found() -> None:
    asked = RSLocalSettings(k=100, b=60, r=0.1, components=12)
    found = []
    for seed in range(5):
        case = planted(1500, 40, b=60, seed=seed)
        indices = rs_local(case.library, case.local, asked, seed=seed, device="cpu").indices
        found.append(case.enrichment(indices))
    # by chance 1 with sd sqrt(.75/.25/100) = 0.17, and 0.08 for the mean of five
    assert np.mean(found) >= 1.5
    assert min(found) >= 1.25


def test_permuted_local_values_find_nothing() -> None:
    found = []
    for seed in range(6):
        case = planted(800, 30, b=60, seed=seed)
        shuffled = np.random.default_rng(seed).permutation(case.local.target)
        asked = RSLocalSettings(k=60, b=10, r=0.1, components=6, target=120, tolerance=1e-6)
        local = replace(case.local, target=shuffled)
        found.append(case.enrichment(rs_local(case.library, local, asked, seed=seed).indices))
    # 120 of 800 rows by chance: enrichment 1 with sd sqrt(.75/.25/120) = 0.16; mean of six 0.065.
    # Draws share rows, so kinds are kept in clumps: the sd seen over ten seeds is 0.09 a selection.
    assert abs(np.mean(found) - 1.0) < 0.2  # three sd


def test_survivors_come_back_not_the_dropped() -> None:
    case = planted(400, 30, b=50, seed=3)
    selection = rs_local(case.library, case.local, SMALL, device="cpu")
    library = selection.pick(case.library)
    assert library.ids == selection.ids
    np.testing.assert_array_equal(library.values, case.library.values[selection.indices])
    assert selection.trace[-1].error_mean < 0.8 * selection.trace[0].error_mean
    assert selection.stopped == "target"


def test_the_same_seed_gives_the_same_rows_in_fresh_processes() -> None:
    code = (
        "import torch; torch.set_num_threads({threads})\n"
        "from autospec import RSLocalSettings, rs_local\n"
        "from tests.transfer.planted import planted\n"
        "case = planted(200, 20, b=50, seed=2)\n"
        "asked = RSLocalSettings(k=40, b=8, r=0.1, components=6, tolerance=0.0)\n"
        "print(rs_local(case.library, case.local, asked, seed=7, device='cpu').indices.tolist())"
    )
    root = Path(__file__).parents[2]
    outputs = [
        subprocess.run(
            [sys.executable, "-c", code.format(threads=threads)],
            check=True,
            cwd=root,
            capture_output=True,
            text=True,
        ).stdout
        for threads in (1, 2)
    ]
    here = rs_local(CASE.library, CASE.local, SMALL, seed=7, device="cpu").indices.tolist()
    assert outputs == [f"{here}\n"] * 2
    other = rs_local(CASE.library, CASE.local, SMALL, seed=8, device="cpu").indices.tolist()
    assert other != here


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_chunks_do_not_change_the_rows(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = replace(SMALL, version=version)
    rows = []
    for size in (1, 300_000, 10**9):
        monkeypatch.setitem(pls.CHUNK_BYTES, "cpu", size)
        rows.append(rs_local(CASE.library, CASE.local, asked, device="cpu").indices.tolist())
    assert rows[0] == rows[1] == rows[2]


def test_the_library_is_only_read() -> None:
    before = CASE.library.digest, CASE.local.digest
    state = torch.random.get_rng_state().clone(), np.random.get_state()[1].copy()  # noqa: NPY002
    rs_local(CASE.library, CASE.local, SMALL, device="cpu")
    assert (CASE.library.digest, CASE.local.digest) == before
    assert torch.equal(torch.random.get_rng_state(), state[0])
    assert np.array_equal(np.random.get_state()[1], state[1])  # noqa: NPY002


def test_progress_hears_every_generation() -> None:
    heard: list[Generation] = []
    selection = rs_local(CASE.library, CASE.local, SMALL, device="cpu", progress=heard.append)
    assert tuple(heard) == selection.trace
    assert [g.number for g in heard] == list(range(1, len(heard) + 1))
    assert all(g.draws == round(g.size * SMALL.b / SMALL.k) for g in heard)
    assert selection.fits == sum(g.draws for g in heard)


def test_draws_that_cannot_be_fitted_are_discarded_and_counted() -> None:
    target = CASE.library.target.copy()
    target[:150] = 10.0
    library = replace(CASE.library, target=target)
    asked = RSLocalSettings(k=8, b=4, r=0.3, components=2, target=120, tolerance=0.0)
    selection = rs_local(library, CASE.local, asked, device="cpu")
    assert selection.discarded > 0
    assert all(np.isfinite(g.error_mean) for g in selection.trace)
    flat = replace(CASE.library, target=np.full(200, 10.0))
    with pytest.raises(DataError, match="none of 40 draws"):
        rs_local(flat, CASE.local, SMALL, device="cpu")


def test_rows_of_the_farm_are_purged_and_counted() -> None:
    again = CASE.local.rows([0, 1, 2, 3])
    renamed = replace(again, ids=("a", "b", "c", "farm-3"), values=again.values.astype("f4") * 1.0)
    replicate = replace(CASE.library.rows([0]), ids=("a",))
    parts = [CASE.library, replace(renamed, values=renamed.values.astype("f8")), replicate]
    selection = rs_local(join_spectra(parts), CASE.local, SMALL, device="cpu")
    assert selection.purged == 5
    assert "5 library rows are the farm's own" in selection.notes[0]
    assert "1 by name, 3 by spectrum, 1 as their replicates" in selection.notes[0]
    assert selection.indices.max() < 200
    alone = rs_local(CASE.library, CASE.local, SMALL, device="cpu")
    np.testing.assert_array_equal(selection.indices, alone.indices)


def test_rows_without_lab_values_take_no_part() -> None:
    target = CASE.library.target.copy()
    target[::4] = np.nan
    local_target = CASE.local.target.copy()
    local_target[0] = np.nan
    library = replace(CASE.library, target=target)
    local = replace(CASE.local, target=local_target)
    selection = rs_local(library, local, SMALL, device="cpu")
    assert selection.unlabelled == 50 and selection.judges == 19
    assert not set(selection.indices) & set(range(0, 200, 4))
    assert "50 library rows have no lab value" in selection.notes[1]


OTHER_AXIS = replace(CASE.local, axis=CASE.local.axis + 1.0)


@pytest.mark.parametrize(
    ("local", "wanted"),
    [
        (CASE.local.rows([0, 1]), "2 local rows can judge; want at least 3"),
        (OTHER_AXIS, "want the same bands. Resample"),
        (replace(CASE.local, target_unit="%"), "target unit: 'g/kg' in the library, '%'"),
        (replace(CASE.local, target_name="clay"), "target: 'soc' in the library, 'clay'"),
        (replace(CASE.local, quantity="reflectance"), "quantity: 'absorbance' in the library"),
    ],
    ids=["two rows", "axis", "unit", "target", "quantity"],
)
def test_a_farm_that_does_not_fit_is_refused(local: Spectra, wanted: str) -> None:
    with pytest.raises(DataError, match=wanted):
        rs_local(CASE.library, local, SMALL, device="cpu")


def test_a_library_of_one_spectrum_is_refused() -> None:
    same = as_table(np.ones((50, 50)), np.arange(50.0), CASE.local.axis, "lib")
    with pytest.raises(DataError, match="all 50 spectra are the same"):
        rs_local(same, CASE.local, SMALL, device="cpu")


@pytest.mark.parametrize("k", [200, 300])
def test_a_draw_as_large_as_the_library_is_refused(k: int) -> None:
    with pytest.raises(UsageError, match=f"k = {k} .* on 200 usable library rows"):
        rs_local(CASE.library, CASE.local, RSLocalSettings(k=k), device="cpu")


@pytest.mark.parametrize(
    ("wrong", "wanted"),
    [
        ({"k": 11}, "k = 11 with 10 components; want k above 11"),
        ({"k": 50, "target": 40}, "target = 40 is below k = 50"),
        ({"r": 0.0}, "r = 0.0; want above 0"),
        ({"r": 1.0}, "r = 1.0; want above 0"),
        ({"b": 0}, "b = 0; want at least 1"),
        ({"components": 0}, "components = 0"),
        ({"tolerance": 0.5}, "tolerance = 0.5; want 0 to 0.01"),
        ({"version": "v3"}, "version = 'v3'"),
        ({"drop": "quantile"}, "drop: not part of v1"),
        ({"grouped": True, "patience": 3}, "grouped, patience: not part of v1"),
        ({"version": "v2", "criteria": ()}, "criteria = \\(\\)"),
        ({"version": "v2", "criteria": ("range", "range")}, "each once"),
        ({"version": "v2", "drop": "half"}, "drop = 'half'"),
        ({"version": "v2", "local_share": 1.0}, "local_share = 1.0"),
        ({"version": "v2", "patience": 0}, "patience = 0"),
    ],
    ids=lambda value: None if isinstance(value, str) else ",".join(value),
)
def test_settings_that_cannot_run_are_refused(wrong: dict[str, object], wanted: str) -> None:
    with pytest.raises(UsageError, match=wanted):
        RSLocalSettings(**wrong)  # type: ignore[arg-type]
