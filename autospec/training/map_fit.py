"""`train_map`: one network of maps, trained by `autospec.training.fit` and scored once.

Watched dates or squares choose the epoch; the sealed ones are opened at the end. Where a network
says changes it is persistence before it has learned, and kept so if no epoch is better.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict

from autospec.data.cubes.stacks import RasterStack
from autospec.data.maps.asking import pose
from autospec.data.maps.facts import stack_facts
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.resident import held
from autospec.data.maps.scaling import MapScaler, fit_map_scaler
from autospec.data.maps.splits import SEALED, MapSplitPlan, make_map_split
from autospec.data.maps.tiling import usual_tiling
from autospec.errors import UsageError
from autospec.evaluate.map_baselines import fit_map_baselines
from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.map_names import MEAN, PATCH_FOREST, PATCH_RIDGE, PERSISTENCE, RIDGE
from autospec.evaluate.map_scoring import MapTally, score_maps
from autospec.training.fit import FitRun, Task, fit
from autospec.training.map_network import MapNetwork, build_map_network, says_changes
from autospec.training.map_outcome import MapOutcome, map_training
from autospec.training.map_result import (
    NETWORK,
    MapTraining,
)
from autospec.training.map_settings import MapSettings
from autospec.training.map_task import MapTask
from autospec.training.train_run import TrainRun
from autospec.training.trainer import one_thread

SAY_EVERY_S = 10.0


def train_map(
    stack: RasterStack, *, name: str, settings: MapSettings, run: TrainRun
) -> tuple[MapTraining, MapNetwork, MapFrames] | None:
    """Train one network of maps, and score it on what is sealed beside simpler models.

    Parameters
    ----------
    stack : RasterStack
        Read into memory if it is small; else read tile by tile.
    name : str
        Of the stack.
    settings : MapSettings
        What is trained, and how.
    run : TrainRun
        How it runs.

    Returns
    -------
    (MapTraining, MapNetwork, MapFrames), or None
        The frames are the network's sealed maps, thinned. None in a process beside the main one;
        the processes have parted when the training is over.

    Raises
    ------
    UsageError, DataError
        If the stack has not what is asked for, or too little for the split; or if the network has a
        final activation where it says changes.
    TrialFailed, OutputError, SettingsDiffer
        As `autospec.training.fit.fit`.
    """
    begun = time.monotonic()
    _check_final(settings)
    stack = held(stack)
    problem = pose(stack, settings.aims)
    plan = make_map_split(problem, settings.split)
    facts = stack_facts(stack, settings.aims.targets)
    scaler = fit_map_scaler(problem, plan)
    how = _how(settings, run, {"stack": facts.digest, "name": name}, begun)
    with one_thread():  # on a CPU: rounding, and so a network, must not depend on the machine
        network, task = prepare_maps(problem, plan, scaler, settings, run)
        run.say(cost_line(network, task, settings))
        state, ended = fit(
            network.network, task, settings.config, how, keep_untrained=network.changes
        )
        run.processes.part()  # scoring may take longer than the others would wait
        if not run.processes.main:
            return None
        run.say("scoring the sealed maps, the network's and those of simpler models")
        details, tallies = _scored(problem, plan, settings, network, run)
    outcome = MapOutcome(
        name=name,
        settings=settings,
        problem=problem,
        plan=plan,
        facts=facts,
        n_fit=task.n_fit,
        n_epoch=task.n_epoch,
        n_parameters=n_parameters(network),
        state=state,
        ended=ended,
        details=details,
        tallies=tallies,
        processes=run.processes,
    )
    return map_training(outcome), network, tallies[NETWORK].frames


def prepare_maps(
    problem: MapProblem,
    plan: MapSplitPlan,
    scaler: MapScaler,
    settings: MapSettings,
    run: TrainRun,
) -> tuple[MapNetwork, MapTask]:
    """Build the network, and what it is to learn."""
    device = run.processes.device
    network = build_map_network(
        settings.sizes,
        settings.aims,
        scaler,
        settings.terms.gaps,
        n_static=len(problem.stack.static_channels),
        seed=settings.config.seed,
    ).on(device)
    return network, MapTask(
        problem=problem, plan=plan, settings=settings, network=network, device=device
    )


def _check_final(settings: MapSettings) -> None:
    """Refuse what a change from the last value, of either sign, cannot pass through."""
    sizes, horizon = settings.sizes, settings.aims.horizon
    if says_changes(sizes, settings.aims) and sizes.final != "none":
        raise UsageError(
            f'sizes.final = "{sizes.final}" bounds what a network says, but with --horizon '
            f'{horizon} it says by how much a target changes; want "none". Or let it say levels, '
            'by "change": false in the sizes.'
        )


def n_parameters(network: MapNetwork) -> int:
    """Return how many numbers the network learns."""
    return sum(p.numel() for p in network.network.parameters() if p.requires_grad)


def cost_line(network: MapNetwork, task: Task, settings: MapSettings) -> str:
    """Say before the training what an epoch costs."""
    config, tile, length = settings.config, settings.tile, settings.aims.length
    return (
        f"{n_parameters(network):,} parameters; {task.n_fit} tiles of {length} dates and at most "
        f"{tile} x {tile} cells to learn from, {task.n_epoch} of them an epoch in "
        f"{config.windows(task.n_epoch)} optimiser steps; {task.n_watch} tiles are watched"
    )


def _how(settings: MapSettings, run: TrainRun, data: dict[str, object], begun: float) -> FitRun:
    """Return how the loop runs, and what has to be the same where it is taken up.

    Baselines come after the training: with others it is still the same network.
    """
    told = asdict(settings)
    for apart in ("config", "baselines"):
        del told[apart]
    return FitRun(
        processes=run.processes,
        checkpoint=run.checkpoint,
        told=told | data,
        on_epoch=run.on_epoch,
        interrupted=run.interrupted,
        deadline_s=None if run.budget_s is None else begun + run.budget_s,
    )


def baseline_names(settings: MapSettings) -> tuple[str, ...]:
    """Return who stands beside the network."""
    names = (MEAN, PERSISTENCE, RIDGE) if settings.aims.horizon else (MEAN, RIDGE)
    return (*names, PATCH_RIDGE, PATCH_FOREST) if settings.baselines == "all" else names


def _scored(
    problem: MapProblem,
    plan: MapSplitPlan,
    settings: MapSettings,
    network: MapNetwork,
    run: TrainRun,
) -> tuple[Mapping[str, str], Mapping[str, MapTally]]:
    """Open the seal: return each model's words and what it was worth there."""
    names, seed = baseline_names(settings), settings.split.seed
    others = fit_map_baselines(problem, plan, network.scaler, names, seed)
    models = {NETWORK: network} | {other.name: other.model for other in others}
    details = {NETWORK: ""} | {other.name: other.detail for other in others}
    return details, score_maps(
        problem,
        plan.unseal(),
        SEALED,
        models,
        usual_tiling(settings.tile, problem.stack.shape),
        block=plan.block,
        on_tile=_now_and_then(run.say),
    )


def _now_and_then(say: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """Return what tells of tiles, but not of every one."""
    said = time.monotonic()

    def on_tile(model: str, done: int, total: int) -> None:
        nonlocal said
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(f"{model}: {done} of {total} tiles mapped")

    return on_tile
