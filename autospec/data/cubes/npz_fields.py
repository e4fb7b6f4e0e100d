"""The arrays of an .npz by key: which must be there, their axes, and text, dates and numbers.

What is found wrong is added to `Findings`, so that a user sees all of it at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from autospec.data.cubes.cube_checks import check_words
from autospec.data.cubes.cubes import TIME_TYPE, TimeArray
from autospec.data.cubes.npz import AnyArray, NpzFile
from autospec.data.cubes.npz_headers import Member
from autospec.data.findings import Findings, count, some
from autospec.data.spectra import FloatArray
from autospec.data.tables import MAX_LABEL_CHARS
from autospec.errors import near

MAX_LINES = 200  # of provenance
MAX_CRS_CHARS = 20_000  # WKT is long
KINDS = {"f": "float", "i": "int", "u": "int", "b": "bool", "U": "text", "S": "text", "M": "date"}
_DATE = re.compile(
    r"[0-9]{4}(-[0-9]{2}(-[0-9]{2}([T ][0-9]{2}(:[0-9]{2}){1,2}(\.[0-9]{1,9})?Z?)?)?)?"
)
_BLOCK = 100_000
MAX_NAMES = 1_000_000
_MAX_TEXT_BYTES = 100_000_000  # as Python's text it takes several times as much


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """What may stand under one key of a file.

    Parameters
    ----------
    axes : tuple of str
        The axes it may have, by letters: ("nt", "t"); "" is a single value, a digit a length.
    kinds : str
        NumPy's letters of the dtypes it may have.
    what : str
        What it holds, for messages.
    needed : bool
        Whether a file without it is refused.
    """

    axes: tuple[str, ...]
    kinds: str
    what: str
    needed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What stands in one kind of file.

    Parameters
    ----------
    form : str
        Its value of the key ``format``.
    main : str
        The key whose shape gives the lengths of the axes.
    keys : dict of str to Key
    """

    form: str
    main: str
    keys: Mapping[str, Key]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sound:
    """The part of a file whose axes and kinds are right: lengths of axes, and keys to read."""

    sizes: Mapping[str, int]
    keys: frozenset[str]

    def __contains__(self, key: str) -> bool:
        """Say whether a key is there and may be read."""
        return key in self.keys


def check_layout(members: Mapping[str, Member], layout: Layout, findings: Findings) -> Sound:
    """Check names, dtypes and axes of all arrays before any is read.

    Parameters
    ----------
    members : dict of str to Member
        What the file declares.
    layout : Layout
        What is wanted.
    findings : Findings
        Receives one line a fault.
    """
    unknown = [name for name in members if name not in layout.keys]
    missing = [name for name, key in layout.keys.items() if key.needed and name not in members]
    findings.refuse(
        f"key {name!r} is not known.{near(name, layout.keys)} Want only {', '.join(layout.keys)}. "
        "Rename it or leave it out."
        for name in unknown
    )
    findings.refuse(
        f"no key {name!r}: {layout.keys[name].what}, {_axes_text(layout.keys[name])}. "
        "Add it and save the file again."
        for name in missing
    )
    sizes: dict[str, int] = {}
    main = members.get(layout.main)
    letters = layout.keys[layout.main].axes[0]
    if main is not None and len(main.shape) == len(letters):
        sizes = dict(zip(letters, main.shape, strict=True))
    sound = frozenset(
        name
        for name, member in members.items()
        if name in layout.keys and _is_sound(member, layout, sizes, findings)
    )
    return Sound(sizes=sizes, keys=sound)


