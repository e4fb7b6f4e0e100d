"""The model file: one safetensors file, its document in the header; whole, or refused.

Arrays are named by the SHA-256 of their numbers and the document, which names them, has its own
beside it, so that no byte can change unseen. Nothing in the file is ever run. See
``docs/model-file.md``.
"""

from __future__ import annotations

import hashlib
import json
import stat
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import safetensors

from autospec.data.tensors import AnyArray, tensor_name
from autospec.data.writing import cannot, write_bytes, write_text
from autospec.errors import DataError, UsageError
from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.trust import Trust
from autospec.predict.card import card_name, model_card
from autospec.predict.checks import check_bundle
from autospec.predict.deploy import deploy
from autospec.predict.document import (
    Accuracy,
    Bundle,
    CubeBundle,
    MapBundle,
    ModelBundle,
    Provenance,
)
from autospec.predict.document_text import (
    NEWEST,
    parse_document,
    read_document,
    write_document,
)
from autospec.predict.lab import lab_range

SUFFIX = ".safetensors"
MAX_FILE = 4 * 1024**3
MAX_HEADER = 16 * 1024**2
DTYPES: dict[str, np.dtype[Any]] = {"F64": np.dtype("<f8"), "F32": np.dtype("<f4")}
SomeBundle = TypeVar("SomeBundle", ModelBundle, CubeBundle, MapBundle)
AGAIN = (
    "Copy the file again from where it was made, or make it again with autospec search, localise "
    "or train."
)


def make_bundle(
    calibrated: CalibratedModel,
    *,
    name: str,
    model_kind: str,
    provenance: Provenance,
    accuracy: tuple[Accuracy, ...] = (),
    trust: Trust | None = None,
    trust_rows: str = "",
    limits: tuple[str, ...] = (),
) -> ModelBundle:
    """Write a fitted model down so that it can be kept.

    Parameters
    ----------
    calibrated : CalibratedModel
        The model, its twins, its calibration and its domain.
    name : str
        Lower-case letters, digits, hyphens, underscores; at most 64.
    model_kind : str
        What it is, in words.
    provenance : Provenance
        See `autospec.predict.document.describe_provenance`.
    accuracy, trust, trust_rows, limits
        As of `ModelBundle`.

    Raises
    ------
    UsageError
        If this kind of model cannot be kept, or the name cannot be one.
    """
    train = calibrated.train
    bundle = ModelBundle(
        name=name,
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        model_kind=model_kind,
        axis=train.axis,
        axis_unit=train.axis_unit,
        quantity=train.quantity,
        target_name=train.target_name,
        target_unit=train.target_unit,
        n_train=train.n,
        lab=lab_range(train),
        model=deploy(calibrated.model, train.b),
        twins=tuple(deploy(twin, train.b) for twin in calibrated.twins),
        calibration=calibrated.calibration,
        domain=calibrated.domain,
        provenance=provenance,
        accuracy=accuracy,
        trust=trust,
        trust_rows=trust_rows,
        limits=limits,
    )
    return settled(bundle)


def settled(bundle: SomeBundle) -> SomeBundle:
    """Return a bundle that went the way through a file, so that it predicts the same after it.

    Raises
    ------
    UsageError
        If its parts do not fit together, or a number is not finite.
    """
    try:
        text, tensors = write_document(bundle)
        copies = {key: _settled(array) for key, array in tensors.items()}
        found = _read(text, copies, bundle.schema_version)
    except ValueError as error:
        raise UsageError(f"the model {bundle.name!r} cannot be kept: {error}") from error
    assert isinstance(found, type(bundle)), "the kind that was written"
    return found


def save_model(bundle: Bundle, path: str | Path) -> Path:
    """Write a model file, whole or not at all, and its card (``MODEL.md``) beside it.

    Parameters
    ----------
    bundle : ModelBundle, CubeBundle or MapBundle
    path : str or Path
        Ends with ``.safetensors``; a file that exists is replaced.

    Returns
    -------
    Path
        Of the card.

    Raises
    ------
    UsageError
        If the name has another ending, or the model is larger than a model file may be.
    OutputError
        If the file cannot be written; what was there before is still there.
    """
    path = Path(path)
    if path.suffix != SUFFIX:
        raise UsageError(f"{path}: a model file ends with {SUFFIX}. Name it {path.stem}{SUFFIX}.")
    content = dump_model(bundle)
    write_bytes(path, content)
    card = path.with_name(card_name(path.stem))
    write_text(card, model_card(bundle, path.name))
    return card


def dump_model(bundle: Bundle) -> bytes:
    """Return the content of a model file; the same bundle gives the same bytes."""
    return pack(*write_document(bundle))


def pack(text: str, tensors: Mapping[str, AnyArray]) -> bytes:
    """Return a document and its arrays as a safetensors file.

    Raises
    ------
    UsageError
        If it were larger than a model file may be.
    """
    # Wider types first, as safetensors has it: then every array lies at a multiple of its type.
    order = sorted(tensors, key=lambda key: (-tensors[key].itemsize, key))
    digest = hashlib.sha256(text.encode()).hexdigest()
    header: dict[str, Any] = {"__metadata__": {"autospec": text, "sha256": digest}}
    words = {kind: word for word, kind in DTYPES.items()}
    end = 0
    for key in order:
        array = tensors[key]
        start, end = end, end + array.nbytes
        shape, dtype = list(array.shape), words[array.dtype]
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > MAX_HEADER or end + len(head) > MAX_FILE - 8:
        raise UsageError(
            f"the model takes {(end + len(head)) / 1024**2:.0f} MB, its document "
            f"{len(head) / 1024**2:.0f} MB; want at most {MAX_FILE // 1024**2} and "
            f"{MAX_HEADER // 1024**2}. Keep fewer networks, or smaller ones."
        )
    numbers = (np.ascontiguousarray(tensors[key]).data for key in order)
    return b"".join([len(head).to_bytes(8, "little"), head, *numbers])


