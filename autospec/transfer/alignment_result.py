"""What `measure_alignment` found out, as plain values that go to JSON and back, and in words.

Nothing here computes; the measuring is in `autospec.transfer.alignment`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SetName = Literal["library", "selection", "random k", "nearest k"]
Place = Literal["ahead", "level", "behind"]
_COMPARED: tuple[SetName, SetName] = ("selection", "random k")
TOLD_APART = 0.05  # p value of MMD
WORSE = 1.25  # times the error of the farm's own model
CLEAR = 0.95  # share of the random selections


@dataclass(frozen=True, slots=True, kw_only=True)
class Residuals:
    """Errors of a model on rows that it has not seen, in the unit of the lab values.

    Parameters
    ----------
    rmse, me, sde : float
        Root mean square error; mean of predicted − observed; and standard deviation of the error
        (ddof 0), which is what is left when the bias is removed. RMSE² = ME² + SDE², but for
        means over random selections.
    """

    rmse: float
    me: float
    sde: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """How far one set of library rows is from the farm.

    Parameters
    ----------
    mmd2 : float
        Unbiased MMD² of the spectra, Gaussian kernel, one bandwidth for all sets. No unit.
    mmd_p : float
        Its permutation p value. Replicate scans count as rows, which makes it too small.
    energy : float
        Energy distance of the spectra, in absorbance.
    auc : float
        Cross-validated AUC of a classifier between set and farm: 0.5 = cannot be told apart.
    target_distance : float
        Wasserstein-1 distance of the lab values, in their unit.
    rmse, me, sde : float
        Conditional: the `Residuals` of a model fitted on the set alone, on the judging rows.
    """

    mmd2: float
    mmd_p: float
    energy: float
    auc: float
    target_distance: float
    rmse: float
    me: float
    sde: float


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentRow:
    """One set of library rows beside the farm.

    Parameters
    ----------
    name : {"library", "selection", "random k", "nearest k"}
        "nearest k" are the library rows with the shortest Mahalanobis distance to any local row.
    n : int
        Rows of the set.
    figures : Figures
        For "random k" the mean over the random selections.
    sd : Figures or None
        Their standard deviation (ddof 0); None for the other sets.
    """

    name: SetName
    n: int
    figures: Figures
    sd: Figures | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Alignment:
    """How close library, selection and controls are to a farm, in plain numbers.

    The local rows judged the selection, so where they are the judging rows here too (`judged` is
    "local"), the residuals of the selection are optimistic and those of the controls are not:
    then they explain, and settle nothing. With a holdout all are honest.

    Parameters
    ----------
    rows : tuple of AlignmentRow
        Library, selection, random k, nearest k.
    reference : Residuals
        Of the same model fitted on the labelled local rows: cross-validated by group if these
        judge, else fitted on all of them.
    judged, n_judged : {"local", "holdout"}, int
        On which rows the residuals are, and how many.
    m : int
        Local rows.
    components : int
        Principal components in which spectra are compared.
    bandwidth : float
        Of the kernel: the median distance in library and farm pooled, in absorbance.
    further, worse : int
        How many of the random selections are further from the farm by energy distance, and have
        a larger RMSE, than the selection: sounder than mean and standard deviation where a few
        random selections fail badly.
    repeats, permutations, seed : int
        Random selections; relabellings behind a p value; what fixed both.
    target_name, target_unit : str
        For example "soc" and "g/kg".
    note : str
        How far the residuals can be trusted.
    notes : tuple of str
        What was left out, and how spectra were compared.
    """

    rows: tuple[AlignmentRow, ...]
    reference: Residuals
    judged: Literal["local", "holdout"]
    n_judged: int
    m: int
    components: int
    bandwidth: float
    further: int
    worse: int
    repeats: int
    permutations: int
    seed: int
    target_name: str
    target_unit: str
    note: str
    notes: tuple[str, ...]

    def row(self, name: SetName) -> AlignmentRow:
        """Return the row called `name`."""
        return next(row for row in self.rows if row.name == name)


def describe(alignment: Alignment) -> str:
    """Say in two or three sentences for a farm adviser what the figures mean.

    The selection counts as closer, or as better, than random rows if it is so beside at least
    95 % of the random selections, and neither is closer where MMD tells neither from the farm
    (p ≥ 0.05); a model counts as worse than the farm's own if its error is more than a quarter
    larger.
    """
    sentences = (_of_spectra(alignment), _of_law(alignment), _of_cause(alignment))
    return " ".join(sentence for sentence in sentences if sentence)


def _of_spectra(alignment: Alignment) -> str:
    chosen, random = alignment.row("selection"), alignment.row("random k").figures
    words = {
        "ahead": "closer to the farm in spectra than",
        "level": "not closer to the farm in spectra than",
        "behind": "further from the farm in spectra than",
    }[_closeness(alignment)]
    return (
        f"The {chosen.n} selected rows are {words} random library rows (energy distance "
        f"{max(chosen.figures.energy, 0.0):.2g} against {max(random.energy, 0.0):.2g}; a "
        f"classifier tells them from the farm with AUC {chosen.figures.auc:.2f} against "
        f"{random.auc:.2f}, where 0.5 means it cannot)."
    )


def _of_law(alignment: Alignment) -> str:
    figures = {row.name: row.figures for row in alignment.rows}
    unlike = _closeness(alignment) != "ahead"
    verdict = {
        "ahead": "they teach more about this farm than random rows do"
        + (", although they look no more like it" if unlike else ""),
        "level": "they cannot be said to teach more about this farm than random rows do",
        "behind": "they teach less about this farm than random rows do",
    }[_place(alignment.worse, alignment.repeats)]
    judged = (
        f"the {alignment.n_judged} local rows, which judged the selection and so flatter it,"
        if alignment.judged == "local"
        else f"{alignment.n_judged} rows of the farm that had no part in the selection,"
    )
    return (
        f"On {judged} a model of the selected rows alone has an RMSE of "
        f"{figures['selection'].rmse:.3g} {alignment.target_unit}, of random rows "
        f"{figures['random k'].rmse:.3g}, of the nearest rows {figures['nearest k'].rmse:.3g} and "
        f"of the farm's own rows {alignment.reference.rmse:.3g}: {verdict} (better than "
        f"{alignment.worse} of {alignment.repeats} random selections)."
    )


def _of_cause(alignment: Alignment) -> str:
    """Say why the selected rows do worse than the farm's own, if they do."""
    chosen, limit = alignment.row("selection").figures, WORSE * alignment.reference.rmse
    unit = alignment.target_unit
    if chosen.rmse <= limit:
        return ""
    if chosen.sde <= limit:
        return (
            f"What they lack is mostly a constant: their predictions are {abs(chosen.me):.3g} "
            f"{unit} too {'high' if chosen.me > 0 else 'low'} on average, and without that the "
            f"error is {chosen.sde:.3g} {unit}, so a few samples of the farm can put it right."
        )
    return (
        f"Without their bias of {chosen.me:+.3g} {unit} the error is still {chosen.sde:.3g} "
        f"{unit}: lab values follow the spectrum differently on this farm, which no likeness of "
        "spectra mends."
    )


def _closeness(alignment: Alignment) -> Place:
    both = (alignment.row(name).figures.mmd_p for name in _COMPARED)
    if min(both) >= TOLD_APART:
        return "level"
    return _place(alignment.further, alignment.repeats)


def _place(beaten: int, of: int) -> Place:
    """Say where the selection stands among random ones of which it beats so many."""
    share = beaten / of
    return "ahead" if share >= CLEAR else "behind" if share <= 1 - CLEAR else "level"
