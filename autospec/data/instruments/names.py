"""Sample ids from file names: which names are scans of one sample; no files are opened here.

A name is cut step by step, and each step gives one candidate:

1. the suffix of the format (``.asd``, ``.spc``, ...) goes;
2. the running number of OPUS (``.0``, ``.1``) goes;
3. an ending that says so goes: ``_rep3``, ``-r2``, ``_scan1``, ``.replicate2``;
4. or else a number goes, if what is left still holds a digit, so that ``S001_1`` is a scan of
   ``S001`` but ``plot-12`` is no scan of ``plot``: one or two digits after ``_``, ``-``, ``.`` or
   a space, or in an ``.asd`` file its running number of five digits (``S00100001``).

With lab values, the longest candidate that the lab knows is the id. Otherwise the shortest is,
unless more than ten files of the folder share it by their numbers: then these number the samples.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from autospec.data.instruments.files import SUFFIXES, has_number_suffix

MAX_REPLICATES = 10
_WORDED = re.compile(r"(?P<stem>.+?)[_\-. ]+(?:replicate|rep|scan|r)[_\-. ]?\d{1,3}", re.IGNORECASE)
_NUMBERED = re.compile(r"(?P<stem>.*\d.*?)[_\-. ]\d{1,2}")
_DATE = re.compile(r".*(?:19|20)\d\d[_\-.]\d{1,2}[_\-.]\d{1,2}")
_RUNNING = re.compile(r"(?P<stem>.*\d.*?)[_\-. ]?0\d{4}")


def candidates(name: str) -> tuple[str, ...]:
    """Return the ids that a file name can stand for, the longest first.

    Parameters
    ----------
    name : str
        The file's name, with its suffix.

    Returns
    -------
    tuple of str
        At least one; by the steps in the module's docstring.
    """
    stem = name
    suffix = name[name.rfind(".") :].lower() if "." in name else ""
    if suffix in SUFFIXES:
        stem = name[: -len(suffix)]
    found = [stem]
    if has_number_suffix(name):
        found.append(name[: name.rfind(".")])
    cut = _without_ending(found[-1], is_asd=suffix == ".asd")
    if cut:
        found.append(cut)
    return tuple(dict.fromkeys(found))


def sample_ids(names: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the files of one folder, where no lab says more.

    Parameters
    ----------
    names : sequence of str, length n
        File names.

    Returns
    -------
    tuple of str, length n
        The shortest candidate that no more than `MAX_REPLICATES` files share; an ending that says
        it is a replicate always goes.
    """
    found = [candidates(name) for name in names]
    shared = Counter(candidate for each in found for candidate in each)
    return tuple(
        next(
            (
                each[k]
                for k in range(len(each) - 1, 0, -1)
                if shared[each[k]] <= MAX_REPLICATES or _WORDED.fullmatch(each[k - 1])
            ),
            each[0],
        )
        for each in found
    )


def _without_ending(stem: str, is_asd: bool) -> str | None:
    """Return a stem without its replicate ending, or None where it has none."""
    patterns = (_WORDED, _RUNNING, _NUMBERED) if is_asd else (_WORDED, _NUMBERED)
    if _DATE.fullmatch(stem):
        return None
    for pattern in patterns:
        if match := pattern.fullmatch(stem):
            return match["stem"]
    return None
