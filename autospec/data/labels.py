"""Label columns: which hold the target, the sample, the group and the field; no values here."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from autospec.data.findings import Findings, some
from autospec.data.headers import parse_header
from autospec.errors import near

Kind = Literal["soc", "som", "clay", "ph", "other"]

TARGET_WORDS: dict[str, Kind] = {
    "soc": "soc",
    "oc": "soc",
    "som": "som",
    "clay": "clay",
    "ph": "ph",
}
_KINDS: dict[str, Kind] = {
    **dict.fromkeys(
        (
            "soc",
            "oc",
            "toc",
            "corg",
            "orgc",
            "organiccarbon",
            "organicc",
            "soilorganiccarbon",
            "totalorganiccarbon",
        ),
        "soc",
    ),
    **dict.fromkeys(("som", "om", "organicmatter", "soilorganicmatter"), "som"),
    **dict.fromkeys(("clay", "claycontent"), "clay"),
    **dict.fromkeys(("ph", "phh2o", "phcacl2", "phkcl", "phwater"), "ph"),
}
_FILLERS = frozenset(
    {"target", "usda", "iso", "lab", "measured", "value", "observed", "tot", "index"}
)
_CODE = re.compile(r"[a-z]\d{3,4}|\d{5}")  # methods: of the USDA (c729), of the ISO (10694)
UNITS: dict[str, str] = {
    **dict.fromkeys(("%", "pct", "perc", "percent", "wpct", "wt%", "wtpct", "mass%"), "%"),
    **dict.fromkeys(("gkg", "gkg1", "gperkg"), "g/kg"),
    **dict.fromkeys(("gdm3", "gl", "gl1"), "g/dm3"),
    **dict.fromkeys(("mgkg", "mgkg1", "ppm"), "mg/kg"),
}
ID_WORDS = (
    "id.layer_uuid_txt", "id.layer_local_c", "id.sample_local_c", "id", "sample_id", "sampleid",
    "sample.id", "sample id", "layer_id", "layer id", "layerid", "lab_id", "labid", "lab id",
    "smp_id", "sample", "sample_name", "samplename", "name",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetColumn:
    """The column with the lab values.

    Parameters
    ----------
    column : int
        Column number in the file, counted from 0.
    header : str
        Its header, as in the file.
    kind : {"soc", "som", "clay", "ph", "other"}
        What is measured; "other" is taken as it stands.
    unit : str or None
        The unit that the header names; None when it names none.
    """

    column: int
    header: str
    kind: Kind
    unit: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelColumns:
    """The columns that are not bands, counted from 0; None where the file has none."""

    target: TargetColumn | None
    id: int | None
    group: int | None
    field: int | None


def read_unit(text: str) -> str | None:
    """Return the unit that a word names (``g kg-1`` is ``g/kg``), or None."""
    return UNITS.get("".join(_words(text)))


def read_target(header: str) -> tuple[Kind, str | None]:
    """Read a header as a soil property and its unit.

    Parameters
    ----------
    header : str
        For example ``SOC_target``, ``SOC (g/kg)`` or ``oc_usda.c729_w.pct``.

    Returns
    -------
    kind : {"soc", "som", "clay", "ph", "other"}
        The property; "other" when it is not one that autospec knows.
    unit : str or None
        ``%``, ``g/kg``, ``g/dm3`` or ``mg/kg``; None when the header names none.
    """
    words = _words(header)
    unit = None
    for length in (3, 2, 1):
        if len(words) > length and (unit := UNITS.get("".join(words[-length:]))):
            words = words[:-length]
            break
    rest = [w for w in words if w not in _FILLERS and not _CODE.fullmatch(w)]
    return _KINDS.get("".join(rest), "other"), unit


def choose_target(
    header: Sequence[str], wanted: str | None, needed: bool, findings: Findings
) -> TargetColumn | None:
    """Choose the target column, or say what stands in the way.

    Parameters
    ----------
    header : sequence of str
        The raw headers.
    wanted : str or None
        A column name, or one of the words soc, som, oc, clay, ph.
    needed : bool
        Whether a file without any known target is a problem.
    findings : Findings
        Receives the sentence or the problem.

    Returns
    -------
    TargetColumn or None
        None when a problem was added, or when no target is there and none is needed.
    """
    known = [t for t in (_target_at(header, c) for c in range(len(header))) if t.kind != "other"]
    listed = some(t.header for t in known) or "none that autospec knows"
    if wanted is None:
        if len(known) == 1:
            findings.recognised.append(f"target: column {known[0].header!r}")
            return known[0]
        if known and not needed:
            findings.recognised.append(f"target: none taken of {listed}; pass --target to name one")
        elif known:
            findings.problems.append(
                f"header: {len(known)} columns could be the target ({listed}); want one. "
                f"Pass --target, for example --target {known[0].header!r}."
            )
        elif needed:
            findings.problems.append(
                "header: no target column (such as soc, SOC_target, oc_usda.c729_w.pct, clay, "
                f"ph) among {some(_plain(header))}; want one. Pass --target with its name."
            )
        return None
    found = columns_named(header, wanted) or _by_word(known, wanted)
    if len(found) == 1:
        target = _target_at(header, found[0])
        findings.recognised.append(f"target: column {target.header!r} (asked for as {wanted!r})")
        return target
    what = f"fits {len(found)} columns ({listed})" if found else "is not a column of this file"
    findings.problems.append(
        f"header: target {wanted!r} {what}; want one column. Known targets here: {listed}."
        f"{near(wanted, _plain(header))} Pass --target with its exact name."
    )
    return None


def choose_label(
    header: Sequence[str], wanted: str | None, flag: str, findings: Findings
) -> int | None:
    """Find the column that an option names, or add a problem; None when no name was given."""
    if wanted is None:
        return None
    found = columns_named(header, wanted)
    if len(found) == 1:
        findings.recognised.append(f"{flag}: column {header[found[0]]!r}")
        return found[0]
    findings.problems.append(
        f"header: --{flag} {wanted!r} is not a column of this file; want one of "
        f"{some(_plain(header))}.{near(wanted, _plain(header))} Pass --{flag} with its exact name."
    )
    return None


def choose_id(header: Sequence[str], wanted: str | None, findings: Findings) -> int | None:
    """Find the column that names the samples: by option, by a known word, or the unnamed first."""
    if wanted is not None:
        return choose_label(header, wanted, "id", findings)
    lowered = [h.strip().lower() for h in header]
    for word in ID_WORDS:
        if lowered.count(word) == 1:
            column = lowered.index(word)
            findings.recognised.append(f"id: column {header[column]!r}")
            return column
    if lowered and lowered[0] == "":
        findings.recognised.append("id: the first column, which has no name")
        return 0
    findings.recognised.append("id: no id column, so rows are named by their row number")
    return None


def repeated_headers(header: Sequence[str], bands: Sequence[int]) -> list[str]:
    """Return a problem for every name that two columns share, bands left to their own check."""
    checked = set(bands)
    columns: dict[str, list[int]] = defaultdict(list)
    for column, text in enumerate(header):
        if column not in checked and text.strip():
            columns[text.strip()].append(column + 1)
    return [
        f"header: columns {', '.join(map(str, same))} are all called {name!r}; "
        "want one name a column. Rename or remove all but one."
        for name, same in columns.items()
        if len(same) > 1
    ]


def _words(text: str) -> list[str]:
    """Split a header into lower-case words, digits and percent signs."""
    plain = text.lower().replace("⁻", "-").replace("¹", "1").replace("³", "3")
    return re.findall(r"[a-z0-9]+|%", plain)


def _plain(header: Sequence[str]) -> list[str]:
    """Return the headers that are not bands."""
    return [h for h in header if h.strip() and parse_header(h) is None] or list(header[:5])


def _target_at(header: Sequence[str], column: int) -> TargetColumn:
    """Describe one column as a target."""
    kind, unit = read_target(header[column])
    return TargetColumn(column=column, header=header[column].strip(), kind=kind, unit=unit)


def columns_named(header: Sequence[str], wanted: str) -> list[int]:
    """Return the columns of that exact name, or else of that name in any case."""
    word = wanted.strip()
    exact = [c for c, h in enumerate(header) if h.strip() == word]
    return exact or [c for c, h in enumerate(header) if h.strip().lower() == word.lower()]


def _by_word(known: Sequence[TargetColumn], wanted: str) -> list[int]:
    """Return the columns of the kind a known word means; SOM stands in where SOC is missing."""
    kind = TARGET_WORDS.get(wanted.strip().lower())
    found = [t.column for t in known if t.kind == kind]
    if not found and kind == "soc":
        found = [t.column for t in known if t.kind == "som"]
    return found
