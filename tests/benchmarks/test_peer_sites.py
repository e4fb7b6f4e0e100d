"""Peers on the draws of a localisation: the harness, its files and its table; no peer is installed.

What is slow or has to be installed is not run here; chemotools and scikit-learn are always there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path

import bench_peer_sites
import numpy as np
import pytest
from peers.by_hand import fit_by_hand, one_standard_error
from peers.lines import Line, append_lines, drop_half_line, read_lines
from peers.ours import OURS
from peers.peer import FOLDS, Peer, Predict, number_folds
from peers.table import compare, lay_table, list_failures

from autospec.data.sites import has_usa
from autospec.data.spectra import FloatArray
from autospec.errors import DataError
from autospec.localisation.result import AUTO, PLSR_LOCAL

SITE = "germany-rp"


def line(
    site: str, draw: int, model: str, rmse: float | None, *, rows: str = "same", failed: str = ""
) -> Line:
    return Line(
        site=site,
        draw=draw,
        model=model,
        rows=rows,
        n_train=30,
        n_test=1,
        seconds=2.0,
        rmse=rmse,
        predicted=() if rmse is None else (rmse,),
        failed=failed,
        about="made",
        version="none 1",
    )


def made_lines() -> list[Line]:
    """Two farms, two draws: the peer halves PLSR's error on one, doubles it on the other."""
    peer = {("a", 0): 1.0, ("a", 1): 2.0, ("b", 0): 8.0, ("b", 1): None}
    found = [line(*at, "peer", x, failed="" if x else "too few rows") for at, x in peer.items()]
    for site, draw in peer:
        hard = 100.0 if (site, draw) == ("b", 1) else 2.0 * (draw + 1) if site == "a" else 4.0
        found += [line(site, draw, PLSR_LOCAL, hard), line(site, draw, AUTO, hard / 2)]
    return found


def cells(table: str, model: str) -> list[str]:
    row = next(row for row in table.splitlines() if row.startswith(f"| {model} |"))
    return [cell.strip() for cell in row.strip("|").split("|")]


def test_a_row_is_the_geometric_mean_over_farms_on_the_draws_that_both_have() -> None:
    name, farms, fits, failed, ratio, worst, counts, won, *_ = cells(
        lay_table(made_lines(), ["peer"]), "peer"
    )
    assert (name, farms, fits, failed) == ("peer", "2", "4", "1")
    assert ratio == "1.000 (0.500 to 2.000)"
    assert (worst, counts, won) == ("2.00 (b)", "1 / 1", "67%")


def test_auto_stands_beside_a_peer_on_the_peers_draws() -> None:
    *_, auto, versus = cells(lay_table(made_lines(), ["peer", AUTO]), "peer")
    assert auto == "0.500"
    assert versus == "0.500 (0.250 to 1.000)"


def test_rows_stand_best_first_and_a_peer_that_never_fits_last() -> None:
    lines = [*made_lines(), line("a", 0, "broken", None, failed="no")]
    rows = lay_table(lines, ["broken", "peer", AUTO]).splitlines()[2:]
    assert [row.split("|")[1].strip() for row in rows] == [AUTO, "peer", "broken"]


def test_failures_are_counted_by_reason() -> None:
    assert list_failures(made_lines()) == "peer: 1 x too few rows"


@pytest.mark.parametrize("needed", [PLSR_LOCAL, AUTO])
def test_a_table_without_our_own_lines_is_refused(needed: str) -> None:
    with pytest.raises(DataError, match=needed):
        lay_table([one for one in made_lines() if one.model != needed], ["peer"])


def test_models_without_a_common_draw_are_not_compared() -> None:
    assert compare({("a", 0): 1.0}, {("a", 1): 1.0}) is None


def test_lines_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_lines(path, made_lines()[:2])
    append_lines(path, made_lines()[2:])
    assert read_lines([path]) == made_lines()


def test_what_a_killed_run_left_of_a_line_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    append_lines(path, made_lines())
    with path.open("a", encoding="utf-8") as file:
        file.write('{"site": "a", "dr')
    drop_half_line(path)
    assert read_lines([path]) == made_lines()


