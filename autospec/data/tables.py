"""Opening an untrusted file: what it is, how large, how encoded; its rows are read elsewhere.

Nothing is unpickled or evaluated, and no cap is met after the memory is taken: the file size is
checked before the first byte is read, rows and columns before an array is made.
"""

from __future__ import annotations

import codecs
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Literal

from autospec.data.findings import Findings
from autospec.data.spectra import FloatArray, IntArray
from autospec.errors import DataError, near

MAX_FILE_BYTES = 2 * 1024**3
MAX_STREAMED_BYTES = 64 * 1024**3  # a file read in blocks never lies in memory whole
MAX_COLUMNS = 20_000
MAX_ROWS = 2_000_000
MAX_DECODED_BYTES = 2 * 1024**3
MAX_ROW_CHARS = 4 * 1024**2
MAX_LABEL_CHARS = 1_000
MAX_BAD_CELLS = 1_000

Form = Literal["text", "parquet"]
_CHUNK = 1024 * 1024
_SAMPLE = 64 * 1024
_FOREIGN: tuple[tuple[bytes, str], ...] = (
    (b"PK\x03\x04", "an Excel or zip file; save the sheet as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file; save the sheet as CSV (UTF-8)"),
    (b"\x1f\x8b", "compressed with gzip, which is not read; unpack it first (gunzip)"),
    (b"BZh", "compressed with bzip2, which is not read; unpack it first (bunzip2)"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd, which is not read; unpack it first (unzstd)"),
    (b"\x80\x02", "a Python pickle, which is never opened; save the table as CSV or Parquet"),
    (b"\x80\x03", "a Python pickle, which is never opened; save the table as CSV or Parquet"),
    (b"\x80\x04", "a Python pickle, which is never opened; save the table as CSV or Parquet"),
    (b"\x80\x05", "a Python pickle, which is never opened; save the table as CSV or Parquet"),
    (b"\x89HDF", "an HDF5 file; save the table as CSV or Parquet"),
    (b"\x93NUMPY", "a NumPy file; save the table as CSV or Parquet"),
    (b"%PDF", "a PDF document; save the table as CSV or Parquet"),
    (b"RDX", "an R data file; save the table with write.csv(..., row.names = FALSE)"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenTable:
    """A file that may be read: its handle stays the same from the digest to the last row.

    Parameters
    ----------
    handle : BinaryIO
        The open file.
    form : {"text", "parquet"}
        Which reader takes it.
    encoding : str
        Text encoding; "utf-8-sig" for Parquet, where it plays no part.
    sha256 : str
        Digest of the whole file.
    """

    handle: BinaryIO
    form: Form
    encoding: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The columns to read, counted from 0: bands as numbers, labels as text."""

    bands: tuple[int, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BadCell:
    """A band cell that is not a number: row and band counted from 0, and what it holds."""

    row: int
    band: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFault:
    """A row that breaks the table's form: its number, and what was found, wanted and to do."""

    row_number: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RawTable:
    """The rows of a file before any check of their values.

    Parameters
    ----------
    row_numbers : int64, shape (n,)
        Row number a user sees: the line in a text file, the header being row 1; rows of a
        Parquet file count from 2 likewise.
    values : float64, shape (n, b)
        Band cells as written; NaN where the cell is empty, NA or not a number.
    labels : dict of int to tuple of str
        Cells of the label columns, by column number.
    bad_cells : tuple of BadCell
        Band cells that are not numbers, the first 1000.
    bad_cells_more : int
        How many more there are.
    row_faults : tuple of RowFault
        Ragged rows, which are not among the n, and rows with a cell that cannot be kept.
    row_faults_more : int
        How many more there are.
    comma_rows, blank_rows : int
        Rows with decimal commas, and blank rows skipped.
    """

    row_numbers: IntArray
    values: FloatArray
    labels: dict[int, tuple[str, ...]]
    bad_cells: tuple[BadCell, ...] = ()
    bad_cells_more: int = 0
    row_faults: tuple[RowFault, ...] = ()
    row_faults_more: int = 0
    comma_rows: int = 0
    blank_rows: int = 0


@contextmanager
def open_table(path: Path, findings: Findings) -> Iterator[OpenTable]:
    """Open a file after checking that it is one, that it is small enough and what it holds.

    Parameters
    ----------
    path : Path
        The file.
    findings : Findings
        Receives a sentence when the encoding had to be guessed.

    Yields
    ------
    OpenTable

    Raises
    ------
    DataError
        If the file is missing, not a plain file, too large, empty, or not a table.
    """
    with reading_errors():
        table = open_checked(path, findings)
        with table.handle:
            yield table


def open_checked(path: Path, findings: Findings, most_bytes: int | None = None) -> OpenTable:
    """Open a file as `open_table` does, for a caller that closes its handle itself.

    Raises
    ------
    DataError
        If it is not a plain file, above `most_bytes` (2 GiB without it), empty, or not a table.
    OSError
        If it cannot be read; see `reading_errors`.
    """
    check_file_size(_regular_size(path), most_bytes)
    handle = path.open("rb")
    try:
        head = handle.read(_SAMPLE)
        form = _form(head, path.suffix.lower())
        sha256, is_utf8 = _digest(handle)
        encoding = _encoding(head, is_utf8, findings) if form == "text" else "utf-8-sig"
        handle.seek(0)
    except BaseException:
        handle.close()
        raise
    return OpenTable(handle=handle, form=form, encoding=encoding, sha256=sha256)


@contextmanager
def reading_errors() -> Iterator[None]:
    """Turn what the system says of an unreadable file into a problem line."""
    try:
        yield
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(
            f"the file cannot be read: {reason}. Check the path and the file's permissions, "
            "and save it as CSV (UTF-8) or Parquet."
        ) from error


def check_file_size(size: int, most_bytes: int | None = None) -> None:
    """Refuse an empty file and one above the cap."""
    most = MAX_FILE_BYTES if most_bytes is None else most_bytes
    if size == 0:
        raise DataError(
            "the file is empty (0 bytes); want a header line and one row a sample. Export it again."
        )
    if size > most:
        raise DataError(f"the file has {size:,} bytes; want at most {most:,}. Split it into parts.")


def check_shape(rows: int, columns: int, bands: int) -> None:
    """Refuse a table above a cap on columns, rows or decoded bytes, before it is allocated.

    Raises
    ------
    DataError
        Naming the number found and the cap.
    """
    if columns > MAX_COLUMNS:
        raise DataError(
            f"header: {columns:,} columns; want at most {MAX_COLUMNS:,}. Keep the bands you need."
        )
    if rows > MAX_ROWS:
        raise DataError(f"{rows:,} rows; want at most {MAX_ROWS:,}. Split the file into parts.")
    if rows * bands * 8 > MAX_DECODED_BYTES:
        raise DataError(
            f"{rows:,} rows of {bands:,} bands take {rows * bands * 8:,} bytes of memory; want at "
            f"most {MAX_DECODED_BYTES:,}. Split the file into parts or keep fewer bands."
        )


def _regular_size(path: Path) -> int:
    """Return the size of a plain file, or say what is there instead."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise DataError(
            f"no such file in {str(path.parent)!r}; want a CSV or Parquet table."
            f"{near(path.name, _neighbours(path.parent))} Check the path."
        ) from None
    except ValueError as error:
        raise DataError(f"not a file name ({error}). Check the path.") from error
    if stat.S_ISDIR(found.st_mode):
        raise DataError("this is a folder; want one CSV or Parquet file. Pass a file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise DataError(
            "this is a device or a pipe; want a plain CSV or Parquet file. Save the data to a file."
        )
    return found.st_size


def _neighbours(folder: Path) -> list[str]:
    """Return the first names in a folder, or none if it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in islice(entries, 2_000)]
    except OSError:
        return []


def _form(head: bytes, suffix: str) -> Form:
    """Tell a Parquet file and a text table from everything else, by the first bytes."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if suffix == ".parquet":
        raise DataError(
            "the name ends in .parquet but the content is not Parquet; "
            "want a Parquet file. Export it again, or rename it if it is CSV."
        )
    for magic, what in _FOREIGN:
        if head.startswith(magic):
            raise DataError(f"not a table of text: it is {what}.")
    if _utf16(head) is None and _control_share(head) > 0.01:
        raise DataError(
            "not a table: the file holds binary data; want CSV (UTF-8) or Parquet. "
            "Export the spectra as CSV."
        )
    return "text"


def _control_share(head: bytes) -> float:
    """Return the share of bytes that no text holds; any NUL counts as all of them."""
    if b"\x00" in head:
        return 1.0
    control = sum(head.count(bytes([b])) for b in range(32) if b not in b"\t\n\r\f")
    return control / max(len(head), 1)


def _utf16(head: bytes) -> str | None:
    """Name the UTF-16 encoding of a text, by its mark or by every second byte being zero."""
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    pairs = len(head) // 2
    if pairs < 2:
        return None
    if head[1 : 2 * pairs : 2].count(0) > 0.9 * pairs and 0 not in head[0 : 2 * pairs : 2]:
        return "utf-16-le"
    if head[0 : 2 * pairs : 2].count(0) > 0.9 * pairs and 0 not in head[1 : 2 * pairs : 2]:
        return "utf-16-be"
    return None


def _digest(handle: BinaryIO) -> tuple[str, bool]:
    """Return the SHA-256 of the file and whether all of it is UTF-8."""
    handle.seek(0)
    digest = hashlib.sha256()
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8 = True
    while chunk := handle.read(_CHUNK):
        digest.update(chunk)
        if is_utf8:
            try:
                decoder.decode(chunk)
            except UnicodeDecodeError:
                is_utf8 = False
    return digest.hexdigest(), is_utf8


def _encoding(head: bytes, is_utf8: bool, findings: Findings) -> str:
    """Choose the text encoding and state any but plain UTF-8."""
    utf16 = _utf16(head)
    if utf16 is not None:
        findings.mended.append("the text is UTF-16: read as such")
        return utf16
    if head.startswith(codecs.BOM_UTF8):
        findings.mended.append("a byte order mark at the start was skipped")
    if is_utf8:
        return "utf-8-sig"
    findings.mended.append("the text is not UTF-8: read as Windows-1252")
    return "cp1252"
