"""A start from trained weights: taken over, frozen where asked, centred on the new rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from autospec.errors import TrialFailed
from autospec.nets.architecture import Architecture, ConvBlock, FCBlock
from autospec.training.config import TrainingConfig
from autospec.training.members import FittedMember, Member, Start
from autospec.training.trainer import train_members

CPU = torch.device("cpu")
NET = Architecture(
    conv=(
        ConvBlock(kernel=3, filters=6, padding="same", activation="ReLU", batch_norm=True),
        ConvBlock(kernel=3, filters=5, padding="same", stride=2, activation="ELU", dropout=0.2),
    ),
    fc=(
        FCBlock(nodes=8, activation="ELU", batch_norm=True),
        FCBlock(nodes=6, activation="Swish", dropout=0.1),
    ),
)
CONFIG = TrainingConfig(max_epochs=6, batch_size=8, learning_rate=5e-3, target_transform="log1p")
NO_STEP = replace(CONFIG, max_epochs=1, learning_rate=1e-12)
BLOCKS = 5  # two conv, two FC, the output block


def rows(n: int, *, seed: int = 0, offset: float = 20.0) -> Member:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 20))
    return Member(x_fit=x, y_fit=offset + 3.0 * x[:, 4] - 2.0 * x[:, 9], seed=seed)


@pytest.fixture(scope="module")
def trained() -> FittedMember:
    return train_members(NET, [rows(60)], CONFIG, device=CPU).members[0]


def tune(trained: FittedMember, frozen: int, config: TrainingConfig = CONFIG) -> FittedMember:
    start = Start(member=trained, frozen_blocks=frozen)
    member = replace(rows(14, seed=1, offset=30.0), start=start)
    return train_members(NET, [member], config, device=CPU).members[0]


def tensors_by_block(member: FittedMember) -> list[list[torch.Tensor]]:
    """Weights and statistics of each block, the output block last."""
    blocks: list[list[torch.Tensor]] = []
    for layer in member.network:
        if isinstance(layer, torch.nn.Conv1d | torch.nn.Linear):
            blocks.append([])
        if blocks:
            blocks[-1] += list(layer.state_dict().values())
    return blocks


@pytest.mark.parametrize("frozen", range(BLOCKS))
def test_frozen_blocks_keep_every_bit_and_the_others_learn(
    trained: FittedMember, frozen: int
) -> None:
    before, after = tensors_by_block(trained), tensors_by_block(tune(trained, frozen))
    same = [
        all(torch.equal(a, b) for a, b in zip(old, new, strict=True))
        for old, new in zip(before, after, strict=True)
    ]
    assert same == [True] * frozen + [False] * (BLOCKS - frozen)


@pytest.mark.parametrize("frozen", [0, 3])
def test_the_start_itself_is_left_as_it_was(trained: FittedMember, frozen: int) -> None:
    before = [t.clone() for block in tensors_by_block(trained) for t in block]
    tune(trained, frozen)
    after = [t for block in tensors_by_block(trained) for t in block]
    assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_a_start_that_learns_nothing_is_the_start_moved_by_one_number(
    trained: FittedMember,
) -> None:
    x = rows(40, seed=5).x_fit
    tuned = tune(trained, BLOCKS - 1, NO_STEP)
    moved = trained.scale.forward(tuned.predict(x)) - trained.scale.forward(trained.predict(x))
    # float32 outputs of size 1 behind a logarithm
    np.testing.assert_allclose(moved, moved[0], atol=1e-5)
    assert abs(moved[0]) > 0.1


def test_the_output_bias_puts_the_mean_prediction_on_the_mean_of_the_new_rows(
    trained: FittedMember,
) -> None:
    new = rows(14, seed=1, offset=30.0)
    tuned = tune(trained, BLOCKS - 1, NO_STEP)
    predicted = tuned.scale.forward(tuned.predict(new.x_fit)).mean()
    assert predicted == pytest.approx(tuned.scale.forward(new.y_fit).mean(), abs=1e-5)


def test_the_target_scaling_is_that_of_the_start(trained: FittedMember) -> None:
    assert tune(trained, 0).scale == trained.scale


def test_a_start_is_reproducible_and_its_seed_matters(trained: FittedMember) -> None:
    x = rows(9, seed=3).x_fit
    np.testing.assert_array_equal(tune(trained, 2).predict(x), tune(trained, 2).predict(x))
    start = Start(member=trained, frozen_blocks=2)
    other = replace(rows(14, seed=1, offset=30.0), start=start, seed=2)
    found = train_members(NET, [other], CONFIG, device=CPU).members[0]
    assert not np.array_equal(found.predict(x), tune(trained, 2).predict(x))


def test_a_start_does_not_depend_on_the_number_of_threads(trained: FittedMember) -> None:
    """The frozen layers run once, before the workers do."""
    x = rows(9, seed=3).x_fit
    found = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        found.append(tune(trained, 2).predict(x))
    torch.set_num_threads(1)
    np.testing.assert_array_equal(*found)


def test_fold_scores_of_a_start_are_those_of_the_whole_network(trained: FittedMember) -> None:
    scored = rows(12, seed=8, offset=30.0)
    member = replace(
        rows(14, seed=1, offset=30.0),
        start=Start(member=trained, frozen_blocks=2),
        x_score=scored.x_fit,
        y_score=scored.y_fit,
    )
    training = train_members(NET, [member], CONFIG, device=CPU)
    error = training.members[0].predict(scored.x_fit) - scored.y_fit
    # float32 products of the stacked and of the single network
    assert training.fold_rmse[0, -1] == pytest.approx(np.sqrt(np.mean(error**2)), rel=1e-5)


def test_new_rows_that_the_old_scaling_cannot_hold_fail_the_trial(trained: FittedMember) -> None:
    member = replace(rows(14), start=Start(member=trained))
    below = replace(member, y_fit=member.y_fit - 30.0)
    with pytest.raises(TrialFailed, match="want all above -1"):
        train_members(NET, [below], CONFIG, device=CPU)


def test_a_network_of_one_conv_block_can_be_frozen_to_its_output() -> None:
    net = Architecture(conv=(ConvBlock(kernel=3, filters=4, activation="ReLU"),))
    old = train_members(net, [rows(30)], CONFIG, device=CPU).members[0]
    member = replace(rows(10, seed=2), start=Start(member=old, frozen_blocks=1))
    new = train_members(net, [member], CONFIG, device=CPU).members[0]
    assert torch.equal(old.network[0].weight, new.network[0].weight)
    assert not torch.equal(old.network[-1].weight, new.network[-1].weight)
