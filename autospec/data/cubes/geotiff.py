"""GeoTIFF to a raster stack: one file whose bands have dates, or a folder with one file a date.

A band's date stands in its description (``ndvi_2020-05-01``) or in its tags; a file's in its name
(``S2_2020-05-01.tif``, ``20200501_ndvi.tif``). Files of a folder without a date are static.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np

from autospec.data.cubes.cube_checks import check_channels
from autospec.data.cubes.cubes import TIME_TYPE, Float32Array, TimeArray
from autospec.data.cubes.grid_axes import check_times, is_synthetic
from autospec.data.cubes.places import unit_problem
from autospec.data.cubes.references import named_crs
from autospec.data.cubes.stacks import Affine, RasterStack
from autospec.data.cubes.tiff_layers import Place, TiffFiles, TiffLayers, open_tiff, read_bands
from autospec.data.findings import Findings, some
from autospec.data.tables import MAX_DECODED_BYTES
from autospec.errors import DataError, shorten

_TAGS = ("time", "date", "datetime", "timestamp", "acquisitiondatetime", "tifftag_datetime")
_DATE = re.compile(
    r"(?<!\d)(?P<y>\d{4})(?P<s>[-_.]?)(?P<m>\d{2})(?P=s)(?P<d>\d{2})"
    r"(?:[T_ ](?P<H>\d{2}):?(?P<M>\d{2})(?::?(?P<S>\d{2}))?)?(?!\d)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tiff:
    """What one file's header says."""

    path: Path
    shape: tuple[int, int]
    transform: Affine
    turned: bool
    crs: str
    names: tuple[str, ...]
    dates: tuple[np.datetime64 | None, ...]
    blocks: tuple[int, int]
    synthetic: bool


def read_geotiffs(path: Path, categorical: Sequence[str]) -> RasterStack:
    """Read one GeoTIFF or a folder of them.

    Parameters
    ----------
    path : Path
        The file, or the folder.
    categorical : sequence of str
        Must be empty: GeoTIFF does not say what its codes are.

    Returns
    -------
    RasterStack

    Raises
    ------
    DataError
        If dates, grids or channels do not fit together.
    """
    if categorical:
        raise DataError(
            f"--categorical {categorical[0]!r} is for NetCDF and Zarr, where variables have names; "
            "GeoTIFF is read as quantities. Write the stack as NetCDF."
        )
    folder = path.is_dir()
    paths = [path]
    if folder:
        paths = sorted(p for p in path.iterdir() if p.suffix.lower() in (".tif", ".tiff"))
    headers = [_header(p, folder) for p in paths]
    _same_grid(headers)
    dated = [h for h in headers if any(d is not None for d in h.dates)]
    undated = [h for h in headers if h not in dated]
    times, channels, places = _table(dated, headers)
    findings = Findings()
    static_names, static = _static(undated, headers[0], findings)
    check_channels((*channels, *static_names))
    if headers[0].turned:
        findings.mended.append("rows ran from south to north: turned")
    return RasterStack(
        dynamic=TiffLayers(
            shape=(len(times), len(channels), *headers[0].shape),
            blocks=(1, *headers[0].blocks),
            places=places,
            turned=headers[0].turned,
            files=TiffFiles(paths=tuple(h.path for h in dated)),
        ),
        static=static,
        channels=channels,
        static_channels=static_names,
        times=times,
        transform=headers[0].transform,
        crs=headers[0].crs,
        synthetic=any(h.synthetic for h in headers),
        provenance=(f"raster: {path.name}", *findings.recognised, *findings.mended),
    )


def find_date(text: str) -> tuple[np.datetime64 | None, str]:
    """Return the date in a text, None without one, and the text without it."""
    match = _DATE.search(text)
    if match is None:
        return None, text
    hour, minute, second = (int(match[k] or 0) for k in "HMS")
    try:
        found = datetime(int(match["y"]), int(match["m"]), int(match["d"]), hour, minute, second)
    except ValueError:
        return None, text
    if not date(1900, 1, 1) <= found.date() <= date(2200, 1, 1):
        return None, text  # eight digits that are no date
    rest = (text[: match.start()] + text[match.end() :]).strip("_-. :")
    return np.datetime64(found, "s"), rest


def _header(path: Path, by_name: bool) -> _Tiff:
    """Read and check a file's header."""
    with open_tiff(path) as file:
        a, b, c, d, e, f = tuple(file.transform)[:6]
        if file.crs is None or not file.crs.to_wkt():
            raise DataError(
                f"{path.name}: no coordinate reference system; want one. Add it, for example with "
                "gdal_edit.py -a_srs EPSG:31287."
            )
        if b or d or a <= 0 or file.transform.is_identity:
            raise DataError(
                f"{path.name}: the grid is rotated or has no place on earth; want rows from west "
                "to east. Bring it onto a regular grid first, for example with gdalwarp."
            )
        crs = named_crs(file.crs.to_wkt())
        if (wrong := unit_problem(crs)) is not None:
            raise DataError(f"{path.name}: {wrong}")
        rows, columns = file.block_shapes[0]
        size = rows * columns * 8 * file.count
        if size > MAX_DECODED_BYTES:
            raise DataError(
                f"{path.name}: one block unfolds to {size:,} bytes; want at most "
                f"{MAX_DECODED_BYTES:,}. Write it tiled: gdal_translate -co TILED=YES."
            )
        names, dates = _bands(file, path, by_name)
        turned = e > 0
        north = f + e * file.height if turned else f
        return _Tiff(
            path=path,
            shape=(file.height, file.width),
            transform=(a, 0.0, c, 0.0, -abs(e), north),
            turned=turned,
            crs=crs,
            names=names,
            dates=dates,
            blocks=(rows, columns),
            synthetic=is_synthetic(file.tags()),
        )


