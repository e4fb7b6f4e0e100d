"""`MapSearchResult`: all that a search on a stack found out, as plain values that go to JSON.

Reports, tables and run files are views of this one object; nothing here computes.
"""

from __future__ import annotations

from dataclasses import dataclass

from autospec.search.maps.design import MapDesign
from autospec.search.maps.settings import MapSearchSettings
from autospec.search.result import Environment, Stopped, TrialRecord
from autospec.training.map_result import MapModel, MapTraining

MAP_RUN_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSearchResult:
    """Everything a search on a stack found out.

    Parameters
    ----------
    name : str
        The study's name: the stack's stem.
    settings : MapSearchSettings
    final : MapTraining
        The winner as if it had been trained alone: the stack, the split, its epochs, its scores on
        what is sealed beside those of simpler models, and the verdict.
    others : tuple of MapModel
        Further networks on the same cells and dates: the preset tiny, and the best of the random
        control, as far as there are any.
    watched : dict of str to float
        The simpler models' RMSE on the watched part, in the unit of the trials' scores.
    trials, control_trials : tuple of TrialRecord
        Of the study, and of the random control if one was asked for; their scores are of the
        watched part, of targets in units of their range, the mean over the targets.
    winner : MapDesign
    winner_trial : int
    importance : dict of str to float
        fANOVA importance of each parameter, highest first; empty if it could not be computed.
    importance_note : str
        What the importance leaves out, or why there is none.
    notes : tuple of str
        Of the search; those of the training are in `final`.
    stopped : {"trials", "budget", "interrupt", "proposals"}
        Why the search ended.
    environment : Environment
    """

    schema_version: int = MAP_RUN_VERSION
    name: str
    settings: MapSearchSettings
    final: MapTraining
    others: tuple[MapModel, ...]
    watched: dict[str, float]
    trials: tuple[TrialRecord, ...]
    control_trials: tuple[TrialRecord, ...]
    winner: MapDesign
    winner_trial: int
    importance: dict[str, float]
    importance_note: str
    notes: tuple[str, ...]
    stopped: Stopped
    environment: Environment