def _is_sound(member: Member, layout: Layout, sizes: dict[str, int], findings: Findings) -> bool:
    """Check one array; an axis that no other has met gets its length from this one."""
    key, name = layout.keys[member.name], member.name
    if member.dtype.kind not in key.kinds:
        wanted = " or ".join(dict.fromkeys(KINDS[k] for k in key.kinds))
        findings.problems.append(
            f"key {name!r} is {member.dtype}; want {wanted}: {key.what}. Convert it and save again."
        )
        return False
    if not sizes and name != layout.main:
        return False  # nothing can be said of axes
    for axes in key.axes:
        for shape in (member.shape, _without_last(member.shape)):
            if len(shape) == len(axes) and _fits(shape, axes, sizes):
                if shape != member.shape and axes:
                    findings.mended.append(f"{name}: shape {member.shape} read as {shape}")
                return True
    found = f"{len(member.shape)} axes {member.shape}" if name == layout.main else member.shape
    lengths = "" if name == layout.main else f", here {_lengths(key, sizes)}"
    findings.problems.append(
        f"key {name!r} has {'' if name == layout.main else 'shape '}{found}; want "
        f"{_axes_text(key)}{lengths}: {key.what}. Save it again with these axes."
    )
    return False


def _fits(shape: tuple[int, ...], axes: str, sizes: dict[str, int]) -> bool:
    wanted = {axis: int(axis) if axis.isdigit() else sizes.get(axis) for axis in axes}
    pairs = list(zip(axes, shape, strict=True))
    if any(wanted[axis] not in (None, size) for axis, size in pairs):
        return False
    sizes.update({axis: size for axis, size in pairs if not axis.isdigit()})
    return True


