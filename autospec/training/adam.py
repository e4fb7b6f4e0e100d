"""`Adam`: the step of Adam or AdamW on all weights of a stack, in one pass over memory.

It calls the fused kernel of torch's own optimisers. Those spend, for a small network, longer on
their book-keeping than the kernel takes.
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
        Leaves, float32.
    config : TrainingConfig
        Which of the two, learning rate and weight decay.
    """

    def __init__(self, parameters: Sequence[torch.Tensor], config: TrainingConfig) -> None:
        self.parameters = list(parameters)
        self.config = config
        self.first = [torch.zeros_like(p) for p in self.parameters]
        self.second = [torch.zeros_like(p) for p in self.parameters]
        self.steps = torch.zeros((), dtype=torch.float32, device=self.parameters[0].device)

    def step(self) -> None:
        """Move every parameter by its gradient, which is then forgotten."""
        adamw = self.config.optimiser == "adamw"
        kernel = torch._fused_adamw_ if adamw else torch._fused_adam_
        self.steps += 1
        with torch.no_grad():
            kernel(
                self.parameters,
                [p.grad for p in self.parameters if p.grad is not None],
                self.first,
                self.second,
                [],
                [self.steps] * len(self.parameters),
                lr=self.config.learning_rate,
                beta1=BETA1,
                beta2=BETA2,
                weight_decay=self.config.weight_decay,
                eps=EPS,
                amsgrad=False,
                maximize=False,
            )
        for p in self.parameters:
            p.grad = None
