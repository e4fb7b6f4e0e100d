"""Losses: the published formulas, and gradients that point to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from autospec.training.config import Loss
from autospec.training.losses import loss_function

ERRORS = np.array([-3.0, -1.0, -0.25, 0.0, 0.5, 1.0, 2.5])


def huber(e: np.ndarray) -> np.ndarray:
    return np.where(np.abs(e) <= 1, e**2 / 2, np.abs(e) - 0.5)


@pytest.mark.parametrize(
    ("name", "formula"), [("mse", np.square), ("l1", np.abs), ("huber", huber)]
)
def test_a_loss_is_the_mean_of_its_formula(name: Loss, formula: np.ufunc) -> None:
    wanted = torch.linspace(5.0, 6.0, len(ERRORS), dtype=torch.float64)
    found = loss_function(name)(wanted + torch.as_tensor(ERRORS), wanted)
    assert float(found) == pytest.approx(float(formula(ERRORS).mean()), rel=1e-12)


@pytest.mark.parametrize("name", ["mse", "l1", "huber"])
def test_a_loss_pulls_predictions_towards_the_target(name: Loss) -> None:
    predicted = torch.tensor(ERRORS, requires_grad=True)
    loss_function(name)(predicted, torch.zeros(len(ERRORS), dtype=torch.float64)).backward()
    assert predicted.grad is not None
    np.testing.assert_array_equal(np.sign(predicted.grad.numpy()), np.sign(ERRORS))
