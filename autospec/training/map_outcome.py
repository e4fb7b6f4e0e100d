"""`map_training`: what the training of a network of maps found, put together; no training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch

from autospec.data.maps.asking import gap_notes
from autospec.data.maps.facts import StackFacts
from autospec.data.maps.problem import MapProblem
from autospec.data.maps.role_rows import role_rows
from autospec.data.maps.splits import FIT, SEALED, WATCH, MapSplitKind, MapSplitPlan
from autospec.evaluate.map_metrics import say_groups
from autospec.evaluate.map_names import MEAN
from autospec.evaluate.map_scoring import MapTally, compare_maps
from autospec.evaluate.metrics import VERDICT_ROWS, Comparison
from autospec.training.cube_outcome import train_epochs
from autospec.training.cube_training import Ended
from autospec.training.distributed import Processes
from autospec.training.fit_state import FitState
from autospec.training.map_notes import notes_on_maps
from autospec.training.map_result import (
    NETWORK,
    MapData,
    MapModel,
    MapSplitRecord,
    MapTraining,
)
from autospec.training.map_settings import MapSettings
from autospec.training.precision import resolve_precision

ROUNDING_PERCENT = 1e-3  # of an RMSE; below, float32 and not a model makes the difference
THE = {MEAN: "the mean"}  # names that want an article


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MapOutcome:
    """A training that has ended, and what every model was worth on what is sealed.

    Parameters
    ----------
    name : str
        Of the stack.
    settings : MapSettings
    problem : MapProblem
    plan : MapSplitPlan
    facts : StackFacts
    n_fit, n_epoch : int
        Tiles to learn from, and those of one epoch.
    n_parameters : int
    state : FitState
    ended : {"complete", "patience", "budget", "interrupt"}
    details : mapping of str to str
        The models' words, by name, the network first.
    tallies : mapping of str to MapTally
        What they were worth.
    processes : Processes
        That trained.
    """

    name: str
    settings: MapSettings
    problem: MapProblem
    plan: MapSplitPlan
    facts: StackFacts
    n_fit: int
    n_epoch: int
    n_parameters: int
    state: FitState
    ended: Ended
    details: Mapping[str, str]
    tallies: Mapping[str, MapTally]
    processes: Processes


def map_training(outcome: MapOutcome) -> MapTraining:
    """Compare the network with the best of the others, and put everything together."""
    o = outcome
    targets, seed = o.settings.aims.targets, o.settings.split.seed
    models = tuple(
        map_model(name, o.details[name], tally, seed) for name, tally in o.tallies.items()
    )
    network, *others = models
    rival = min(others, key=_first_rmse)
    compared = compare_maps(o.tallies[NETWORK], o.tallies[rival.name], 0, seed=seed)
    versus = beyond_rounding(compared)
    precision = resolve_precision(o.settings.config, o.processes.device)
    result = MapTraining(
        name=o.name,
        settings=o.settings,
        data=_data(o),
        split=_split(o.problem, o.plan),
        n_parameters=o.n_parameters,
        epochs=train_epochs(o.state),
        best_epoch=o.state.best_epoch,
        steps=o.state.steps,
        models=models,
        rival=rival.name,
        versus_rival=versus,
        verdict=map_verdict((network, rival), versus, targets[0], o.plan.kind),
        notes=(),
        ended=o.ended,
        device=str(o.processes.device),
        precision=precision,
        torch=torch.__version__,
        processes=o.processes.count,
    )
    said = (*gap_notes(o.problem), *((o.facts.infinite,) if o.facts.infinite else ()))
    return replace(result, notes=notes_on_maps(result, said, n_fit=o.n_fit, n_epoch=o.n_epoch))


def beyond_rounding(versus: Comparison) -> Comparison:
    """Return a comparison in which a difference by rounding alone is none, however steady.

    An untrained network that says changes is persistence, but for the last digits of float32.
    """
    if abs(versus.reduction_percent or 0.0) >= ROUNDING_PERCENT:
        return versus
    return replace(versus, better="cannot tell")


def map_verdict(
    models: tuple[MapModel, MapModel], versus: Comparison, target: str, kind: MapSplitKind
) -> str:
    """Say in one sentence whether the network beats the best of the others beyond noise.

    Parameters
    ----------
    models : pair of MapModel
        The network, and its rival.
    versus : Comparison
        First: the network; of the first target.
    target : str
        Its name; a stack has no units.
    kind : {"forward", "blocks"}
        What was held out, whole: dates or squares.
    """
    ours, theirs = (model.scores[0] for model in models)
    second = THE.get(models[1].name, models[1].name)
    words = {
        "first": f"the network beats {second} beyond noise",
        "second": f"the network does not beat {second}, which is better beyond noise",
        "cannot tell": f"whether the network or {second} is better cannot be told",
    }[versus.better]
    few = ""
    if ours.n_groups < VERDICT_ROWS:
        few = f" (a verdict wants at least {say_groups(VERDICT_ROWS, kind)})"
    return (
        f"On {ours.pooled.n:,} sealed values of {target}, in {say_groups(ours.n_groups, kind)}, "
        f"the RMSE is {ours.pooled.rmse.value:.3g} for the network and "
        f"{theirs.pooled.rmse.value:.3g} for {second}, the best of the others (difference "
        f"{versus.difference:+.2g}, 95 % interval {versus.low:+.2g} to {versus.high:+.2g}): "
        f"{words}{few}."
    )


def _first_rmse(model: MapModel) -> float:
    value = model.scores[0].pooled.rmse.value
    assert value is not None
    return value


def map_model(name: str, detail: str, tally: MapTally, seed: int) -> MapModel:
    """Return one model's row; `seed` fixes the draws of its intervals."""
    return MapModel(
        name=name,
        detail=detail,
        scores=tuple(tally.scores(k, seed) for k in range(len(tally.targets))),
        seasons=tally.by_season(),
        edge_rmse=tally.edge_rmse,
        interior_rmse=tally.interior_rmse,
        tile_pattern=tally.tile_pattern,
    )