def test_of_two_files_with_the_same_model_the_first_counts(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    append_lines(first, [line("a", 0, "peer", 1.0)])
    append_lines(second, [line("a", 0, "peer", 9.0), line("a", 1, "peer", 9.0)])
    assert [one.rmse for one in read_lines([first, second])] == [1.0, 9.0]


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (line("a", 0, "peer", 1.0), "stands twice"),
        (line("a", 0, "other", 1.0, rows="others"), "other rows"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, second: Line, why: str) -> None:
    path = tmp_path / "lines.jsonl"
    append_lines(path, [line("a", 0, "peer", 1.0), second])
    with pytest.raises(DataError, match=f"line 2.*{why}"):
        read_lines([path])


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    path.write_text('{"a": 1}\n', encoding="utf-8")
    with pytest.raises(DataError, match="line 1: not a line"):
        read_lines([path])


def test_one_standard_error_takes_fewer_components_than_the_best_where_they_tell_no_more() -> None:
    rng = np.random.default_rng(0)
    one = rng.uniform(1, 3, size=(30, 1))
    errors = np.hstack([10 * one, 1.01 * one, one, 5 * one])
    assert one_standard_error(errors) == 2
    assert one_standard_error(np.hstack([10 * one, 5 * one, one, 5 * one])) == 3


def test_by_hand_learns_what_a_band_tells() -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(0.1, 1.0, size=60)
    bands = np.linspace(0, 1, 200)
    values = 0.5 + 0.1 * bands - 0.2 * depth[:, None] * np.exp(-(((bands - 0.4) / 0.03) ** 2))
    values = values * rng.uniform(0.9, 1.1, size=(60, 1)) + 1e-4 * rng.normal(size=(60, 200))
    predict = fit_by_hand(values[:30], depth[:30], [str(i) for i in range(30)])
    error = np.sqrt(np.mean((predict(values[30:]) - depth[30:]) ** 2))
    assert error < 0.1 * depth.std()


def test_inner_folds_of_a_peer_keep_replicates_together() -> None:
    groups = [f"sample {i // 2}" for i in range(30)]
    folds = number_folds(groups)
    assert set(folds) == set(range(FOLDS))
    assert (folds[0::2] == folds[1::2]).all()


def fit_mean(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    Path("left behind").touch()
    return lambda spectra: np.full(len(spectra), target.mean())


def fit_never(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    raise ValueError(f"wants 100 rows,\n not {len(target)}")


def fit_one(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    return lambda spectra: np.zeros(1)


def fit_nan(values: FloatArray, target: FloatArray, groups: Sequence[str]) -> Predict:
    return lambda spectra: np.full(len(spectra), math.nan)


def peer(name: str, fit: object, package: str = "numpy") -> Peer:
    return Peer(name=name, about="made", package=package, fit=fit)  # type: ignore[arg-type]


def test_a_peer_is_scored_on_the_sealed_rows_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    farm = bench_peer_sites.load_farm(SITE, 1)
    got = bench_peer_sites.run_peer(peer("mean", fit_mean), farm, 0)
    own, plan = farm.prepared.farm.own, farm.plans[0]
    test = own.target[plan.unseal()]
    wanted = np.sqrt(np.mean((test - own.target[plan.train].mean()) ** 2))
    assert got.rmse == pytest.approx(wanted, rel=1e-12)
    assert (got.n_train, got.n_test) == (30, len(test))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("fit", "why"),
    [
        (fit_never, r"ValueError: wants 100 rows, not 30"),
        (fit_one, r"ValueError: it predicted \(1,\), not 32 finite numbers"),
        (fit_nan, r"ValueError: it predicted \(32,\), not 32 finite numbers"),
    ],
)
def test_a_peer_that_fails_leaves_a_line_with_the_reason(fit: object, why: str) -> None:
    got = bench_peer_sites.run_peer(peer("broken", fit), bench_peer_sites.load_farm(SITE, 1), 0)
    assert got.rmse is None and got.predicted == ()
    assert re.fullmatch(why, got.failed)


def test_a_run_goes_on_where_it_was_stopped_and_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "lines.jsonl"
    mean, absent = peer("mean", fit_mean), peer("absent", fit_never, "no-such-package")
    monkeypatch.setattr(bench_peer_sites, "PEERS", (mean, absent))
    for draws in (range(1), range(2), range(2)):
        bench_peer_sites.run_all(path, [SITE], draws, ["mean", "absent"])
    assert [(one.model, one.draw) for one in read_lines([path])] == [("mean", 0), ("mean", 1)]
    said = capsys.readouterr().err
    assert "SKIP absent: no-such-package is not installed. Run: pip install" in said


def test_a_draw_has_the_same_rows_however_many_are_laid() -> None:
    few, many = (bench_peer_sites.load_farm(SITE, draws).plans for draws in (1, 3))
    assert few[0].train.tolist() == many[0].train.tolist()


@pytest.mark.skipif(not has_usa(), reason="the data package of the site usa is not installed")
def test_our_own_models_stand_on_the_rows_of_a_peer(tmp_path: Path) -> None:
    path = tmp_path / "lines.jsonl"
    bench_peer_sites.run_all(path, [SITE], range(1), [OURS, "by hand"])
    lines = {one.model: one for one in read_lines([path])}
    assert {AUTO, PLSR_LOCAL, "ridge", "SVR", "memory-based", "by hand"} <= lines.keys()
    assert len({one.rows for one in lines.values()}) == 1
    assert "| by hand | 1 | 1 | 0 |" in lay_table(list(lines.values()), ["by hand"])


def test_auto_is_not_measured_with_a_smaller_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("peers.ours.has_usa", lambda: False)
    bench_peer_sites.run_all(tmp_path / "lines.jsonl", [SITE], range(1), [OURS])
    assert "SKIP ours: the library is smaller" in capsys.readouterr().err
    assert not (tmp_path / "lines.jsonl").exists()


def test_times_are_refused_with_more_than_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["bench_peer_sites.py", "run", "-o", "lines.jsonl"])
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    with pytest.raises(SystemExit, match="OMP_NUM_THREADS=1"):
        bench_peer_sites.main()
