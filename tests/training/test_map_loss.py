"""Every term of the loss of maps against its formula cell by cell, and its gradient."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch

from autospec.training.map_loss import MapLoss, edge_weights

ALL = MapLoss(pinball=True, weighted=True, edge=True, gaps="sentinel", season=tuple(range(1, 13)))
TERMS = {"pinball": False, "weighted": False, "edge": False, "gaps": "mask", "season": ()}


def made(
    share: float = 0.7, shape: tuple[int, ...] = (2, 3, 1, 7, 12), seed: int = 0
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    p = torch.randn(shape, dtype=torch.float64, generator=g)
    y = torch.rand(shape, dtype=torch.float64, generator=g)
    valid = torch.rand(shape, generator=g) < share
    y[~valid] = torch.nan  # never looked at
    months = torch.randint(0, 12, shape[:2], generator=g)
    return p, y, valid, months


def by_cell(
    loss: MapLoss, p: torch.Tensor, y: torch.Tensor, valid: torch.Tensor, months: torch.Tensor
) -> float:
    """The formula, one cell after the other, in plain Python."""
    h, w = p.shape[-2:]
    season = loss.season or (1.0,) * 12
    cells = list(itertools.product(*map(range, p.shape)))
    told = [i for i in cells if valid[i]]
    weights = [1 + loss.gamma * y[i].item() ** 2 for i in told]
    pinball = squared = edge = edge_weight = 0.0
    for i, weight in zip(told, weights, strict=True):
        e, s = (y[i] - p[i]).item(), season[months[i[0], i[1]]] / (sum(season) / 12)
        pinball += s * (loss.tau * e if e > 0 else (loss.tau - 1) * e)
        q = 2 * loss.tau if e > 0 else 2 * (1 - loss.tau)
        squared += s * e**2 * (q * weight / (sum(weights) / len(told)) if loss.weighted else 1)
        d = min(i[3], h - 1 - i[3], i[4], w - 1 - i[4])
        b = 1 - 0.01 * d if d < 5 else 0.0
        edge, edge_weight = edge + b * abs(e), edge_weight + b
    gaps = [abs(p[i].item() + 0.01) for i in cells if not valid[i]]
    total = squared / len(told) + loss.pinball * pinball / len(told)
    total += 0.5 * loss.edge * edge / edge_weight
    return total + (2 * sum(gaps) / len(gaps) if gaps and loss.gaps == "sentinel" else 0)


@pytest.mark.parametrize("without", [None, *TERMS])
def test_equals_the_formula_cell_by_cell(without: str | None) -> None:
    loss = replace(ALL, **({without: TERMS[without]} if without else {}))
    case = made()
    assert loss(*case).item() == pytest.approx(by_cell(loss, *case), rel=1e-12)


@pytest.mark.parametrize("term", TERMS)
def test_every_term_moves_the_gradient(term: str) -> None:
    p, *rest = made()
    gradients = []
    for loss in (ALL, replace(ALL, **{term: TERMS[term]})):
        leaf = p.clone().requires_grad_()
        loss(leaf, *rest).backward()
        gradients.append(leaf.grad)
    assert (gradients[0] - gradients[1]).abs().max() > 1e-4


def test_gradient_is_that_of_finite_differences() -> None:
    p, y, valid, months = made(shape=(1, 2, 1, 3, 4))
    assert torch.autograd.gradcheck(lambda q: ALL(q, y, valid, months), [p.requires_grad_()])


@pytest.mark.parametrize("share", [0.0, 1.0])
@pytest.mark.parametrize("loss", [ALL, MapLoss()])
def test_all_or_nothing_valid_is_finite(share: float, loss: MapLoss) -> None:
    p, y, valid, months = made(share=share)
    p.requires_grad_()
    value = loss(p, y, valid, months)
    value.backward()
    assert value.isfinite() and p.grad.isfinite().all()


def test_masked_cells_are_not_seen() -> None:
    p, y, valid, months = made()
    moved = torch.where(valid, p, p + 100)
    assert MapLoss()(p, y, valid, months) == MapLoss()(moved, y, valid, months)


def test_control_is_the_masked_mean_square() -> None:
    p, y, valid, months = made()
    assert MapLoss()(p, y, valid, months).item() == pytest.approx(
        ((y - p)[valid] ** 2).mean().item()
    )


def test_edges_weigh_up_to_the_fifth_cell() -> None:
    weights = edge_weights(14, 12, torch.zeros(()))
    assert weights[0, 0] == 1 and weights[4, 6] == pytest.approx(0.96)
    assert weights[5:9, 5:7].abs().max() == 0


@pytest.mark.parametrize(
    "bad", [{"tau": 1.0}, {"gamma": -1}, {"season": (1.0,) * 11}, {"season": (0.0,) * 12}]
)
def test_numbers_that_make_no_loss_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="want"):
        MapLoss(**bad)
