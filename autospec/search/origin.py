"""`Origin`: where a shared study's rows are from, written into it, so that a worker needs its name.

Settings and digests a study holds anyway (`autospec.search.study`); here they are read back. The
rows themselves are read by whoever asks: this room opens no file but to take its digest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from optuna.study import Study, get_all_study_names, load_study
from pydantic import TypeAdapter, ValidationError

from autospec.data.writing import cannot
from autospec.errors import DataError, StorageError, UsageError, near
from autospec.search.crew import SETTINGS_KEY
from autospec.search.cubes.settings import CubeSettings
from autospec.search.maps.settings import MapSearchSettings
from autospec.search.patience import PatientStorage
from autospec.search.settings import DataSource, SearchSettings
from autospec.search.storage import open_shared, storage_errors

ORIGIN_KEY = "origin"  # the attribute that holds it
POLL_S = 1.0
FOUNDING_S = 60.0  # between the creation of a study and the word where its rows are from
CHUNK_BYTES = 1 << 20
T = TypeVar("T")
Kind = Literal["spectra", "cubes", "stacks"]


SETTINGS: dict[Kind, type[SearchSettings] | type[CubeSettings] | type[MapSearchSettings]] = {
    "spectra": SearchSettings,
    "cubes": CubeSettings,
    "stacks": MapSearchSettings,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the rows of a study are from, and how they are read.

    Parameters
    ----------
    kind : {"spectra", "cubes", "stacks"}
    unit : str
        Of the scores.
    source : DataSource
        A site or an absolute path, and the reading options; of cubes, path and target; of a stack,
        the path.
    lab : str or None
        Absolute path of a table of lab values.
    replicates : {"average", "keep"} or None
    sha256, lab_sha256 : str or None
        Of the bytes of the two files, or of all files of a stack that is a folder; None of a site
        or a folder of scans, which the digest of the rows, in the study's settings, vouches for.
    """

    kind: Kind
    unit: str
    source: DataSource
    lab: str | None = None
    replicates: Literal["average", "keep"] | None = None
    sha256: str | None = None
    lab_sha256: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Founded:
    """What a study says of itself: all that a worker has to know.

    Parameters
    ----------
    origin : Origin
    settings : SearchSettings, CubeSettings or MapSearchSettings
    """

    origin: Origin
    settings: SearchSettings | CubeSettings | MapSearchSettings


def file_sha256(path: Path) -> str | None:
    """Return the SHA-256 of a file's bytes; None of a folder.

    Raises
    ------
    DataError
        If it cannot be read.
    """
    if path.is_dir():
        return None
    digest = hashlib.sha256()
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise DataError(cannot("read", path, error)) from error
    return digest.hexdigest()


def tree_sha256(path: Path) -> str:
    """Return one SHA-256 of a file, or of the names and bytes of all files below a folder.

    Raises
    ------
    DataError
        If one cannot be read.
    """
    whole = file_sha256(path)
    if whole is not None:
        return whole
    digest = hashlib.sha256()
    for file in sorted(found for found in path.rglob("*") if found.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{file_sha256(file)}\n".encode())
    return digest.hexdigest()


def check_same(path: Path, wanted: str | None, option: str) -> None:
    """Refuse a file with other bytes than those that a study was begun with.

    Raises
    ------
    DataError
        If they differ, or it is not there.
    """
    if not path.exists():
        raise DataError(
            f"{path}: not on this machine. Pass {option} with the same file where it lies here."
        )
    found = file_sha256(path) if wanted is None else tree_sha256(path)
    if found != wanted:
        raise DataError(
            f"{path}: sha256 {_short(found)}, and the study was begun with {_short(wanted)}. "
            f"Pass {option} with the same file."
        )


def read_founded(url: str, name: str, wait_s: float, say: Callable[[str], None]) -> Founded:
    """Return what a study says of itself, as soon as it does.

    Parameters
    ----------
    url, name : str
        Of the storage and the study.
    wait_s : float
        Seconds to wait for a study that is not there yet.
    say : callable (str) -> None
        Told once that it waits.

    Raises
    ------
    UsageError
        If there is no such study, or none that says where its rows are from.
    StorageError
        If the storage cannot be used, or the study cannot be read.
    """
    storage = open_shared(url, say)
    with storage_errors(url):
        study = _wait_for(storage, name, wait_s, say)
        until = time.monotonic() + FOUNDING_S
        while not {SETTINGS_KEY, ORIGIN_KEY} <= study.user_attrs.keys():
            if time.monotonic() > until:
                raise UsageError(
                    f"study {name!r} does not say where its rows are from: it was not begun by "
                    "autospec search with --storage or --workers. Run the command that began it."
                )
            time.sleep(POLL_S)
        return parse_founded(study)


def parse_founded(study: Study) -> Founded:
    """Return what a study's attributes say.

    Raises
    ------
    StorageError
        If it is not what autospec writes: the database is as trusted as any file.
    """
    origin = _parsed(Origin, study.user_attrs[ORIGIN_KEY], study.study_name)
    known = study.user_attrs[SETTINGS_KEY]
    settings = {key: value for key, value in known.items() if not key.endswith("_digest")}
    return Founded(
        origin=origin, settings=_parsed(SETTINGS[origin.kind], settings, study.study_name)
    )


def origin_words(origin: Origin) -> dict[str, Any]:
    """Return an origin as plain values, for an attribute."""
    words: dict[str, Any] = json.loads(json.dumps(asdict(origin)))
    return words


def no_study(name: str, known: list[str]) -> UsageError:
    """Return the error that there is no study of that name."""
    listed = f" It holds: {', '.join(sorted(known)[:10])}." if known else " It holds none."
    return UsageError(f"the storage holds no study {name!r}.{near(name, known)}{listed}")


def _wait_for(
    storage: PatientStorage, name: str, wait_s: float, say: Callable[[str], None]
) -> Study:
    until, told = time.monotonic() + wait_s, False
    while True:
        known = get_all_study_names(storage)
        if name in known:
            return load_study(study_name=name, storage=storage)
        if time.monotonic() >= until:
            raise UsageError(
                f"{no_study(name, known)} Next: create it with autospec search ... --storage, "
                "or let this worker wait for it with --wait 10m"
            )
        if not told:
            say(f"waiting for study {name!r}")
            told = True
        time.sleep(POLL_S)


def _parsed(kind: type[T], words: object, name: str) -> T:
    try:
        return TypeAdapter(kind).validate_json(json.dumps(words), strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise StorageError(
            f"study {name!r} was not written by this version of autospec: {where}: "
            f"{first['msg']}. Use the version that began it, or begin it anew."
        ) from error


def _short(digest: str | None) -> str:
    return "of a folder" if digest is None else f"{digest[:12]}..."
