"""Every term of the loss of maps against its formula cell by cell, and its gradient."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from autospec.training.map_loss import MapLoss, edge_weights
from autospec.training.map_settings import MapTerms

ALL = MapTerms(pinball=True, weighted=True, edge=True, gaps="sentinel", season=tuple(range(1, 13)))
PLAIN = MapTerms(edge=False)
OFF = {"pinball": False, "weighted": False, "edge": False, "gaps": "mask", "season": ()}
NUMBERS = {"tau": 0.9, "gamma": 0.5, "season": tuple(range(12, 0, -1))}
Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def made(
    share: float = 0.7,
    counting: float = 0.8,
    shape: tuple[int, ...] = (2, 3, 2, 7, 12),
    seed: int = 0,
) -> Case:
    """Predictions, truth, where it is valid and counted, and months; NaN where it must not look."""
    g = torch.Generator().manual_seed(seed)
    p = torch.randn(shape, dtype=torch.float64, generator=g)
    y = torch.rand(shape, dtype=torch.float64, generator=g)
    valid = torch.rand(shape, generator=g) < share
    counted = torch.rand((*shape[:2], *shape[3:]), generator=g) < counting
    y[~(valid & counted[:, :, None])] = torch.nan
    months = torch.randint(0, 12, shape[:2], generator=g)
    return p, y, valid, counted, months


def by_cell(terms: MapTerms, case: Case) -> float:
    """The formula, one cell after the other, in plain Python."""
    p, y, valid, counted, months = case
    h, w = p.shape[-2:]
    season = terms.season or (1.0,) * 12
    cells = [i for i in itertools.product(*map(range, p.shape)) if counted[i[0], i[1], i[3], i[4]]]
    told = [i for i in cells if valid[i]]
    weights = [1 + terms.gamma * y[i].item() ** 2 for i in told]
    pinball = squared = edge = edge_weight = 0.0
    for i, weight in zip(told, weights, strict=True):
        e, s = (y[i] - p[i]).item(), season[months[i[0], i[1]]] / (sum(season) / 12)
        pinball += s * (terms.tau * e if e > 0 else (terms.tau - 1) * e)
        q = 2 * terms.tau if e > 0 else 2 * (1 - terms.tau)
        squared += s * e**2 * (q * weight / (sum(weights) / len(told)) if terms.weighted else 1)
        d = min(i[3], h - 1 - i[3], i[4], w - 1 - i[4])
        b = 1 - 0.01 * d if d < 5 else 0.0
        edge, edge_weight = edge + b * abs(e), edge_weight + b
    gaps = [abs(p[i].item() + 0.01) for i in cells if not valid[i]]
    total = squared / len(told) + terms.pinball * pinball / len(told)
    total += 0.5 * terms.edge * edge / edge_weight
    return total + (2 * sum(gaps) / len(gaps) if gaps and terms.gaps == "sentinel" else 0)


def gradient(terms: MapTerms, case: Case) -> torch.Tensor:
    p = case[0].clone().requires_grad_()
    MapLoss(terms=terms)(p, *case[1:]).backward()
    assert p.grad is not None
    return p.grad


@pytest.mark.parametrize("without", [None, *OFF])
@pytest.mark.parametrize("counting", [0.8, 1.0])
def test_equals_the_formula_cell_by_cell(without: str | None, counting: float) -> None:
    terms = replace(ALL, **({without: OFF[without]} if without else {}))
    case = made(counting=counting)
    assert MapLoss(terms=terms)(*case).item() == pytest.approx(by_cell(terms, case), rel=1e-12)


@pytest.mark.parametrize("term", OFF)
def test_every_term_moves_the_gradient(term: str) -> None:
    case = made()
    moved = gradient(ALL, case) - gradient(replace(ALL, **{term: OFF[term]}), case)
    assert moved.abs().max() > 1e-5


@pytest.mark.parametrize("number", NUMBERS)
def test_every_number_moves_the_gradient(number: str) -> None:
    case = made()
    moved = gradient(ALL, case) - gradient(replace(ALL, **{number: NUMBERS[number]}), case)
    assert moved.abs().max() > 1e-5


@pytest.mark.parametrize("term", [None, *OFF])
def test_gradient_is_that_of_finite_differences(term: str | None) -> None:
    terms = replace(PLAIN, **{term: getattr(ALL, term)}) if term else ALL
    p, *rest = made(shape=(1, 2, 1, 3, 4))
    loss = MapLoss(terms=terms)
    assert torch.autograd.gradcheck(lambda q: loss(q, *rest), [p.requires_grad_()])


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("counting", [0.0, 1.0])
@pytest.mark.parametrize("terms", [ALL, PLAIN], ids=["all", "plain"])
def test_all_or_nothing_valid_or_counted_is_finite(
    share: float, counting: float, terms: MapTerms
) -> None:
    case = made(share=share, counting=counting)
    assert MapLoss(terms=terms)(*case).isfinite()
    moved = gradient(terms, case)
    assert moved.isfinite().all()
    assert bool(moved.any()) == (counting > 0 and (share > 0 or terms.gaps == "sentinel"))


@pytest.mark.parametrize("terms", [ALL, PLAIN], ids=["all", "plain"])
def test_what_does_not_count_has_no_gradient(terms: MapTerms) -> None:
    case = made()
    case[0][~case[3][:, :, None].expand_as(case[0])] = torch.nan  # whatever is predicted there
    assert MapLoss(terms=terms)(*case).isfinite()
    moved = gradient(terms, case)
    counts = case[3][:, :, None].expand_as(moved)
    assert moved[~counts].abs().max() == 0
    assert moved[counts].isfinite().all() and moved[counts].any()


def test_gaps_are_taught_the_sentinel_and_nothing_else_is() -> None:
    case = made()
    terms = replace(PLAIN, gaps="sentinel")
    taught = gradient(terms, case) - gradient(PLAIN, case)
    gap = case[3][:, :, None] & ~case[2]
    assert bool((taught != 0).eq(gap).all())


def test_masked_cells_are_not_seen() -> None:
    p, y, valid, counted, months = made()
    moved, loss = torch.where(valid, p, p + 100), MapLoss(terms=PLAIN)
    assert loss(p, y, valid, counted, months) == loss(moved, y, valid, counted, months)


def test_control_is_the_masked_mean_square() -> None:
    p, y, valid, counted, months = made()
    told = valid & counted[:, :, None]
    wanted = ((y - p)[told] ** 2).mean().item()
    assert MapLoss(terms=PLAIN)(p, y, valid, counted, months).item() == pytest.approx(wanted)


def test_edges_weigh_up_to_the_fifth_cell() -> None:
    weights = edge_weights(14, 12, torch.zeros(()))
    assert weights[0, 0] == 1 and weights[4, 6] == pytest.approx(0.96)
    assert weights[5:9, 5:7].abs().max() == 0


@pytest.mark.parametrize(
    "bad", [{"tau": 1.0}, {"gamma": -1}, {"season": (1.0,) * 11}, {"season": (0.0,) * 12}]
)
def test_numbers_that_make_no_loss_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        MapTerms(**bad)
