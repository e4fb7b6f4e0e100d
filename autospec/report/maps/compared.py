"""A training on maps as runs to be compared, one a target; nothing is set against another here."""

from __future__ import annotations

import math
from dataclasses import dataclass

from autospec.evaluate.metrics import Scores
from autospec.report.compare_result import RunEntry, RunModel, RunModelKind
from autospec.training.map_result import NETWORK, MapTraining

TOLERANCE = 1e-6  # of a variance that is told by rounded scores


@dataclass(frozen=True, slots=True, kw_only=True)
class MapRows:
    """What the sealed values of a target are told by: no value is kept, and none is needed.

    Parameters
    ----------
    told : tuple
        Digest of the split, size and place of the raster, dates, target, and how many values.
    variance : float or None
        Of the observed values, as RMSE and R² tell it: RMSE²/(1 − R²); None where they do not.
    """

    told: tuple[object, ...]
    variance: float | None

    def same(self, other: MapRows) -> bool:
        """Say whether both are of the same sealed cells, dates and values."""
        if self.told != other.told:
            return False
        if self.variance is None or other.variance is None:
            return self.variance == other.variance
        return math.isclose(self.variance, other.variance, rel_tol=TOLERANCE)


def map_entries(result: MapTraining, name: str) -> list[tuple[RunEntry, MapRows]]:
    """Return an entry for each target, and what its sealed values are told by.

    Parameters
    ----------
    result : MapTraining
    name : str
        Of the run; with more than one target theirs are added.
    """
    many = len(result.data.targets) > 1
    entries = []
    for place, target in enumerate(result.data.targets):
        entry = RunEntry(
            name=f"{name}, {target}" if many else name,
            job="training on maps",
            target=target,
            unit="",
            n_test=result.models[0].scores[place].pooled.n,
            rows="",
            split=result.split.kind,
            synthetic=result.data.synthetic,
            models=_models(result, place),
        )
        entries.append((entry, _rows(result, place)))
    return entries


def _models(result: MapTraining, place: int) -> tuple[RunModel, ...]:
    kinds: dict[bool, RunModelKind] = {True: "network", False: "baseline"}
    return tuple(
        RunModel(
            name=model.name,
            detail=model.detail,
            kind=kinds[model.name == NETWORK],
            scores=model.scores[place].pooled,
        )
        for model in result.models
    )


def _rows(result: MapTraining, place: int) -> MapRows:
    data, split = result.data, result.split
    t, _, h, w = data.shape
    raster = (t, h, w, data.first_time, data.last_time, data.cell, data.crs)
    n = result.models[0].scores[place].pooled.n
    told = (split.digest, split.test_dates, split.test_cells, *raster, data.targets[place], n)
    return MapRows(told=told, variance=_variance(result.models[0].scores[place].pooled))


def _variance(scores: Scores) -> float | None:
    rmse, r2 = scores.rmse.value, scores.r2.value
    if rmse is None or r2 is None or r2 >= 1:
        return None
    return rmse**2 / (1 - r2)