def _without_last(shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape[:-1] if shape and shape[-1] == 1 else shape


def _axes_text(key: Key) -> str:
    """Return such as ``axes (n, t) or (t,)``."""
    names = ["(" + ", ".join(axes) + ("," if len(axes) == 1 else "") + ")" for axes in key.axes]
    return "a single value" if key.axes == ("",) else "axes " + " or ".join(names)


def _lengths(key: Key, sizes: Mapping[str, int]) -> str:
    shapes = [tuple(int(a) if a.isdigit() else sizes.get(a, a) for a in axes) for axes in key.axes]
    return " or ".join(str(shape).replace("'", "") for shape in shapes)


def read_words(npz: NpzFile, name: str, findings: Findings) -> tuple[str, ...] | None:
    """Read names: short, printable, not empty; whole numbers become text. None if any is wrong."""
    words = read_texts(npz, name, findings)
    return words if words is not None and check_words(name, words, findings) else None


def stand_ins(noun: str, length: int) -> tuple[str, ...]:
    """Return names for messages where those of the file cannot be read."""
    return tuple(f"{noun} {k + 1}" for k in range(length))


def read_word(npz: NpzFile, name: str, findings: Findings) -> str | None:
    """Read a single text on one line; None if it cannot be read."""
    words = read_texts(npz, name, findings)
    if words is None:
        return None
    return one_line(words[0])[:MAX_CRS_CHARS]


def read_lines(npz: NpzFile, name: str, findings: Findings) -> tuple[str, ...]:
    """Read sentences, each as one printable line."""
    return as_lines(read_texts(npz, name, findings) or ())


def as_lines(words: Sequence[str]) -> tuple[str, ...]:
    """Return sentences, each as one printable line of a bounded length."""
    lines = tuple(one_line(word)[:MAX_LABEL_CHARS] for word in words[:MAX_LINES])
    return tuple(line for line in lines if line)


def one_line(text: str) -> str:
    """Return a text on one line, of printable characters."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in " ".join(text.split()))


def read_texts(npz: NpzFile, name: str, findings: Findings) -> tuple[str, ...] | None:
    """Read an array of text or whole numbers as a flat tuple of str; None if it cannot be."""
    member = npz.members[name]
    if member.size > MAX_NAMES or member.bytes > _MAX_TEXT_BYTES:
        findings.problems.append(
            f"key {name!r}: {member.size:,} texts of {member.bytes:,} bytes; want at most "
            f"{MAX_NAMES:,} and {_MAX_TEXT_BYTES:,}. Shorten them."
        )
        return None
    try:
        return tuple(_text(cell) for cell in npz.read(name).reshape(-1).tolist())
    except ValueError:  # bytes that are no UTF-8, or a code point out of range
        findings.problems.append(
            f"key {name!r} holds bytes that are no text; want text (UTF-8). Save it again."
        )
        return None


def read_flag(npz: NpzFile, name: str) -> bool:
    """Read a single yes or no."""
    return bool(npz.read(name).reshape(-1)[0])


def read_numbers(npz: NpzFile, name: str) -> FloatArray:
    """Read numbers, one a sample."""
    return npz.read(name, np.dtype(np.float64)).reshape(-1)


def read_times(
    npz: NpzFile, name: str, shape: Sequence[int], findings: Findings
) -> TimeArray | None:
    """Read dates to the second: datetime64 of any unit, or ISO 8601 text.

    Parameters
    ----------
    npz : NpzFile
        Its array `name` has that `shape`, but perhaps for a last axis of length 1.
    name : str
        The key.
    shape : sequence of int
        What to return.
    findings : Findings
        Receives what cannot be read, and that parts of seconds were cut off.
    """
    raw = npz.read(name).reshape(-1)
    times = _from_dates(raw, name, findings) if raw.dtype.kind == "M" else None
    if raw.dtype.kind in "US":
        times = _from_words(raw, name, findings)
    return None if times is None else times.reshape(shape)


def _from_dates(raw: AnyArray, name: str, findings: Findings) -> TimeArray | None:
    """Bring datetime64 to seconds; refuse what is no date or outside the years 1 to 9999."""
    if np.datetime_data(raw.dtype)[0] == "generic":
        findings.problems.append(
            f"key {name!r} holds dates without a unit; want such as datetime64[D]. Save it again."
        )
        return None
    years = raw.astype("datetime64[Y]").astype(np.int64) + 1970
    times: TimeArray = raw.astype(TIME_TYPE)
    wrong = np.isnat(raw) | (years < 1) | (years > 9999) | np.isnat(times)
    if wrong.any():
        findings.problems.append(
            f"key {name!r}: {count(int(wrong.sum()), 'date')} not there (NaT) or outside the years "
            "1 to 9999; want a date in every place. Fill them and save again."
        )
        return None
    if (times.astype(raw.dtype) != raw).any():
        findings.mended.append(f"{name}: parts of seconds cut off")
    return times


def _from_words(raw: AnyArray, name: str, findings: Findings) -> TimeArray | None:
    """Read dates as text, block by block: within one, most of them repeat."""
    times = np.empty(len(raw), dtype=TIME_TYPE)
    for start in range(0, len(raw), _BLOCK):
        part = slice(start, start + _BLOCK)
        found, places = np.unique(raw[part], return_inverse=True)
        try:
            words = [_text(cell).strip() for cell in found.tolist()]
        except ValueError:
            words = ["?"]
        dates = np.array([_parse_date(word) for word in words], dtype=TIME_TYPE)
        if np.isnat(dates).any():
            wrong = [word[:40] for word, date in zip(words, dates, strict=True) if np.isnat(date)]
            findings.problems.append(
                f"key {name!r}: {some(wrong)} cannot be read as dates; want ISO 8601 such as "
                "2014-08-29 or 2014-08-29T12:00, or datetime64. Convert them and save again."
            )
            return None
        times[part] = dates[places]
    return times


def _parse_date(word: str) -> np.datetime64:
    """Return the date; NaT if it is none."""
    if not _DATE.fullmatch(word):
        return np.datetime64("NaT")
    try:
        return np.datetime64(word.removesuffix("Z"))
    except ValueError:
        return np.datetime64("NaT")


def _text(cell: object) -> str:
    """Return a cell as text.

    Raises
    ------
    ValueError
        If its bytes are not UTF-8.
    """
    return cell.decode("utf-8") if isinstance(cell, bytes) else str(cell)


def file_form(npz: NpzFile, layout: Layout, findings: Findings) -> str | None:
    """Return what a file says it is, or None if that is what is wanted.

    A file that does not say it is taken for what is wanted, and that is stated.
    """
    member = npz.members.get("format")
    if member is None or member.dtype.kind not in "US" or member.size != 1:
        if member is None:
            findings.recognised.append(f"no key 'format': read as {layout.form}")
        return None
    form = read_word(npz, "format", findings)
    return None if form == layout.form else str(form)[:40]
