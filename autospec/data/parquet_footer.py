"""What each column of a Parquet file unpacks to, read from the footer by its published layout.

pyarrow knows it too, but ends the whole process where a column's metadata contradict themselves:
its `RowGroupMetaData.column` lets a C++ exception through. Nothing of autospec calls that. Only
sizes are read here; everything else in the footer is skipped, and pyarrow judges it where it
reads, which raises. Layout: Apache Parquet's ``parquet.thrift`` in Thrift's compact protocol.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow.parquet as pq

from autospec.errors import DataError

MAX_FOOTER_BYTES = 256 * 1024**2
MAX_DEPTH = 32
_TRUE, _FALSE, _BYTE, _I16, _I32, _I64, _DOUBLE, _BINARY, _LIST, _SET, _MAP, _STRUCT = range(1, 13)
_ROW_GROUPS, _COLUMNS, _META_DATA, _PATH, _UNPACKED = 4, 1, 3, 3, 6  # field numbers


def check_footer(handle: BinaryIO) -> None:
    """Refuse a file that ends before its footer, or whose footer alone would fill the memory.

    Raises
    ------
    DataError
        Naming the size found and the cap.
    """
    size = _footer_bytes(handle)
    if size > MAX_FOOTER_BYTES:
        raise DataError(
            f"the Parquet footer has {size:,} bytes; want at most {MAX_FOOTER_BYTES:,}. Write the "
            "file again in fewer row groups, of 100,000 rows."
        )


def unpacked_bytes(handle: BinaryIO) -> Iterator[dict[str, int]]:
    """Say what each column of each row group unpacks to.

    Parameters
    ----------
    handle : BinaryIO
        The open file; where it stands is changed.

    Yields
    ------
    dict of str to int
        Dotted path of a column → bytes, for one row group after the other.

    Raises
    ------
    DataError
        If the footer does not hold together.
    """
    check_footer(handle)
    size = _footer_bytes(handle)
    handle.seek(-8 - size, os.SEEK_END)
    footer = _Compact(handle.read(size))
    try:
        for number, kind in footer.fields():
            if number == _ROW_GROUPS and kind == _LIST:
                for _ in range(footer.elements(_STRUCT)):
                    yield _row_group(footer)
            else:
                footer.skip(kind)
    except (IndexError, ValueError) as error:
        raise DataError(
            "the Parquet footer is broken (its list of columns does not hold together); want a "
            "plain Parquet table. Export the file again."
        ) from error


def group_bytes(file: pq.ParquetFile) -> list[int]:
    """Return what each row group says its columns unpack to, all together.

    This is one number a row group, and cheap: columns are asked only where it is too much. A
    negative one is more than any cap.
    """
    groups = (file.metadata.row_group(g) for g in range(file.metadata.num_row_groups))
    sizes = (int(group.total_byte_size) for group in groups)
    return [2**63 if size < 0 else size for size in sizes]


def _footer_bytes(handle: BinaryIO) -> int:
    """Return what the last eight bytes say of the footer."""
    whole = handle.seek(0, os.SEEK_END)
    if whole < 12:
        raise DataError(f"a Parquet file of {whole} bytes is cut short. Export the file again.")
    handle.seek(-8, os.SEEK_END)
    size = int.from_bytes(handle.read(4), "little")
    handle.seek(0)
    if size > whole - 8:
        raise DataError(
            f"the Parquet footer would have {size:,} bytes in a file of {whole:,}: it is cut short "
            "or damaged. Export the file again."
        )
    return size


def _row_group(footer: _Compact) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for number, kind in footer.fields():
        if number != _COLUMNS or kind != _LIST:
            footer.skip(kind)
            continue
        for _ in range(footer.elements(_STRUCT)):
            for inner, inner_kind in footer.fields():
                if inner == _META_DATA and inner_kind == _STRUCT:
                    name, size = _column(footer)
                    sizes[name] = size
                else:
                    footer.skip(inner_kind)
    return sizes


def _column(footer: _Compact) -> tuple[str, int]:
    """Return a column's dotted path and what it unpacks to."""
    name, size = "", 0
    for number, kind in footer.fields():
        if number == _PATH and kind == _LIST:
            parts = [footer.binary() for _ in range(footer.elements(_BINARY))]
            name = b".".join(parts).decode("utf-8", "replace")
        elif number == _UNPACKED and kind == _I64:
            size = footer.number()
        else:
            footer.skip(kind)
    return name, size


class _Compact:
    """A place in bytes of Thrift's compact protocol; IndexError or ValueError where it breaks."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    def fields(self) -> Iterator[tuple[int, int]]:
        """Yield number and type of each field of a struct; its value is to be read before more."""
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self.number()
            yield number, head & 15

    def elements(self, wanted: int) -> int:
        """Return how many elements follow, which must be of a type."""
        count, kind = self._list()
        if kind != wanted and count:
            raise ValueError(f"elements of type {kind}; want {wanted}")
        return count

    def number(self) -> int:
        """Return a whole number of any width."""
        raw = self._varint()
        return (raw >> 1) ^ -(raw & 1)

    def binary(self) -> bytes:
        """Return a run of bytes."""
        start = self._advance(self._varint())
        return self.content[start : self.at]

    def skip(self, kind: int, depth: int = 0) -> None:
        """Pass over a value."""
        if depth > MAX_DEPTH:
            raise ValueError("nested too deep")
        if kind in (_I16, _I32, _I64):
            self._varint()
        elif kind == _BINARY:
            self._advance(self._varint())
        elif kind == _STRUCT:
            for _, inner in self.fields():
                self.skip(inner, depth + 1)
        elif kind in (_LIST, _SET):
            count, inner = self._list()
            for _ in range(count):
                self._skip_element(inner, depth + 1)
        elif kind == _MAP:
            count = self._varint()
            kinds = self._byte() if count else 0
            for _ in range(count):
                self._skip_element(kinds >> 4, depth + 1)
                self._skip_element(kinds & 15, depth + 1)
        elif kind not in (_TRUE, _FALSE):
            self._advance({_BYTE: 1, _DOUBLE: 8}[kind] if kind in (_BYTE, _DOUBLE) else -1)

    def _skip_element(self, kind: int, depth: int) -> None:
        """Pass over an element: in a list, a truth value takes a byte."""
        self.skip(_BYTE if kind in (_TRUE, _FALSE) else kind, depth)

    def _list(self) -> tuple[int, int]:
        head = self._byte()
        return self._varint() if head >> 4 == 15 else head >> 4, head & 15

    def _byte(self) -> int:
        value = self.content[self.at]
        self.at += 1
        return value

    def _varint(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise ValueError("a number without end")

    def _advance(self, size: int) -> int:
        """Move on, and return where it was."""
        start = self.at
        if size < 0 or start + size > len(self.content):
            raise ValueError("a value beyond the end")
        self.at += size
        return start
