"""Checks of cubes and stacks: cells, coverage, dates, names, lab values; no files here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.checks import NO_VALUE_NUMBERS
from autospec.data.cubes.cubes import BoolArray, Float32Array, TimeArray
from autospec.data.findings import Findings, count, some
from autospec.data.spectra import FloatArray, IntArray
from autospec.data.tables import MAX_LABEL_CHARS
from autospec.data.targets import MIN_LABELLED
from autospec.errors import DataError

HUGE = 1e30
TWO_DATES = "Two dates at one place need two names."
MAX_MISSING = 0.5  # of all cells of all samples
_BLOCK_CELLS = 2**22


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What samples are read for.

    Parameters
    ----------
    target : bool
        To learn from: enough lab values, which vary.
    values : bool
        Every sample and every channel has some value, and most cells have; not needed of samples
        to predict on, where each gets its own answer.
    """

    target: bool = False
    values: bool = True


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CellCounts:
    """What a pass over r rows of cells found.

    Parameters
    ----------
    valid, codes : int64, shape (r,)
        Cells with a value; cells that held a code for no value.
    wrong : dict of int to (int, float)
        Rows with infinite or huge values: how many, and the first.
    """

    valid: IntArray
    codes: IntArray
    wrong: dict[int, tuple[int, float]]


