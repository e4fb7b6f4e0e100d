"""Which ids of two tables mean one sample; no files and no cells here.

Ids match when they are equal; those left over also when they are equal but for case and leading
zeros (``s1`` and ``S001``), if that leaves one on either side.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Sequence

from autospec.data.findings import Findings, count, some


def match_ids(
    choices: Sequence[tuple[str, ...]], known: Collection[str], findings: Findings
) -> list[str | None]:
    """Find each row's id among those that are known.

    Parameters
    ----------
    choices : sequence of tuple of str, length n
        The ids each row may have, the likeliest first; none for a row without an id.
    known : collection of str
        The other table's ids.
    findings : Findings
        Receives what was joined by another spelling, and what could not be.

    Returns
    -------
    list of str or None, length n
        The known id; None where there is none.
    """
    loose: dict[str, set[str]] = defaultdict(set)
    for name in known:
        loose[plain_id(name)].add(name)
    matched: list[str | None] = []
    spelled: dict[str, set[str]] = defaultdict(set)
    for names in choices:
        exact = next((n for n in names if n in known), None)
        near = next((n for n in names if len(loose.get(plain_id(n), ())) == 1), None)
        if exact is not None:
            spelled[exact].add(exact)
            matched.append(exact)
        elif near is not None:
            found = next(iter(loose[plain_id(near)]))
            spelled[found].add(near)
            matched.append(found)
        else:
            matched.append(None)
    doubtful = {name for name, ways in spelled.items() if len(ways) > 1}
    by_hand = {n: next(iter(w)) for n, w in spelled.items() if len(w) == 1 and n not in w}
    if by_hand:
        lab, own = next(iter(by_hand.items()))
        findings.mended.append(
            f"{count(len(by_hand), 'id')} joined without regard to case and leading zeros (first "
            f"{own!r} = {lab!r})"
        )
    if doubtful:
        findings.mended.append(
            f"not joined beyond the exact spelling, as several ids of the spectra could be meant: "
            f"{some(sorted(doubtful))}"
        )
    return [
        m if m not in doubtful or m in names else None
        for m, names in zip(matched, choices, strict=True)
    ]


def plain_id(name: str) -> str:
    """Return an id in small letters, its numbers without leading zeros."""
    return re.sub(r"\d+", lambda digits: digits[0].lstrip("0") or "0", name.strip().casefold())
