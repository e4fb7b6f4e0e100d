"""Fine-tuning: what learns is chosen on local rows, the rest keeps every bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from autospec.data.spectra import Spectra
from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture, FCBlock
from autospec.search.plan import StopSearch
from autospec.training.ensemble import Ensemble, fit_ensemble, with_epochs
from autospec.training.members import Member
from autospec.transfer import fine_tuning
from autospec.transfer.fine_tuning import (
    Learns,
    Pretrained,
    choose_tuning,
    fine_tune,
    frozen_blocks,
    tuning_config,
    ways_to_learn,
)
from autospec.transfer.networks import joint_rows, local_rows
from tests.transfer.farms import CPU, FARM, FIXED, FRESH, LIBRARY, TINY

FC = FCBlock(nodes=4, activation="ELU")
M = local_rows(FARM, FIXED)
LONG = replace(TINY, training=replace(TINY.training, max_epochs=25, patience=25))


def trained() -> Pretrained:
    ensemble = fit_ensemble(
        LIBRARY,
        TINY.preprocessing,
        TINY.architecture,
        with_epochs(TINY.training, 40),
        seeds=(1, 2),
        device="cpu",
    )
    return Pretrained(design=LONG, ensemble=ensemble)


@pytest.fixture(scope="module")
def source() -> Pretrained:
    return trained()


def spoilt(layer: int, factor: float) -> Pretrained:
    """Multiply the weights of one layer."""
    source = trained()
    with torch.no_grad():
        for member in source.ensemble.members:
            member.network[layer].weight *= factor
    return source


def rmse(model: Ensemble, rows: Spectra) -> float:
    return float(np.sqrt(np.mean((model.predict(rows.values) - rows.target) ** 2)))


@pytest.mark.parametrize(
    ("fc", "ways"), [(0, ("fc", "all")), (1, ("fc", "all")), (2, ("last", "fc", "all"))]
)
def test_ways_that_freeze_the_same_are_tried_once(fc: int, ways: tuple[Learns, ...]) -> None:
    assert ways_to_learn(replace(TINY.architecture, fc=(FC,) * fc)) == ways


@pytest.mark.parametrize(
    ("fc", "learns", "blocks"),
    [(0, "fc", 1), (0, "all", 0), (1, "fc", 1), (2, "fc", 1), (2, "last", 2), (3, "last", 3)],
)
def test_blocks_that_stay_are_counted_from_the_spectrum(
    fc: int, learns: Learns, blocks: int
) -> None:
    assert frozen_blocks(replace(TINY.architecture, fc=(FC,) * fc), learns) == blocks


@pytest.mark.parametrize(("n", "batch"), [(5, 4), (15, 4), (30, 7), (300, 16)])
def test_few_rows_are_cut_into_four_batches(n: int, batch: int) -> None:
    assert tuning_config(TINY.training, "fc", n).batch_size == batch


def test_only_where_nothing_is_frozen_the_learning_rate_falls_to_a_tenth() -> None:
    rates = [tuning_config(TINY.training, way, 30).learning_rate for way in ("last", "fc", "all")]
    assert rates == [5e-3, 5e-3, 5e-4]


def test_the_lowest_fold_error_chooses(source: Pretrained) -> None:
    choice = choose_tuning(source, M, FIXED, CPU)
    assert set(choice.scores) == {"last", "fc", "all"}
    assert choice.cv_rmse == choice.scores[choice.learns] == min(choice.scores.values())
    assert 1 <= choice.epochs <= LONG.training.max_epochs


def test_equals_go_to_the_way_in_which_less_learns(
    source: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fine_tuning.train_members

    def same(architecture: Architecture, members: Sequence[Member], *a: Any, **k: Any) -> Any:
        fresh = [replace(m, start=None) for m in members]
        return real(architecture, fresh, TINY.training, device=torch.device("cpu"))

    monkeypatch.setattr(fine_tuning, "train_members", same)
    choice = choose_tuning(source, M, FIXED, CPU)
    assert len(set(choice.scores.values())) == 1
    assert choice.learns == "last"


def test_everything_learns_where_the_first_block_says_nothing() -> None:
    """Planted: conv weights are zero, so what lies behind frozen conv blocks sees a constant."""
    blind = spoilt(0, 0.0)
    faster = replace(LONG, training=replace(LONG.training, learning_rate=0.05))
    choice = choose_tuning(replace(blind, design=faster), M, FIXED, CPU)
    assert choice.learns == "all"
    assert choice.scores["all"] < 0.8 * min(choice.scores["last"], choice.scores["fc"])


def test_frozen_blocks_are_kept_where_only_the_output_is_wrong() -> None:
    """Planted: the output block has the wrong sign, and a tenth of the rate is too slow for it."""
    wrong = spoilt(-1, -1.0)
    short = replace(LONG, training=replace(LONG.training, max_epochs=15))
    choice = choose_tuning(replace(wrong, design=short), M, FIXED, CPU)
    assert choice.learns in ("last", "fc")


def test_a_tuned_ensemble_predicts_the_farm_better_than_its_source(source: Pretrained) -> None:
    tuned, choice = fine_tune(source, M, FIXED, CPU)
    assert len(tuned.members) == 2
    assert rmse(tuned, FRESH) < 0.5 * rmse(source.ensemble, FRESH)
    assert rmse(tuned, FRESH) < float(FRESH.target.std())
    assert choice.epochs <= LONG.training.max_epochs


def test_the_source_is_left_as_it_was_and_its_preprocessing_is_kept() -> None:
    fresh = trained()  # one that no other test has used
    before = fresh.ensemble.predict(FRESH.values)
    tuned, _ = fine_tune(fresh, M, FIXED, CPU)
    assert tuned.pipeline is fresh.ensemble.pipeline
    assert [m.scale for m in tuned.members] == [m.scale for m in fresh.ensemble.members]
    np.testing.assert_array_equal(fresh.ensemble.predict(FRESH.values), before)


@pytest.mark.parametrize(("learns", "kept"), [("fc", 2), ("last", 5), ("all", 0)])
def test_each_network_starts_from_its_own_and_keeps_frozen_layers(
    source: Pretrained, monkeypatch: pytest.MonkeyPatch, learns: Learns, kept: int
) -> None:
    monkeypatch.setattr(fine_tuning, "ways_to_learn", lambda architecture: (learns,))
    tuned, _ = fine_tune(source, M, FIXED, CPU)
    for old, new in zip(source.ensemble.members, tuned.members, strict=True):
        pairs = zip(
            old.network.state_dict().items(), new.network.state_dict().values(), strict=True
        )
        same = {key: torch.equal(a, b) for (key, a), b in pairs}
        for key, unchanged in same.items():
            assert unchanged == (int(key.split(".")[0]) < kept), key


def test_fine_tuning_repeats_itself(source: Pretrained) -> None:
    runs = [fine_tune(source, M, FIXED, CPU) for _ in range(2)]
    assert runs[0][1] == runs[1][1]
    np.testing.assert_array_equal(*[tuned.predict(FRESH.values) for tuned, _ in runs])


def test_folds_of_k_and_m_choose_on_local_rows_only(
    source: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[Member]] = []
    real = fine_tuning.train_members

    def watched(architecture: Architecture, members: Sequence[Member], *a: Any, **k: Any) -> Any:
        seen.append(members)
        return real(architecture, members, *a, **k)

    monkeypatch.setattr(fine_tuning, "train_members", watched)
    choose_tuning(source, joint_rows(LIBRARY, FARM, FIXED), FIXED, CPU)
    assert len(seen) == 3
    for members in seen:
        scored = np.concatenate([m.y_score for m in members if m.y_score is not None])
        assert sorted(scored) == sorted(FARM.target)
        learnt = sum(len(m.y_fit) for m in members)
        assert learnt == len(members) * (LIBRARY.n + FARM.n) - FARM.n


def test_without_seconds_each_way_ends_after_an_epoch(source: Pretrained) -> None:
    choice = choose_tuning(source, M, replace(FIXED, seconds=1e-9), CPU)
    assert choice.epochs == 1
    assert len(choice.scores) == 3


def test_an_interrupt_ends_it(source: Pretrained) -> None:
    with pytest.raises(StopSearch):
        choose_tuning(source, M, FIXED, replace(CPU, interrupted=lambda: True))


def test_a_way_that_fails_leaves_the_others(
    source: Pretrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = fine_tuning.tuning_config

    def too_fast(config: object, learns: Learns, n: int) -> object:
        made = real(config, learns, n)  # type: ignore[arg-type]
        return replace(made, learning_rate=1e30) if learns == "fc" else made

    monkeypatch.setattr(fine_tuning, "tuning_config", too_fast)
    assert set(choose_tuning(source, M, FIXED, CPU).scores) == {"last", "all"}


def test_rows_that_no_way_can_learn_from_fail_with_the_reason(source: Pretrained) -> None:
    wild = replace(FARM, target=np.full(FARM.n, 1e300))
    with pytest.raises(TrialFailed, match="not finite"):
        fine_tune(source, local_rows(wild, FIXED), FIXED, CPU)
