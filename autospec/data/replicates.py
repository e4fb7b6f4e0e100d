"""Groups: which rows are one sample and must stay in one fold; no files and no units here."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from autospec.data.findings import Findings, RowNames, count
from autospec.data.spectra import FloatArray, Spectra


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupKeys:
    """What ties rows together.

    Parameters
    ----------
    ids : tuple of str, length n
        Sample names; rows of one name are replicates.
    groups : tuple of str or None, length n
        Cells of the group column; empty where a row has none. None without such a column.
    """

    ids: tuple[str, ...]
    groups: tuple[str, ...] | None = None


def make_groups(
    keys: GroupKeys, values: FloatArray, rows: RowNames, findings: Findings
) -> tuple[str, ...]:
    """Tie rows of one id, one group cell or one and the same spectrum into groups.

    Parameters
    ----------
    keys : GroupKeys
        Names of the n rows.
    values : float64, shape (n, b)
        Spectra; rows equal in every band are tied.
    rows : RowNames
        How rows are named.
    findings : Findings
        Receives sentences.

    Returns
    -------
    tuple of str, length n
        A label for each row; ties hold through other rows.
    """
    parent = list(range(len(keys.ids)))
    by_id = _tie(parent, keys.ids)
    repeats = [same for same in by_id.values() if len(same) > 1]
    if repeats:
        findings.mended.append(
            f"{count(len(repeats), 'id')} on {count(sum(map(len, repeats)), 'row')} (first "
            f"{keys.ids[repeats[0][0]]!r}): taken as replicate scans, each id in one group"
        )
    if keys.groups is not None:
        _tie(parent, [g or ("sample", i) for g, i in zip(keys.groups, keys.ids, strict=True)])
    same_spectra = _tie(parent, [hashlib.sha256(row.tobytes()).digest() for row in values])
    copies = [s for s in same_spectra.values() if len({keys.ids[i] for i in s}) > 1]
    if copies:
        first, second = (
            copies[0][0],
            next(i for i in copies[0] if keys.ids[i] != keys.ids[copies[0][0]]),
        )
        copied = "spectrum" if len(copies) == 1 else "spectra"
        findings.mended.append(
            f"{len(copies)} {copied} repeated under other ids (first {rows[first]} and "
            f"{rows[second]}): each put in one group, so that no fold tests on a copy"
        )
    return tuple(_label(keys, _root(parent, i)) for i in range(len(parent)))


def check_groups(groups: Sequence[str], by_column: bool, findings: Findings) -> None:
    """Refuse a table whose rows are all in one group: nothing would be left to test on."""
    if len(groups) > 1 and len(set(groups)) == 1:
        step = (
            "Pass --group with another column, or leave it out."
            if by_column
            else "Pass --id with the column that names each sample."
        )
        findings.problems.append(
            f"all {len(groups)} rows are in one group ({groups[0]!r}); want at least 2. {step}"
        )


def check_replicates(
    ids: Sequence[str], target: FloatArray, what: str, rows: RowNames, findings: Findings
) -> None:
    """Refuse rows of one id with different lab values.

    Parameters
    ----------
    ids : sequence of str, length n
        Sample names.
    target : float64, shape (n,)
        Lab values; NaN where a row has none.
    what : str
        Name of the target, for the message.
    rows : RowNames
        How rows are named.
    findings : Findings
        Receives the problems.
    """
    by_id: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(ids):
        if np.isfinite(target[i]):
            by_id[name].append(i)
    lines = []
    for same in by_id.values():
        other = next((i for i in same if not np.isclose(target[i], target[same[0]])), None)
        if other is not None:
            lines.append(
                f"{rows[other]}: {what} = {target[other]:g} but {target[same[0]]:g} in row "
                f"{rows.numbers[same[0]]} of the same id; want one value a sample. Correct the "
                "cell, or pass --id with the column that names each sample."
            )
    findings.refuse(lines)


def average_replicates(spectra: Spectra, findings: Findings) -> Spectra:
    """Replace the rows of each id by their mean spectrum.

    Parameters
    ----------
    spectra : Spectra
        Checked: rows of one id have one group and at most one lab value.
    findings : Findings
        Receives the sentence.

    Returns
    -------
    Spectra
        One row an id, in order of first appearance; the same table if no id is repeated.
    """
    members: dict[str, list[int]] = defaultdict(list)
    for i, name in enumerate(spectra.ids):
        members[name].append(i)
    if len(members) == spectra.n:
        return spectra
    means = np.empty((len(members), spectra.b))
    target = np.full(len(members), np.nan)
    for k, same in enumerate(members.values()):
        means[k] = spectra.values[same].mean(axis=0)
        known = spectra.target[same]
        known = known[np.isfinite(known)]
        target[k] = known[0] if len(known) else np.nan
    findings.mended.append(
        f"{spectra.n} scans of {count(len(members), 'sample')} averaged: one row a sample"
    )
    first = spectra.rows([same[0] for same in members.values()])
    return replace(first, values=means, target=target)


def check_samples(spectra: Spectra, wanted: int, findings: Findings) -> None:
    """Refuse too few labelled samples, scans of one counted once."""
    n = spectra.labelled().n
    if n < wanted:
        findings.problems.append(
            f"{count(n, 'sample')} with a value of {spectra.target_name}; want at least {wanted}. "
            "Add samples with lab values."
        )


def _tie(parent: list[int], keys: Sequence[Hashable]) -> dict[Hashable, list[int]]:
    """Join the rows of each key, and return the rows by key."""
    members: dict[Hashable, list[int]] = defaultdict(list)
    for i, key in enumerate(keys):
        members[key].append(i)
    for same in members.values():
        for i in same[1:]:
            a, b = _root(parent, same[0]), _root(parent, i)
            parent[max(a, b)] = min(a, b)
    return members


def _root(parent: list[int], i: int) -> int:
    """Return the first row of the group of row i."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


def _label(keys: GroupKeys, first: int) -> str:
    """Name a group after its first row."""
    if keys.groups is None:
        return keys.ids[first]
    return keys.groups[first] or f"sample {keys.ids[first]}"
