"""Bruker OPUS files (``.0``, ``.1``, ...), by the package `brukeropus` of the extra [instruments].

The package knows the block types and pairs spectra with their parameters; it is imported here
only. It trusts the file, so the directory and the parameter blocks are walked here first: a
negative length in a parameter would keep it in a loop for ever, and blocks that overlap a
thousand times would fill the memory. Series, reports and histories never reach it.
"""

from __future__ import annotations

import importlib.util
import struct
from dataclasses import dataclass
from typing import Any

from autospec.data.instruments.scan import Scan, check_count, make_scan
from autospec.data.spectra import AxisUnit, Quantity
from autospec.errors import DataError, UsageError

MAGIC = b"\n\n\xfe\xfe"
INSTALL = "pip install 'autospec-soil[instruments]'"
MAX_BLOCKS = 1_000
MAX_SPECTRA = 50  # the package compares each with each; a scan's file holds about ten
_HEADER_BYTES, _ENTRY_BYTES = 24, 12
_WANTED: tuple[tuple[str, Quantity], ...] = (("a", "absorbance"), ("r", "reflectance"))
_UNITS: dict[str, tuple[AxisUnit, float]] = {"WN": ("cm-1", 1.0), "MI": ("nm", 1000.0)}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    """One entry of the directory."""

    kind: tuple[int, ...]
    size: int
    start: int

    @property
    def is_status(self) -> bool:
        """Whether it holds the parameters of a spectrum."""
        return self.kind[2] == 1

    @property
    def is_spectrum(self) -> bool:
        """Whether it holds one spectrum, not a series (2) and no report (5)."""
        return self.kind[2] == 0 and self.kind[3] not in (0, 13) and self.kind[5] not in (2, 5)


def have_brukeropus() -> bool:
    """Say whether the package that reads OPUS files is installed."""
    return importlib.util.find_spec("brukeropus") is not None


def read_opus(content: bytes) -> Scan:
    """Read an OPUS file: its absorbance, else its reflectance.

    Parameters
    ----------
    content : bytes
        The whole file.

    Returns
    -------
    Scan
        The last spectrum stored, where there are several of one kind.

    Raises
    ------
    DataError
        If it is cut off, malformed, or holds neither.
    UsageError
        If the package is not installed.
    """
    if not have_brukeropus():
        raise UsageError(f"OPUS files need the package brukeropus. Install it with: {INSTALL}")
    if content[:4] != MAGIC:
        raise DataError("not an OPUS file: it does not begin as one.")
    blocks = [b for b in _directory(content) if b.is_status or b.is_spectrum]
    for block in blocks:
        _check_block(block, content)
    if len(blocks) > 2 * MAX_SPECTRA:
        raise DataError(f"more than {MAX_SPECTRA} spectra; want a single scan.")
    if sum(block.size for block in blocks) > 2 * len(content):
        raise DataError("malformed: the blocks of its directory overlap. Copy it again.")
    return _choose(_spectra(content, blocks))


def _directory(content: bytes) -> list[_Block]:
    """Return the entries of the directory."""
    if len(content) < _HEADER_BYTES:
        raise DataError("cut off inside the header. Copy it again from the instrument.")
    start, most = struct.unpack_from("<2i", content, 12)
    blocks: list[_Block] = []
    for at in range(start, start + _ENTRY_BYTES * max(most, 0), _ENTRY_BYTES):
        if start < _HEADER_BYTES or at + _ENTRY_BYTES > len(content):
            raise DataError("cut off inside the directory. Copy it again from the instrument.")
        code, words, begin = struct.unpack_from("<Iii", content, at)
        if begin <= 0:
            break
        if len(blocks) == MAX_BLOCKS:
            raise DataError(f"more than {MAX_BLOCKS:,} blocks; want a single scan.")
        blocks.append(_Block(kind=_kind(code), size=words * 4, start=begin))
    return blocks


def _kind(code: int) -> tuple[int, ...]:
    """Cut a block's type into its six fields of 2, 2, 6, 7, 2 and 3 bits, from the lowest."""
    fields = []
    for bits in (2, 2, 6, 7, 2, 3):
        fields.append(code & ((1 << bits) - 1))
        code >>= bits
    return tuple(fields)


def _check_block(block: _Block, content: bytes) -> None:
    """Refuse a block outside the file, and parameters of a length below 0."""
    if block.size < 0 or block.start + block.size > len(content):
        raise DataError(
            f"cut off: a block of {block.size:,} bytes at {block.start:,} and the file has "
            f"{len(content):,}. Copy it again from the instrument."
        )
    at, end = block.start, block.start + block.size
    while block.is_status and at + 8 <= end and content[at : at + 3] != b"END":
        (words,) = struct.unpack_from("<h", content, at + 6)
        if words < 0:
            raise DataError("malformed: a parameter of a negative length. Copy it again.")
        at += 8 + 2 * words


def _spectra(content: bytes, blocks: list[_Block]) -> dict[str, list[Any]]:
    """Let brukeropus parse the blocks; return its spectra by their short names, the last first."""
    from brukeropus.file import Data, FileBlock, pair_data_and_status_blocks

    try:
        parsed = []
        for b in blocks:
            block = FileBlock(content, block_type=b.kind, size=b.size, start=b.start)
            block.parse()
            if block.parse_error is None:
                parsed.append(block)
        found: dict[str, list[Any]] = {}
        for values, status in pair_data_and_status_blocks(parsed):
            check_count(status.data["npt"], 4 * status.data["npt"], values.size)
            key = values.get_data_key().removesuffix("_c")  # compact storage of the same
            found.setdefault(key, []).append(Data(values, status, key=key, vel=0))
        return found
    except DataError:
        raise
    # The package raises whatever hostile bytes lead it to (KeyError, TypeError, struct.error, ...).
    except Exception as error:
        raise DataError(
            f"brukeropus cannot read it ({type(error).__name__}: {str(error)[:100]}). "
            "Copy it again from the instrument."
        ) from error


def _choose(found: dict[str, list[Any]]) -> Scan:
    """Take absorbance, else reflectance, and say what else there was."""
    held = ", ".join(sorted(f"{k} ({len(v)})" if len(v) > 1 else k for k, v in found.items()))
    for key, quantity in _WANTED:
        if key not in found:
            continue
        data = found[key][0]
        unit = getattr(data.params, "dxu", None)
        if unit not in _UNITS:
            raise DataError(f"X axis in {str(unit)[:20]!r}; want WN (cm⁻¹) or MI (µm).")
        axis_unit, scale = _UNITS[unit]
        form = f"OPUS {quantity}" + (f", of {held}" if held != key else "")
        return make_scan(data.x * scale, axis_unit, data.y, quantity, form)
    raise DataError(
        f"it holds no absorbance (a) and no reflectance (r), only: {held or 'no spectrum'}. Save "
        "the absorbance spectrum in the file."
    )
