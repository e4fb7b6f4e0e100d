"""`LocalisationResult`: all that a localisation found out, as plain values; nothing here computes.

Reports, tables and run files are views of this one object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from autospec.evaluate.metrics import Estimate, Winner
from autospec.evaluate.trust import Trust
from autospec.localisation.settings import LocaliseSettings
from autospec.search.design import Design
from autospec.search.result import Environment, SpectraSummary
from autospec.transfer.alignment_result import Alignment
from autospec.transfer.provenance import Stability
from autospec.transfer.selection import Generation

SCHEMA_VERSION = 2
AUTO = "auto"
AUTO_LOCAL = "auto, farm rows only"
PLSR_LOCAL = "PLSR local"
MEAN = "mean"
LOCAL = "Local"
Kind = Literal["auto", "strategy", "baseline"]
Uses = Literal["farm", "library", "both"]
Stopped = Literal["complete", "budget", "interrupt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draw:
    """One draw of training rows; every model of a draw sees the same rows.

    Parameters
    ----------
    number : int
        From 0.
    train, test : tuple of int
        Positions among the farm's rows with a lab value (`LocalisationResult.farm_ids`), ascending.
    """

    number: int
    train: tuple[int, ...]
    test: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One model on one draw.

    Parameters
    ----------
    draw : int
        Number of the draw.
    predicted : tuple of float
        For the draw's test rows, in their order, in the unit of the lab values.
    rmse, me, sde : float
        On the test rows; SDE has ddof 0.
    ccc, r2, rpiq : float or None
        None where the test rows are constant.
    inner_rmse : float or None
        Out-of-fold RMSE on the draw's training rows: it chose something, so it is optimistic.
    detail : str
        What was chosen inside: components, weights, which layers were frozen.
    seconds : float
        To tune and fit.
    """

    draw: int
    predicted: tuple[float, ...]
    rmse: float
    me: float
    sde: float
    ccc: float | None
    r2: float | None
    rpiq: float | None
    inner_rmse: float | None
    detail: str
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """One model against a reference on the draws that both have.

    Parameters
    ----------
    reference : str
        The other model's name.
    draws : int
        Draws that both have.
    reduction_percent, low, high : float
        100·(R − M)/R of the mean RMSEs, R the reference's: positive means that this model is
        better; and the ends of its 95 % interval (bootstrap over draws and over farm rows).
    wins : int
        Draws in which this model has the lower RMSE.
    ties : int
        Draws in which both have the same.
    better : {"first", "second", "cannot tell"}
        "first" is this model. "cannot tell" when the interval holds 0, or from too little.
    """

    reference: str
    draws: int
    reduction_percent: float
    low: float
    high: float
    wins: int
    ties: int
    better: Winner


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRow:
    """One model over all its draws: a row of the comparison table.

    Parameters
    ----------
    name : str
        "auto", "PLSR local", "DTL-I_g" and so on.
    kind : {"auto", "strategy", "baseline"}
        Strategies are the networks of the published study design.
    uses : {"farm", "library", "both"}
        Whose lab values it learns from.
    about : str
        What it is, in one line.
    outcomes : tuple of Outcome
        One a draw, ascending; strategies may have fewer draws than the baselines.
    failures : tuple of str
        Why a draw has no outcome, one sentence each.
    rmse, me, sde, ccc, r2, rpiq : Estimate
        Mean over the draws, with a 95 % bootstrap interval over draws and farm rows.
    versus_local, versus_plsr : Paired or None
        Against the Local network and against PLSR on the farm's rows; None for itself, or
        where the reference was not run.
    """

    name: str
    kind: Kind
    uses: Uses
    about: str
    outcomes: tuple[Outcome, ...]
    failures: tuple[str, ...]
    rmse: Estimate
    me: Estimate
    sde: Estimate
    ccc: Estimate
    r2: Estimate
    rpiq: Estimate
    versus_local: Paired | None
    versus_plsr: Paired | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawTrust:
    """How far auto's predictions of one draw are to be trusted, as its training rows alone say.

    Parameters
    ----------
    draw : int
        Number of the draw.
    level : float
        What the intervals are made to hold, 0 to 1.
    lower, upper : tuple of float
        Of the draw's test rows, in their order, in the unit of the lab values.
    inside : tuple of bool
        Whether their spectra are inside the applicability domain.
    """

    draw: int
    level: float
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    inside: tuple[bool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectionRecord:
    """What RS-Local selected in one draw, or for the final model.

    Parameters
    ----------
    draw : int or None
        None: judged by all labelled rows, after the draws.
    library : {"global", "country"}
        What it selected from.
    ids, fields : tuple of str
        The selected library rows, and the field of each.
    sources : dict of str to int
        How many of them come from each field.
    trace : tuple of Generation
        The score curve; its errors are optimistic.
    fits, discarded : int
        PLS models fitted; draws that could not be fitted.
    """

    draw: int | None
    library: Literal["global", "country"]
    ids: tuple[str, ...]
    fields: tuple[str, ...]
    sources: dict[str, int]
    trace: tuple[Generation, ...]
    fits: int
    discarded: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkRecord:
    """The architecture that a strategy trained.

    Parameters
    ----------
    strategy : str
        Its name.
    draw : int or None
        None: found once, on the library alone.
    design : Design
        Preprocessing, architecture, training.
    epochs, bands : int
        Epochs trained; bands after averaging.
    trials : int
        Designs trained to find it; 0 if it was given.
    cv_rmse : float or None
        What the search lowered: optimistic.
    """

    strategy: str
    draw: int | None
    design: Design
    epochs: int
    bands: int
    trials: int
    cv_rmse: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpectraMap:
    """Two principal components of library, selection and farm, for a picture.

    Parameters
    ----------
    explained : pair of float
        Share of the variance on each axis, 0 to 1.
    library, selected, farm : tuple of pairs of float
        Scores; of the library at most 500 rows.
    library_fields : tuple of str
        The field of each library point.
    """

    explained: tuple[float, float]
    library: tuple[tuple[float, float], ...]
    library_fields: tuple[str, ...]
    selected: tuple[tuple[float, float], ...]
    farm: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalModel:
    """auto, fitted on every row of the farm that has a lab value.

    Parameters
    ----------
    detail : str
        What it is made of, with weights.
    weights : dict of str to float
        Share of each member.
    ids : tuple of str
        The farm's rows without a lab value.
    predicted : tuple of float
        Their predictions.
    level : float or None
        What their intervals are made to hold; None where there are none.
    calibration_rows : int
        Rows with a lab value that the intervals are made of; 0 where there are none.
    lower, upper : tuple of float
        Of the same rows; empty where there are none.
    inside : tuple of bool
        Whether their spectra are inside the applicability domain; empty where it is not known.
    reasons : tuple of str
        Why not, in words; empty for a row inside.
    """

    detail: str
    weights: dict[str, float]
    ids: tuple[str, ...]
    predicted: tuple[float, ...]
    level: float | None = None
    calibration_rows: int = 0
    lower: tuple[float, ...] = ()
    upper: tuple[float, ...] = ()
    inside: tuple[bool, ...] = ()
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalisationResult:
    """Everything a localisation found out.

    Parameters
    ----------
    name : str
        The site, or the local file's stem.
    verdict : str
        For the farmer: how good auto is, and whether it beats PLSR on the farm's own rows.
    transfer_verdict : str
        Whether the library helped: auto against auto on the farm's rows only.
    strategy_verdicts : tuple of str
        One sentence a transfer strategy: helped, did not, cannot tell, by how much.
    farm : SpectraSummary
        What the farm's table was, before it was aligned.
    library : SpectraSummary
        The usable library: aligned, purged of the farm, labelled.
    country : str or None
        The farm's, if one was given.
    inputs_digest : str
        SHA-256 of all that went in beside the settings: see `autospec.localisation.inputs`.
    farm_ids, farm_fields, observed
        The farm's rows with a lab value; draws count in them.
    library_rows : int
        Usable library rows, after the purge.
    library_fields : dict of str to int
        Where they come from.
    aligned : str
        The bands that both share, in words.
    purged : str
        The purge, in words.
    draws : tuple of Draw
    models : tuple of ModelRow
        In the order of the table: auto, strategies, baselines.
    selections : tuple of SelectionRecord
    networks : tuple of NetworkRecord
        One a strategy and draw; empty with --quick.
    alignment : Alignment or None
        How close library, selection and controls are to the farm; of the first draw.
    stability : Stability or None
        How much the selections of the draws agree.
    spectra_map : SpectraMap
    trust : Trust or None
        How auto's intervals and domain did, over the draws in `intervals`; None without any.
    intervals : tuple of DrawTrust
        Of the first draws, or of all.
    final : FinalModel
    notes : tuple of str
        What a reader must know: what was mended, dropped, not reached.
    stopped : {"complete", "budget", "interrupt"}
    """

    schema_version: int = SCHEMA_VERSION
    name: str
    settings: LocaliseSettings
    farm: SpectraSummary
    library: SpectraSummary
    country: str | None
    inputs_digest: str
    farm_ids: tuple[str, ...]
    farm_fields: tuple[str, ...]
    observed: tuple[float, ...]
    library_rows: int
    library_fields: dict[str, int]
    aligned: str
    purged: str
    draws: tuple[Draw, ...]
    models: tuple[ModelRow, ...]
    selections: tuple[SelectionRecord, ...]
    networks: tuple[NetworkRecord, ...]
    alignment: Alignment | None
    stability: Stability | None
    spectra_map: SpectraMap
    trust: Trust | None
    intervals: tuple[DrawTrust, ...]
    final: FinalModel
    verdict: str
    transfer_verdict: str
    strategy_verdicts: tuple[str, ...]
    notes: tuple[str, ...]
    stopped: Stopped
    environment: Environment

    def model(self, name: str) -> ModelRow:
        """Return the model called `name`."""
        return next(row for row in self.models if row.name == name)