def _data(o: MapOutcome) -> MapData:
    stack, problem = o.problem.stack, o.problem
    t, c, h, w = map(int, stack.dynamic.shape)
    return MapData(
        shape=(t, c, h, w),
        static_channels=stack.static_channels,
        channels=stack.channels,
        inputs=tuple(stack.channels[i] for i in problem.inputs),
        targets=problem.aims.targets,
        first_time=str(stack.times[0]),
        last_time=str(stack.times[-1]),
        step_s=problem.step_s,
        n_gaps=problem.n_slots - t,
        n_empty=int(problem.empty.sum()),
        missing_percent=o.facts.missing_percent,
        cell=(stack.transform[0], -stack.transform[4]),
        crs=stack.crs,
        synthetic=stack.synthetic,
        provenance=stack.provenance,
        digest=o.facts.digest,
    )


def _split(problem: MapProblem, plan: MapSplitPlan) -> MapSplitRecord:
    """Count by role; of the axis that does not decide, all are in each."""
    dates, cells = plan.unseal()
    forward = plan.kind == "forward"
    h, w = problem.stack.shape

    def names(role: int) -> tuple[str, ...]:
        times = problem.stack.times[dates == role] if forward else problem.stack.times
        return tuple(map(str, times))

    def count(role: int) -> int:
        return h * w if forward else int(np.count_nonzero(cells == role))

    return MapSplitRecord(
        kind=plan.kind,
        fit_dates=names(FIT),
        watch_dates=names(WATCH),
        test_dates=names(SEALED),
        fit_cells=count(FIT),
        watch_cells=count(WATCH),
        test_cells=count(SEALED),
        block=plan.block,
        digest=plan.digest,
        roles=() if forward else role_rows(cells),
    )