def blocks(rows: int, cells: int) -> Iterator[tuple[slice, slice]]:
    """Yield parts of an array (rows, cells) that are small enough for work in memory."""
    wide = min(cells, _BLOCK_CELLS)
    high = max(1, _BLOCK_CELLS // max(wide, 1))
    for top in range(0, rows, high):
        for left in range(0, cells, max(wide, 1)):
            yield slice(top, top + high), slice(left, left + wide)


def clean_cells(values: Float32Array, valid: BoolArray | None = None) -> CellCounts:
    """Mark cells that hold NaN or a code as without a value, in place.

    Parameters
    ----------
    values : float32, shape (r, m)
        Becomes 0 where there is no value, or NaN without `valid`.
    valid : bool, shape (r, m), optional
        Where the file says that there is a value.
    """
    rows, cells = values.shape
    counts, codes = np.zeros(rows, dtype=np.int64), np.zeros(rows, dtype=np.int64)
    wrong: dict[int, tuple[int, float]] = {}
    for part in blocks(rows, cells):
        block = values[part]
        there = ~np.isnan(block) if valid is None else valid[part] & ~np.isnan(block)
        coded = there & np.isin(block, np.asarray(NO_VALUE_NUMBERS, dtype=np.float32))
        there &= ~coded
        block[~there] = np.nan if valid is None else 0.0
        if valid is not None:
            valid[part] = there
        counts[part[0]] += there.sum(axis=1)
        codes[part[0]] += coded.sum(axis=1)
        large = np.abs(block) > HUGE
        for row in np.flatnonzero(large.any(axis=1)).tolist():
            found, first = wrong.get(part[0].start + row, (0, float(block[row][large[row]][0])))
            wrong[part[0].start + row] = (found + int(large[row].sum()), first)
    return CellCounts(valid=counts, codes=codes, wrong=wrong)


def report_cells(
    counts: CellCounts, rows: tuple[str, Sequence[str]], channels: Sequence[str], findings: Findings
) -> None:
    """State codes that were taken for no value, and refuse infinite and huge values.

    Parameters
    ----------
    counts : CellCounts
        Of rows in the order (sample, channel), or (date, channel).
    rows : (str, sequence of str)
        What the first axis holds, such as "sample", and the names.
    channels : sequence of str
    findings : Findings
        Receives the sentences and problems.
    """
    noun, names = rows
    c = len(channels)
    codes = counts.codes.reshape(-1, c).sum(axis=0)
    if codes.any():
        held = ", ".join(f"{channels[k]} {codes[k]:,}" for k in np.flatnonzero(codes).tolist())
        findings.mended.append(f"-9999 and -999 read as no value (cells by channel: {held})")
    findings.refuse(
        f"{noun} {names[row // c]!r}, channel {channels[row % c]!r}: {count(found, 'cell')} "
        f"infinite or beyond ±1e30, first {first:g}; want finite numbers. Correct them, or save "
        "NaN where there is no value."
        for row, (found, first) in sorted(counts.wrong.items())
    )


def check_coverage(
    valid: IntArray, cells: int, ids: Sequence[str], channels: Sequence[str], findings: Findings
) -> None:
    """Refuse samples and channels without any value, and a flood of cells without one.

    Parameters
    ----------
    valid : int64, shape (n, c)
        Cells with a value, of `cells` each.
    cells : int
    ids, channels : sequences of str, lengths n and c
    findings : Findings
        Receives the problems.
    """
    empty = np.flatnonzero(valid.sum(axis=1) == 0).tolist()
    if empty:
        findings.problems.append(
            f"{count(len(empty), 'sample')} without a single value: {some(ids[i] for i in empty)}; "
            "want values in every window. Remove them, or cut them from another stack."
        )
    blank = np.flatnonzero(valid.sum(axis=0) == 0).tolist()
    if blank and len(blank) < len(channels):
        findings.problems.append(
            f"no value in any sample: {some(channels[k] for k in blank)}; want values in every "
            "channel. Leave out the channel or fill it."
        )
    missing = 1.0 - valid.sum(axis=0) / (cells * max(len(ids), 1))
    if missing.mean() > MAX_MISSING:
        shares = ", ".join(
            f"{channel} {100 * m:.0f} %" for channel, m in zip(channels, missing, strict=True)
        )
        findings.problems.append(
            f"{100 * missing.mean():.0f} % of all cells without a value ({shares}); want at most "
            f"{100 * MAX_MISSING:.0f} %. Leave out what is empty, or fill the gaps in the stack."
        )


def check_words(key: str, words: Sequence[str], findings: Findings) -> bool:
    """Refuse names that are empty, unprintable or long; say whether all are sound."""
    wrong = [
        (i, word)
        for i, word in enumerate(words)
        if not word.strip() or not word.isprintable() or len(word) > MAX_LABEL_CHARS
    ]
    findings.refuse(
        f"key {key!r}: entry {i + 1} is {word[:40]!r}; want a name of 1 to {MAX_LABEL_CHARS:,} "
        "printable characters. Rename it."
        for i, word in wrong
    )
    return not wrong


def check_names(
    names: Sequence[str], key: str, noun: str, findings: Findings, step: str = "Rename them."
) -> None:
    """Refuse names that stand for more than one thing."""
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        findings.problems.append(
            f"key {key!r}: {count(len(repeated), 'name')} more than once: {some(repeated)}; want "
            f"one name for every {noun}. {step}"
        )


def check_channels(names: Sequence[str]) -> None:
    """Refuse layers of a raster whose names are unsound, or stand for more than one.

    Raises
    ------
    DataError
        Naming them.
    """
    findings = Findings()
    if not check_words("channels", names, findings):
        raise DataError(findings.problems)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{some(repeated)}: name of more than one channel; want different names.")


def check_order(times: TimeArray, rows: tuple[str, Sequence[str]], findings: Findings) -> None:
    """Refuse dates that do not ascend.

    Parameters
    ----------
    times : datetime64[s], shape (r, t)
    rows : (str, sequence of str)
        What a row is, such as "sample", and the names; none where all rows are one.
    findings : Findings
        Receives one line a row.
    """
    noun, names = rows
    steps = np.diff(times, axis=1)
    lines = []
    for row in np.flatnonzero((steps <= np.timedelta64(0)).any(axis=1)).tolist():
        at = int(np.flatnonzero(steps[row] <= np.timedelta64(0))[0])
        before, after = times[row, at], times[row, at + 1]
        found = "twice" if before == after else f"before {after}"
        where = f"{noun} {names[row]!r}: " if names else ""
        lines.append(
            f"{where}dates are not in order: {before} stands {found}; want each date once, oldest "
            "first. Sort the dates, and the values with them."
        )
    findings.refuse(lines)


def clean_target(target: FloatArray, findings: Findings) -> FloatArray:
    """Read codes for no value as such."""
    coded = np.isin(target, NO_VALUE_NUMBERS)
    if coded.any():
        findings.mended.append(
            f"target: {count(int(coded.sum()), 'value')} of -9999 or -999 read as no value"
        )
    return np.where(coded, np.nan, target)


def check_target(
    target: FloatArray, named: tuple[str, str], ids: Sequence[str], need: bool, findings: Findings
) -> None:
    """Refuse infinite lab values; where they are needed, also too few and constant ones.

    Parameters
    ----------
    target : float64, shape (n,)
    named : (str, str)
        Name and unit.
    ids : sequence of str, length n
    need : bool
        Whether something is to be learnt from them.
    findings : Findings
        Receives sentences and problems.
    """
    name, unit = named[0] or "target", f" {named[1]}" if named[1] else ""
    findings.refuse(
        f"sample {ids[i]!r}: {name} = {target[i]}; want a finite number. Correct it, or save NaN "
        "where there is no lab value."
        for i in np.flatnonzero(np.isinf(target)).tolist()
    )
    labelled = target[np.isfinite(target)]
    if 0 < labelled.size < len(target):
        findings.recognised.append(
            f"{len(target) - labelled.size} of {count(len(target), 'sample')} without {name}: "
            "kept, unlabelled"
        )
    if need and labelled.size < MIN_LABELLED:
        findings.problems.append(
            f"{count(labelled.size, 'sample')} with a value of {name}; want at least "
            f"{MIN_LABELLED}. Add samples with lab values."
        )
    if need and labelled.size > 1 and labelled.min() == labelled.max():
        findings.problems.append(
            f"{name} = {labelled[0]:g}{unit} in all {labelled.size} labelled samples; want values "
            "that vary. Save another target."
        )