def _bands(
    file: Any,  # noqa: ANN401
    path: Path,
    by_name: bool,
) -> tuple[tuple[str, ...], tuple[np.datetime64 | None, ...]]:
    """Return the name and the date of each band of a file."""
    of_file = find_date(path.stem) if by_name else (None, path.stem)
    names, dates = [], []
    for band in range(1, file.count + 1):
        written = file.descriptions[band - 1] or ""
        found, rest = find_date(written)
        tags = {k.lower(): str(v) for k, v in file.tags(band).items()}
        tagged = next((d for k in _TAGS if (d := _tag_date(tags.get(k, ""))) is not None), None)
        if by_name:
            names.append(written or (of_file[1] or "band") + (f"_{band}" * (file.count > 1)))
            dates.append(of_file[0])
        else:
            names.append(rest or of_file[1] or "band")
            dates.append(found if found is not None else tagged)
    undated = [b for b, when in enumerate(dates, start=1) if when is None]
    if not by_name and undated:
        raise DataError(
            f"{path.name}: {len(undated)} of {file.count} bands have no date (band {undated[0]} "
            f"first); want one in each band's description, such as 'ndvi_2020-05-01', or a folder "
            "with one file a date, such as ndvi_2020-05-01.tif."
        )
    return tuple(names), tuple(dates)


def _tag_date(text: str) -> np.datetime64 | None:
    """Return the date of a tag; TIFF's own has colons: 2020:05:01 10:00:00."""
    return find_date(re.sub(r"^(\d{4}):(\d{2}):(\d{2})", r"\1-\2-\3", text))[0]


def _same_grid(headers: Sequence[_Tiff]) -> None:
    """Refuse files that do not lie on the first one's cells."""
    first = headers[0]
    lines = []
    for other in headers[1:]:
        near = np.allclose(other.transform, first.transform, rtol=0, atol=1e-3 * first.transform[0])
        if other.shape != first.shape or not near or other.crs != first.crs:
            lines.append(
                f"{other.path.name}: {_worded(other)}; want the grid of {first.path.name} "
                f"({_worded(first)}). Bring it onto that, for example with gdalwarp."
            )
        elif other.turned != first.turned:
            lines.append(
                f"{other.path.name}: rows run the other way than in {first.path.name}; want one "
                "way. Write it again with gdal_translate."
            )
    if lines:
        raise DataError(shorten(lines))


def _worded(header: _Tiff) -> str:
    """Word where a file's cells lie."""
    (h, w), (a, _, west, _, _, north) = header.shape, header.transform
    return f"{h} by {w} cells of {a:g} from {west:g}, {north:g} in {header.crs[:40]}"


def _table(
    dated: Sequence[_Tiff], headers: Sequence[_Tiff]
) -> tuple[TimeArray, tuple[str, ...], tuple[tuple[Place, ...], ...]]:
    """Return dates, channels, and where each channel of each date stands."""
    if not dated:
        raise DataError(
            f"no file name holds a date ({some(h.path.name for h in headers)}); want names such as "
            "ndvi_2020-05-01.tif or 20200501.tif."
        )
    found: dict[tuple[np.datetime64, str], Place] = {}
    labelled = len({name for h in dated for name in h.names}) > len(dated[0].names)
    for number, header in enumerate(dated):
        for band, (name, when) in enumerate(zip(header.names, header.dates, strict=True), start=1):
            assert when is not None
            if (when, name) in found:
                raise DataError(
                    f"{header.path.name}: {name!r} of {when} is there twice; want one layer of "
                    "each channel a date. Remove one."
                )
            found[when, name] = (number, band)
    times = sorted({when for when, _ in found})
    channels = tuple(dict.fromkeys(name for _, name in found))
    missing = [f"{c!r} of {t}" for t in times for c in channels if (t, c) not in found]
    if missing:
        hint = " Bands without a description are named after their file." if labelled else ""
        raise DataError(
            f"{len(missing)} layers are missing: {', '.join(missing[:5])}; want every channel at "
            f"every date. Add them, or leave the channel out.{hint}"
        )
    places = tuple(tuple(found[t, c] for c in channels) for t in times)
    return check_times(np.array(times, dtype=TIME_TYPE), "the dates"), channels, places


def _static(
    undated: Sequence[_Tiff], first: _Tiff, findings: Findings
) -> tuple[tuple[str, ...], Float32Array]:
    """Read the files of a folder that have no date."""
    names = tuple(name for header in undated for name in header.names)
    h, w = first.shape
    if len(names) * h * w * 4 > MAX_DECODED_BYTES:
        raise DataError(
            f"{len(names)} layers without dates of {h} by {w} cells are above the cap of "
            f"{MAX_DECODED_BYTES:,} bytes. Cut the rasters to the region."
        )
    out: Float32Array = np.empty((len(names), h, w), dtype=np.float32)
    at = 0
    for header in undated:
        with open_tiff(header.path) as file:
            block = read_bands(file, list(range(1, len(header.names) + 1)), ((0, h), (0, w)))
        out[at : at + len(block)] = block[:, ::-1] if header.turned else block
        at += len(block)
    if names:
        findings.recognised.append(f"files without a date are static channels: {some(names)}")
    return names, out
