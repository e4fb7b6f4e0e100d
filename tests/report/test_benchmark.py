"""The sums of a benchmark: ratios over farms, who is best, coverage, the revision of a clone."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.localisation.result import AUTO, LOCAL, MEAN, PLSR_LOCAL, LocalisationResult
from autospec.report.benchmark import (
    describe_origins,
    git_revision,
    over_best,
    site_models,
    summarise_part,
)
from autospec.report.benchmark_result import BenchmarkPart, ModelSummary, Ratio, SiteModel
from autospec.report.localise_summary import SiteRow, site_row


def line(site: str, ratio: float, **changes: object) -> SiteModel:
    made = SiteModel(
        site=site,
        target="soc",
        unit="g/kg",
        n=30,
        n_train=30,
        model=AUTO,
        kind="auto",
        draws=20,
        test_rows=640,
        rmse=3.0,
        plsr=Ratio(value=ratio, low=ratio - 0.1, high=ratio + 0.1, better="cannot tell"),
        local=None,
        over_best=1.0,
        level=0.9,
        covered=0.92,
        seconds=2.0,
    )
    return replace(made, **changes)  # type: ignore[arg-type]


def summed(*lines: SiteModel) -> ModelSummary:
    (model,) = summarise_part(lines, [], "soc", 30, seed=0).models
    return model


def part_of(result: LocalisationResult) -> BenchmarkPart:
    rows = [site_row(result), SiteRow(name="france", reason="too small")]
    return summarise_part(site_models(result), rows, "soc", 30, seed=0)


def test_a_line_holds_the_results_numbers(localisation: LocalisationResult) -> None:
    lines = {one.model: one for one in site_models(localisation)}
    assert list(lines) == [model.name for model in localisation.models]
    auto, row = lines[AUTO], localisation.model(AUTO)
    assert (auto.site, auto.target, auto.unit, auto.n) == ("sweden-skane", "soc", "g/kg", 30)
    assert (auto.n_train, auto.draws, auto.test_rows) == (30, 10, 950)
    assert auto.rmse == pytest.approx(row.rmse.value)
    assert auto.plsr is not None and row.versus_plsr is not None
    assert auto.plsr.value == pytest.approx(1 - row.versus_plsr.reduction_percent / 100)
    assert auto.plsr.low < auto.plsr.value < auto.plsr.high
    assert auto.plsr.better == row.versus_plsr.better
    assert (auto.level, auto.covered) == (0.9, 0.911)
    assert auto.seconds == pytest.approx(np.mean([o.seconds for o in row.outcomes]), abs=1e-4)


def test_references_have_no_ratio_to_themselves_and_only_auto_has_intervals(
    localisation: LocalisationResult,
) -> None:
    lines = {one.model: one for one in site_models(localisation)}
    assert lines[PLSR_LOCAL].plsr is None and lines[PLSR_LOCAL].local is not None
    assert lines[LOCAL].local is None and lines[LOCAL].plsr is not None
    assert [one.model for one in lines.values() if one.covered is not None] == [AUTO]


def test_a_model_without_an_outcome_has_no_line(localisation: LocalisationResult) -> None:
    first, *others = localisation.models
    made = replace(localisation, models=(first, replace(others[0], outcomes=()), *others[1:]))
    assert others[0].name not in {one.model for one in site_models(made)}


def test_with_a_result_on_every_draw_the_least_mean_rmse_is_best(
    quick: LocalisationResult,
) -> None:
    means = {m.name: np.mean([o.rmse for o in m.outcomes]) for m in quick.models}
    best = min(value for name, value in means.items() if name != MEAN)
    assert over_best(quick) == pytest.approx({name: v / best for name, v in means.items()})


def test_the_mean_is_no_choice(quick: LocalisationResult) -> None:
    lucky = tuple(
        replace(m, outcomes=tuple(replace(o, rmse=0.1) for o in m.outcomes))
        if m.name == MEAN
        else m
        for m in quick.models
    )
    behind, before = over_best(replace(quick, models=lucky)), over_best(quick)
    assert behind == before | {MEAN: 1.0}


def test_a_network_of_few_draws_is_compared_on_these(localisation: LocalisationResult) -> None:
    """Easy draws make no network the best: it is set beside the others on its own draws."""
    scale = {0: 0.01, 1: 0.01, 2: 0.01}

    def eased(model: object) -> object:
        outcomes = tuple(
            replace(o, rmse=o.rmse * scale.get(o.draw, 1.0))
            for o in model.outcomes  # type: ignore[attr-defined]
        )
        return replace(model, outcomes=outcomes)  # type: ignore[type-var]

    models = tuple(eased(model) for model in localisation.models)
    behind = over_best(replace(localisation, models=models))  # type: ignore[arg-type]
    assert behind[AUTO] < 1.2
    assert behind["Global"] > 1.5


def test_two_draws_make_no_model_the_best_of_ten(localisation: LocalisationResult) -> None:
    """DTL-R_g failed once: two draws are too few to say that auto is behind it."""
    models = tuple(
        replace(m, outcomes=tuple(replace(o, rmse=1e-3) for o in m.outcomes))
        if m.name == "DTL-R_g"
        else m
        for m in localisation.models
    )
    assert len(localisation.model("DTL-R_g").outcomes) == 2
    assert over_best(replace(localisation, models=models))[AUTO] < 2


def test_ratios_are_averaged_geometrically_and_farms_resampled() -> None:
    ratios = {"a": 0.5, "b": 0.8, "c": 1.25, "d": 1.6}
    over = summed(*(line(site, ratio) for site, ratio in ratios.items())).plsr
    assert over is not None and over.low is not None and over.high is not None
    assert over.mean == pytest.approx(np.prod(list(ratios.values())) ** 0.25)
    assert 0.5 <= over.low < over.mean < over.high <= 1.6
    assert (over.farms, over.worst, over.worst_site) == (4, 1.6, "d")
    assert (over.better, over.worse, over.cannot_tell) == (0, 0, 4)


def test_farms_that_agree_have_a_narrow_interval() -> None:
    over = summed(*(line(site, 0.8) for site in "abcd")).plsr
    assert over is not None
    assert (over.low, over.high) == pytest.approx((0.8, 0.8))


def test_two_farms_have_no_interval() -> None:
    over = summed(line("a", 0.8), line("b", 0.9)).plsr
    assert over is not None and (over.low, over.high) == (None, None)


def test_verdicts_are_counted() -> None:
    verdicts = ("first", "first", "second", "cannot tell")
    lines = [
        line(site, 0.9, plsr=Ratio(value=0.9, low=0.8, high=1.0, better=verdict))  # type: ignore[arg-type]
        for site, verdict in zip("abcd", verdicts, strict=True)
    ]
    over = summed(*lines).plsr
    assert over is not None and (over.better, over.worse, over.cannot_tell) == (2, 1, 1)


@pytest.mark.parametrize(
    ("behind", "farms"), [([1.0, 1.02, 1.5], 2), ([1.03, 1.1, 1.5], 0), ([1.0, 1.0, 1.0], 3)]
)
def test_best_or_within_2_percent_is_counted(behind: list[float], farms: int) -> None:
    lines = [line(s, 0.9, over_best=b) for s, b in zip("abc", behind, strict=True)]
    assert summed(*lines).near_best == farms


def test_coverage_is_of_the_level_that_most_farms_have() -> None:
    held = [0.88, 0.92, 0.96, 0.7]
    lines = [line(site, 0.9, covered=c) for site, c in zip("abcd", held, strict=True)]
    lines[3] = replace(lines[3], level=0.8)
    cover = summed(*lines).coverage
    assert cover is not None and cover.low is not None and cover.high is not None
    assert (cover.farms, cover.level, cover.least, cover.most) == (3, 0.9, 0.88, 0.96)
    assert cover.mean == pytest.approx(0.92)
    assert 0.88 <= cover.low < 0.92 < cover.high <= 0.96


def test_without_intervals_there_is_no_coverage() -> None:
    assert summed(line("a", 0.9, level=None, covered=None)).coverage is None


def test_a_part_names_its_farms_and_those_that_are_missing(
    localisation: LocalisationResult,
) -> None:
    part = part_of(localisation)
    assert (part.sites, part.missing) == (("sweden-skane",), {"france": "too small"})
    assert [model.model for model in part.models] == [m.name for m in localisation.models]
    assert part.unfinished == {}
    late = part_of(replace(localisation, stopped="budget"))
    assert (late.sites, late.unfinished) == (part.sites, {"sweden-skane": "budget"})
    assert summarise_part([], [], "ph", 30, seed=0).models == ()


def test_the_same_seed_gives_the_same_interval() -> None:
    lines = [line(site, ratio) for site, ratio in zip("abcd", (0.5, 0.8, 0.9, 1.3), strict=True)]
    assert summed(*lines) == summed(*lines)


def test_origins_tell_every_version_once() -> None:
    origins = describe_origins(["0.2", "0.1", "0.2"])
    assert origins.results == ("0.1", "0.2")
    assert "numpy" in origins.packages and origins.written.endswith("+00:00")


def git(folder: Path, *words: str) -> str:
    named = ("-c", "user.name=x", "-c", "user.email=x@y.z", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", "-C", str(folder), *named, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_the_revision_of_a_clone_tells_changed_files(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert git_revision(tmp_path) is None  # nothing was committed
    (tmp_path / "a").write_text("1", encoding="utf-8")
    git(tmp_path, "add", "a")
    git(tmp_path, "commit", "--quiet", "-m", "one")
    git(tmp_path, "tag", "v1")
    assert git_revision(tmp_path) == git(tmp_path, "rev-parse", "HEAD")
    (tmp_path / "a").write_text("2", encoding="utf-8")
    assert git_revision(tmp_path) == git(tmp_path, "rev-parse", "HEAD") + "-dirty"


def test_a_folder_within_a_clone_is_not_the_clone(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    (tmp_path / "site-packages").mkdir()
    assert git_revision(tmp_path / "site-packages") is None
    assert git_revision(tmp_path / "nowhere") is None
