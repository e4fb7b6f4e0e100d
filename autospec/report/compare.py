"""`compare_runs`: the models of several finished runs in one list, and what may be said of them.

Scores are taken from the runs as they stand. Two runs are set against each other, by a paired
bootstrap, only where their test rows are the same: the same ids with the same observed values. Of
maps no value is kept, but only scores: they are laid side by side, and not set against each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from string import ascii_uppercase

import numpy as np

from autospec.data.spectra import FloatArray
from autospec.errors import OutputError, UsageError
from autospec.evaluate.metrics import compare
from autospec.report.compare_result import RunEntry as RunEntry  # they are what is returned
from autospec.report.compare_result import RunModel, RunModelKind, RunPair
from autospec.report.compare_result import RunsComparison as RunsComparison
from autospec.report.cubes.folder import load_cube_result
from autospec.report.folder import load_result
from autospec.report.jobs import (
    CUBE_FILE,
    LOCALISATION_FILE,
    MAP_FILE,
    MAP_TRAIN_FILE,
    SEARCH_FILE,
    TRAIN_FILE,
)
from autospec.report.map_folder import load_map_training
from autospec.report.map_search.folder import load_map_search
from autospec.report.map_search.tables import with_others
from autospec.report.maps.compared import MapRows, map_entries
from autospec.report.train_folder import load_training
from autospec.report.words import measured, winner_model
from autospec.search.cubes.result import CubeModel, CubeResult
from autospec.search.result import ModelResult, SearchResult
from autospec.training.cube_training import NETWORK, TrainResult
from autospec.training.map_result import NETWORK as MAP_NETWORK
from autospec.training.map_result import MapTraining

READ = (SEARCH_FILE, CUBE_FILE, TRAIN_FILE, MAP_TRAIN_FILE, MAP_FILE)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Loaded:
    """A run with its test rows, in order of their ids, and its leading model's predictions.

    One target of a training on maps has no ids and no predictions, but `maps`.
    """

    entry: RunEntry
    ids: tuple[str, ...]
    observed: FloatArray
    lead: str
    predicted: FloatArray
    maps: MapRows | None = None

    def same_rows(self, other: _Loaded) -> bool:
        """Say whether both were tested on the same rows."""
        if self.maps is not None or other.maps is not None:
            return self.maps is not None and other.maps is not None and self.maps.same(other.maps)
        mine, theirs = self.entry, other.entry
        return (
            (mine.target, mine.unit, self.ids) == (theirs.target, theirs.unit, other.ids)
            and len(set(self.ids)) == len(self.ids)
            and np.array_equal(self.observed, other.observed)
        )


def compare_runs(runs: Sequence[Path]) -> RunsComparison:
    """Read finished runs and lay their models side by side.

    Parameters
    ----------
    runs : sequence of Path
        Output folders of a search, a search on cubes or a training, on maps too; or the files in
        them.

    Raises
    ------
    UsageError
        If a run is named twice, or is of another job.
    OutputError
        If there is no result in one, or it cannot be read.
    """
    places = [run.resolve() for run in runs]
    twice = next((run for i, run in enumerate(runs) if places[i] in places[:i]), None)
    if twice is not None:
        raise UsageError(f"{twice} is named twice. Name each run once.")
    loaded = [
        part for run, name in zip(runs, _names(runs), strict=True) for part in _load(run, name)
    ]
    letters = _letters(loaded)
    entries = tuple(
        replace(run.entry, rows=letter) for run, letter in zip(loaded, letters, strict=True)
    )
    pairs = tuple(
        RunPair(
            first=a.entry.name,
            first_model=a.lead,
            second=b.entry.name,
            second_model=b.lead,
            versus=compare(a.observed, a.predicted, b.predicted),
        )
        for a, b in combinations(loaded, 2)
        if a.same_rows(b) and len(a.predicted) and len(b.predicted)
    )
    return RunsComparison(runs=entries, pairs=pairs, remarks=_remarks(entries, pairs))


def _names(runs: Sequence[Path]) -> list[str]:
    """Return a name a run: its folder's, or its path where two folders have the same name."""
    short = [(run if run.is_dir() else run.parent).resolve().name for run in runs]
    return [
        name if short.count(name) == 1 else str(run) for run, name in zip(runs, short, strict=True)
    ]


def _load(run: Path, name: str) -> list[_Loaded]:
    file = next((f for f in READ if (run / f).is_file()), run.name if run.is_file() else None)
    if file == SEARCH_FILE:
        return [_of_search(load_result(run), name)]
    if file == CUBE_FILE:
        return [_of_cubes(load_cube_result(run), name)]
    if file == TRAIN_FILE:
        return [_of_training(load_training(run), name)]
    if file == MAP_TRAIN_FILE:
        return _of_maps(load_map_training(run), name)
    if file == MAP_FILE:
        return _of_maps(with_others(load_map_search(run)), name)
    if file == LOCALISATION_FILE or (run / LOCALISATION_FILE).is_file():
        raise UsageError(
            f"{run} holds a localisation, whose draws are compared in its own report. Name folders "
            "of autospec search or autospec train."
        )
    raise OutputError(
        f"{run}: there is no result of a run. Want a folder with one of {', '.join(READ)}, as "
        "autospec search and autospec train write them."
    )


