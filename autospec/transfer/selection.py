"""The nouns of RS-Local: its settings, the trace of its generations, and the selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Lt

from autospec.data.spectra import FloatArray, IntArray, Spectra
from autospec.errors import UsageError

Criterion = Literal["response", "reconstruction", "similarity", "range"]
CRITERIA: tuple[Criterion, ...] = ("response", "reconstruction", "similarity", "range")
NEED_TARGETS: frozenset[Criterion] = frozenset({"response", "range"})


@dataclass(frozen=True, slots=True, kw_only=True)
class RSLocalSettings:
    """What RS-Local does; the same settings and seed select the same rows.

    Parameters
    ----------
    version : {"v1", "v2"}
        "v1" is the published algorithm (Lobsey et al. 2017, https://doi.org/10.1111/ejss.12490):
        independent draws, judged by the response, dropped by count. "v2" is our reading of
        RS-Local 2.0 (R): balanced draws, in which every row is tested exactly `b` times, and the
        options marked v2 below.
    k : int
        Library rows in a draw, above `components` + 1.
    b : int
        How often a row is tested in a generation (v1: about).
    r : float
        Share of the rows dropped in a generation, above 0 and below 1.
    components : int
        PLS components.
    target : int, optional
        Rows to select, at least `k`; by default `k`.
    criteria : tuple of {"response", "reconstruction", "similarity", "range"}
        What draws are judged by (v2, R; v1 knows only "response"). With several, rows are ranked
        by each and ordered by their mean rank. "reconstruction" and "similarity" need no local
        lab values.
    drop : {"count", "quantile"}
        "count" drops round(r·|K|) rows. "quantile" (v2, R) drops the rows whose score is above
        the 1 − r quantile, so equals at the cut live on together; at least one.
    grouped : bool
        v2, R: rows of one library group are drawn side by side and share one score.
    patience : int, optional
        v2, R: stop when the mean score of the draws has not fallen for so many generations, and
        return the rows of the best one, which are more than `target`. By default never.
    local_share : float, optional
        v2, R: weigh the selected rows so that the local rows, each of weight 1, make up this
        share of the whole weight when both are spiked into one model. By default no weights.
    tolerance : float
        Share of the library's spectral variance that its rotation may leave out; then rotated
        rows are float32. 0 leaves out nothing, in float64. Above 1e-10 selections differ more
        often from those of 0.

    Raises
    ------
    UsageError
        If a number is out of its range or an option does not belong to the version.
    """

    version: Literal["v1", "v2"] = "v1"
    k: Annotated[int, Ge(3)] = 300
    b: Annotated[int, Ge(1)] = 50
    r: Annotated[float, Gt(0), Lt(1)] = 0.05
    components: Annotated[int, Ge(1)] = 10
    target: int | None = None
    criteria: tuple[Criterion, ...] = ("response",)
    drop: Literal["count", "quantile"] = "count"
    grouped: bool = False
    patience: Annotated[int, Ge(1)] | None = None
    local_share: Annotated[float, Gt(0), Lt(1)] | None = None
    tolerance: Annotated[float, Ge(0), Le(0.01)] = 1e-10

    def __post_init__(self) -> None:
        """Refuse settings that cannot run."""
        problems = [*self._numbers(), *self._options()]
        if problems:
            raise UsageError("\n".join(problems))

    @property
    def wanted(self) -> int:
        """Rows to select."""
        return self.k if self.target is None else self.target

    def _numbers(self) -> list[str]:
        checks = [
            (self.components >= 1, f"components = {self.components}; want at least 1"),
            (
                self.k > self.components + 1,
                f"k = {self.k} with {self.components} components; want k above "
                f"{self.components + 1}. Draw more rows or use fewer components.",
            ),
            (self.b >= 1, f"b = {self.b}; want at least 1, better 40 or more"),
            (0 < self.r < 1, f"r = {self.r}; want above 0 and below 1, better below 0.1"),
            (
                self.wanted >= self.k,
                f"target = {self.wanted} is below k = {self.k}; a draw takes k of the rows that "
                "are left. Lower k or raise target.",
            ),
            (0 <= self.tolerance <= 0.01, f"tolerance = {self.tolerance}; want 0 to 0.01"),
            (
                self.local_share is None or 0 < self.local_share < 1,
                f"local_share = {self.local_share}; want above 0 and below 1",
            ),
            (
                self.patience is None or self.patience >= 1,
                f"patience = {self.patience}; want at least 1 generation, or None",
            ),
        ]
        return [message for fine, message in checks if not fine]

    def _options(self) -> list[str]:
        unknown = [c for c in self.criteria if c not in CRITERIA]
        problems = []
        if self.version not in ("v1", "v2"):
            problems.append(f"version = {self.version!r}; want 'v1' or 'v2'")
        if self.drop not in ("count", "quantile"):
            problems.append(f"drop = {self.drop!r}; want 'count' or 'quantile'")
        if unknown or not self.criteria or len(set(self.criteria)) < len(self.criteria):
            problems.append(
                f"criteria = {self.criteria!r}; want one or more of {', '.join(CRITERIA)}, "
                "each once"
            )
        used = [
            name
            for name, value, default in (
                ("criteria", self.criteria, ("response",)),
                ("drop", self.drop, "count"),
                ("grouped", self.grouped, False),
                ("patience", self.patience, None),
                ("local_share", self.local_share, None),
            )
            if value != default
        ]
        if self.version == "v1" and used:
            problems.append(f"{', '.join(used)}: not part of v1. Pass version='v2'.")
        return problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """One round of draws and one cut.

    The errors are those of draws on the rows that judge them. The search lowers them on purpose,
    so they are optimistic: a trace to look at, never a result to report.

    Parameters
    ----------
    number : int
        From 1.
    size, draws, discarded : int
        Rows before the cut; draws fitted; draws left out because they could not be fitted.
    judged_by : {"response", "reconstruction", "similarity", "range"}
        The first criterion, which the next three are about.
    error_mean, error_sd, error_min : float
        Of the draws that count (ddof 0); RMSE in the unit of the lab values for "response".
    cut : float
        Lowest score among the dropped rows (mean rank where there are several criteria).
    dropped : int
        Rows dropped.
    wanted : int
        Rows to select in the end.
    """

    number: int
    size: int
    draws: int
    discarded: int
    judged_by: Criterion
    error_mean: float
    error_sd: float
    error_min: float
    cut: float
    dropped: int
    wanted: int


GenerationCallback = Callable[[Generation], None]


def silent(generation: Generation) -> None:
    """Ignore progress."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """The library rows that RS-Local kept.

    Parameters
    ----------
    indices : int64, shape (n_selected,)
        Rows of the library as it was passed in, ascending.
    ids : tuple of str
        Their names.
    weights : float64, shape (n_selected,), or None
        Weight of each row beside local rows of weight 1; see `RSLocalSettings.local_share`.
    trace : tuple of Generation
        What happened. Its errors are optimistic.
    stopped : {"target", "patience"}
        Why it ended.
    settings, seed : RSLocalSettings, int
        What was asked for.
    rank : int
        Directions kept by the rotation of the spectra.
    left_out : float
        Share of the spectral variance that they leave out.
    judges : int
        Local rows that judged.
    purged : int
        Library rows that are the farm's own and took no part.
    unlabelled : int
        Library rows without a lab value, which took no part.
    notes : tuple of str
        The same in sentences.
    """

    indices: IntArray
    ids: tuple[str, ...]
    weights: FloatArray | None
    trace: tuple[Generation, ...]
    stopped: Literal["target", "patience"]
    settings: RSLocalSettings
    seed: int
    rank: int
    left_out: float
    judges: int
    purged: int
    unlabelled: int
    notes: tuple[str, ...]

    def __post_init__(self) -> None:
        """Freeze the arrays."""
        self.indices.setflags(write=False)
        if self.weights is not None:
            self.weights.setflags(write=False)

    @property
    def fits(self) -> int:
        """PLS models fitted."""
        return sum(generation.draws for generation in self.trace)

    @property
    def discarded(self) -> int:
        """Draws that could not be fitted and did not count."""
        return sum(generation.discarded for generation in self.trace)

    def pick(self, library: Spectra) -> Spectra:
        """Return the selected rows of the library that was passed in."""
        return library.rows(self.indices)