def load_model(path: str | Path) -> Bundle:
    """Read a model file and check all of it.

    Parameters
    ----------
    path : str or Path
        A file written by `save_model`.

    Returns
    -------
    ModelBundle, CubeBundle or MapBundle
        Whichever the file holds.

    Raises
    ------
    DataError
        If there is none, or it is no model file, larger than 4 GB, cut short, changed in any
        byte, of a newer autospec, or does not fit together.
    """
    path = Path(path)
    try:
        content = _read_capped(path)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    try:
        text, entries = _split(content)
        version = parse_document(text).get("schema_version")
        if isinstance(version, int) and version > NEWEST:
            raise DataError(
                f"{path}: made by a newer autospec: schema_version {version}; this one reads up "
                f"to {NEWEST}. Update it: pip install -U autospec-soil"
            )
        tensors = _tensors(content, entries)
        del content
        return _read(text, tensors, version)
    except ValueError as error:
        raise DataError(f"{path}: not a whole model file of autospec: {error}. {AGAIN}") from error


def _read(text: str, tensors: Mapping[str, AnyArray], version: object) -> Bundle:
    bundle = read_document(text, tensors, version)
    check_bundle(bundle, tensors)
    return bundle


def _settled(array: AnyArray) -> AnyArray:
    """Return a copy that nobody else holds, in the order in which a file has it."""
    copy = np.array(array, order="C")
    copy.setflags(write=False)
    return copy


def _read_capped(path: Path) -> bytes:
    """Read a file of a size that a model may have; its size is asked first."""
    try:
        status = path.stat()
    except FileNotFoundError as error:
        raise DataError(
            f"{path}: there is no such file. Want a model file ({SUFFIX}) that autospec search, "
            "localise or train wrote: check the name."
        ) from error
    if not stat.S_ISREG(status.st_mode):
        raise DataError(
            f"{path}: no file. Want a model file ({SUFFIX}); that of a run's folder is "
            f"{path / 'model'}{SUFFIX}."
        )
    if status.st_size > MAX_FILE:
        raise DataError(
            f"{path}: {status.st_size / 1024**3:.1f} GB; want at most {MAX_FILE / 1024**3:.0f}. "
            "Is this a model file of autospec?"
        )
    with path.open("rb") as stream:
        start = stream.read(9)
        if int.from_bytes(start[:8], "little") > MAX_HEADER or start[8:] != b"{":
            return start  # something else: no need to read all of it
        return start + stream.read(MAX_FILE)


def _split(content: bytes) -> tuple[str, dict[str, Any]]:
    """Return the document, its digest checked, and what the header says of the arrays."""
    size = int.from_bytes(content[:8], "little")
    head = content[8 : 8 + size] if size <= MAX_HEADER else b""
    if not head.startswith(b"{"):
        raise ValueError(_sniffed(content))
    if len(head) < size:
        raise ValueError(f"cut short: a header of {size} bytes in a file of {len(content)}")
    try:
        header = json.loads(head.decode())
    except RecursionError as error:
        raise ValueError("its header is nested too deep") from error
    if not head.rstrip(b" ").endswith(b"}") or not isinstance(header, dict):
        raise ValueError("its header is damaged")
    metadata = header.pop("__metadata__", None)
    if not isinstance(metadata, dict) or set(metadata) != {"autospec", "sha256"}:
        raise ValueError("a safetensors file, but of another program: no autospec model in it")
    text = metadata["autospec"]
    if not isinstance(text, str) or not text.isascii():
        raise ValueError("its document is damaged")
    if hashlib.sha256(text.encode()).hexdigest() != metadata["sha256"]:
        raise ValueError("its document has changed since it was written (SHA-256 differs)")
    return text, header


def _sniffed(content: bytes) -> str:
    if content.startswith(b"PK"):
        return "it is a zip archive (torch and numpy write such), and none is ever opened"
    if content[:1] == b"\x80" and b"\x02" <= content[1:2] <= b"\x05":
        return "it is a pickle, and none is ever opened"
    return (
        "no safetensors file" if len(content) > 8 else f"cut short: {len(content)} bytes are left"
    )


def _tensors(content: bytes, entries: Mapping[str, Any]) -> dict[str, AnyArray]:
    """Return the arrays by name, each checked against it; frozen."""
    try:
        found: list[tuple[str, dict[str, Any]]] = safetensors.deserialize(content)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise ValueError(f"damaged or cut short: {error}") from error
    tensors: dict[str, AnyArray] = {}
    for name, part in found:
        if part["dtype"] not in DTYPES:
            raise ValueError(f"numbers of type {part['dtype']}; want {' or '.join(DTYPES)}")
        data: bytearray = part["data"]
        flat: AnyArray = np.frombuffer(data, DTYPES[part["dtype"]])
        array = flat.reshape(part["shape"])
        if tensor_name(array) != name:
            raise ValueError("its numbers have changed since it was written (SHA-256 differs)")
        array.setflags(write=False)
        tensors[name] = array
    if set(tensors) != set(entries):
        raise ValueError("its header is damaged")
    return tensors
