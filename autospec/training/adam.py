"""`Adam`: the step of Adam or AdamW on the weights of a stack, part by part, in one pass each.

It calls the fused kernel of torch's own optimisers. Those spend, for a small network, longer on
their book-keeping than the kernel takes; and they want all gradients at once, where a large layer
is better moved some rows at a time, as soon as their gradient is there and while it is in the
cache.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from autospec.training.config import TrainingConfig

BETA1, BETA2, EPS = 0.9, 0.999, 1e-8  # of https://arxiv.org/abs/1412.6980


class Adam:
    """Adam's running means for some tensors.

    Parameters
    ----------
    parameters : sequence of Tensor
        Float32.
    config : TrainingConfig
        Which of the two, learning rate and weight decay.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], config: TrainingConfig) -> None:
        self.parameters = list(parameters)
        self.config = config
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros((), dtype=torch.float32, device=self.parameters[0].device)
        self.kernel = torch._fused_adamw_ if config.optimiser == "adamw" else torch._fused_adam_

    def begin(self) -> None:
        """Begin a step; every part is then moved once."""
        self.steps += 1

    def descend(self, position: int, part: tuple[slice, slice], grad: torch.Tensor) -> None:
        """Move a part of a tensor, one that lies together, by its gradient."""
        tensors = (self.parameters[position], self.first[position], self.second[position])
        weight, first, second = (tensor[part] for tensor in tensors)
        self.kernel(
            [weight],
            [grad],
            [first],
            [second],
            [],
            [self.steps],
            lr=self.config.learning_rate,
            beta1=BETA1,
            beta2=BETA2,
            weight_decay=self.config.weight_decay,
            eps=EPS,
            amsgrad=False,
            maximize=False,
        )