def _of_search(result: SearchResult, name: str) -> _Loaded:
    entry = RunEntry(
        name=name,
        job="search",
        target=result.data.target_name,
        unit=result.data.target_unit,
        n_test=result.n_test,
        rows="",
        split="whole groups",
        synthetic=False,
        models=_of_models(result.models),
    )
    lead = winner_model(result)
    return _loaded(entry, (result.test_ids, result.observed), (lead.name, lead.predicted))


def _of_cubes(result: CubeResult, name: str) -> _Loaded:
    entry = RunEntry(
        name=name,
        job="search on cubes",
        target=result.data.target_name,
        unit=result.data.target_unit,
        n_test=result.split.n_test,
        rows="",
        split=result.split.kind,
        synthetic=result.data.synthetic,
        models=_of_models(result.models),
    )
    lead = winner_model(result)
    return _loaded(entry, (result.test_ids, result.observed), (lead.name, lead.predicted))


def _of_models(models: Iterable[ModelResult | CubeModel]) -> tuple[RunModel, ...]:
    return _best_first(
        RunModel(name=m.name, detail=m.detail, kind=m.kind, scores=m.scores, cv_rmse=m.cv_rmse)
        for m in models
    )


def _of_training(result: TrainResult, name: str) -> _Loaded:
    kinds: dict[bool, RunModelKind] = {True: "network", False: "baseline"}
    entry = RunEntry(
        name=name,
        job="training",
        target=result.data.target_name,
        unit=result.data.target_unit,
        n_test=result.split.n_test,
        rows="",
        split=result.settings.split.kind,
        synthetic=result.data.synthetic,
        models=_best_first(
            RunModel(name=m.name, detail=m.detail, kind=kinds[m.name == NETWORK], scores=m.scores)
            for m in result.models
        ),
    )
    lead = next(model for model in result.models if model.name == NETWORK)
    return _loaded(entry, (result.test_ids, result.observed), (lead.name, lead.predicted))


def _of_maps(result: MapTraining, name: str) -> list[_Loaded]:
    return [
        _Loaded(
            entry=replace(entry, models=_best_first(entry.models)),
            ids=(),
            observed=np.zeros(0),
            lead=MAP_NETWORK,
            predicted=np.zeros(0),
            maps=rows,
        )
        for entry, rows in map_entries(result, name)
    ]


def _best_first(models: Iterable[RunModel]) -> tuple[RunModel, ...]:
    def key(model: RunModel) -> float:
        value = model.scores.rmse.value if model.scores else None
        return float("inf") if value is None else value

    return tuple(sorted(models, key=key))


def _loaded(
    entry: RunEntry,
    test: tuple[tuple[str, ...], tuple[float, ...]],
    lead: tuple[str, tuple[float, ...]],
) -> _Loaded:
    """Put the test rows in order of their ids: two runs may have them in different ones."""
    ids, observed = test
    order = sorted(range(len(ids)), key=ids.__getitem__)
    return _Loaded(
        entry=entry,
        ids=tuple(ids[i] for i in order),
        observed=np.array([observed[i] for i in order]),
        lead=lead[0],
        predicted=np.array([lead[1][i] for i in order] if lead[1] else []),
    )


def _letters(runs: Sequence[_Loaded]) -> list[str]:
    """Return a letter a run, the same where the test rows are the same: A to Z, then A1, B1, ..."""
    firsts: list[_Loaded] = []
    letters = []
    for run in runs:
        place = next((i for i, first in enumerate(firsts) if first.same_rows(run)), len(firsts))
        if place == len(firsts):
            firsts.append(run)
        letters.append(ascii_uppercase[place % 26] + (str(place // 26) if place >= 26 else ""))
    return letters


def _remarks(runs: Sequence[RunEntry], pairs: Sequence[RunPair]) -> tuple[str, ...]:
    """Return what may be ranked, what not, and what else a reader must know."""
    said = []
    if len({run.rows for run in runs}) > 1:
        said.append(
            "The test rows of these runs are not the same ("
            + "; ".join(f"{rows}: {', '.join(names)}" for rows, names in _by_rows(runs).items())
            + "): scores under different letters must not be ranked against each other."
        )
    for pair in pairs:
        said.append(pair_words(pair, next(run.unit for run in runs if run.name == pair.first)))
    if len(pairs) > 1:
        said.append(
            f"{len(pairs)} pairs were compared, and the intervals are not widened for that: one in "
            "twenty such differences looks like one by chance."
        )
    if sum(run.job == "training on maps" for run in runs) > 1:
        said.append(
            "Of maps only scores are kept, and no prediction of every cell: no paired difference "
            "can be told, and overlapping intervals do not settle which of two networks is better."
        )
    for run in runs:
        if run.synthetic:
            said.append(f"{run.name} is on synthetic data: made up, not measured.")
        if run.split == "random":
            said.append(f"{run.name} was split at random, which leaks: its scores flatter.")
    return tuple(said)


def _by_rows(runs: Sequence[RunEntry]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for run in runs:
        names.setdefault(run.rows, []).append(run.name)
    return names


def pair_words(pair: RunPair, unit: str) -> str:
    """Return a paired comparison as one sentence."""
    v = pair.versus
    first, second = f"{pair.first_model} of {pair.first}", f"{pair.second_model} of {pair.second}"
    spread = f"RMSE difference {measured(v.difference)} {unit}, 95 % interval {measured(v.low)} to "
    spread += measured(v.high)
    if v.better == "cannot tell":
        return f"Which of {first} and {second} is better cannot be told: {spread}."
    better, worse = (first, second) if v.better == "first" else (second, first)
    return f"{better} beats {worse} on the same test rows: {spread}."
