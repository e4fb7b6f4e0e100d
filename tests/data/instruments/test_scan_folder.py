"""Folders of scans: one axis, one quantity, replicates averaged, and no good scan lost."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from autospec.data.findings import Findings
from autospec.data.instruments import folder, opus
from autospec.data.instruments.folder import holds_scans, read_scans
from autospec.data.readers import ReadOptions, examine, read_spectra
from autospec.errors import DataError, UsageError
from tests.data.instruments.made_scans import (
    NM,
    WN,
    absorbance_wn,
    asd_bytes,
    jcamp_text,
    opus_bytes,
    reflectance,
    spc_bytes,
    write_asd,
)

FREE = ReadOptions(need_target=False)
FINE = np.arange(345.0, 2506.0, 5.0)


def said(lines: tuple[str, ...], *words: str) -> bool:
    """Say whether one line holds all the words."""
    return any(all(word in line for word in words) for line in lines)


def test_scans_of_a_sample_are_averaged_and_it_is_said(tmp_path: Path) -> None:
    soils = reflectance(6)
    for i, soil in enumerate(soils):
        for r, change in enumerate((0.99, 1.0, 1.01)):
            write_asd(tmp_path, f"S{i:03d}_{r + 1}.asd", soil * change)
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    assert found.spectra.ids == tuple(f"S{i:03d}" for i in range(6))
    np.testing.assert_allclose(found.spectra.values, soils, rtol=1e-12)
    assert said(found.mended, "18 scans of 6 samples averaged")


def test_kept_replicates_share_a_group(tmp_path: Path) -> None:
    for i, name in enumerate(("S1_1.asd", "S1_2.asd", "S2_1.asd")):
        write_asd(tmp_path, name, reflectance(seed=i)[0])
    s = read_spectra(tmp_path, ReadOptions(need_target=False, replicates="keep"))
    assert s.ids == ("S1", "S1", "S2")
    assert s.groups[0] == s.groups[1] != s.groups[2]


def test_the_table_names_the_folder_and_a_digest_that_content_changes(tmp_path: Path) -> None:
    soils = reflectance(3)
    for i in (1, 2):
        write_asd(tmp_path, f"S{i}.asd", soils[i])
    before = read_scans(tmp_path, Findings()).sha256
    assert said(read_spectra(tmp_path, FREE).provenance, tmp_path.name, "2 scans", before)
    write_asd(tmp_path, "S2.asd", soils[0])
    assert read_scans(tmp_path, Findings()).sha256 != before


def test_every_format_stands_in_one_folder(tmp_path: Path) -> None:
    soil = absorbance_wn()
    (tmp_path / "a.0").write_bytes(opus_bytes((4, WN, soil)))
    (tmp_path / "b.dx").write_text(jcamp_text(WN, soil))
    (tmp_path / "c.JDX").write_text(jcamp_text(WN, soil, form="dif"))
    (tmp_path / "d.spc").write_bytes(spc_bytes(WN, soil))
    found = examine(tmp_path, FREE)
    assert found.spectra is not None, found.problems
    assert (found.spectra.n, found.spectra.quantity) == (4, "absorbance")
    np.testing.assert_allclose(found.spectra.values, [soil[::-1]] * 4, atol=6e-7)  # JCAMP's factor


def test_other_hidden_and_inner_files_are_passed_over(tmp_path: Path) -> None:
    write_asd(tmp_path, "S1.asd", reflectance()[0])
    write_asd(tmp_path / "inner", "S2.asd", reflectance()[0])
    for name in (".S3.asd", "notes.txt", "readme.TXT", "raw", "report.2020"):
        (tmp_path / name).write_bytes(b"nothing")
    os.mkfifo(tmp_path / "pipe.asd")
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    assert found.spectra.n == 1
    assert said(found.recognised, "4 other files passed over", "2 .txt", "1 no suffix", "1 .2020")


def test_bad_scans_are_named_and_good_ones_kept(tmp_path: Path) -> None:
    good = write_asd(tmp_path, "S1.asd", reflectance()[0]).read_bytes()
    (tmp_path / "S2.asd").write_bytes(good[:700])
    (tmp_path / "S3.asd").write_bytes(b"")
    (tmp_path / "S4.dx").write_bytes(b"\xff" * 50)
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    assert found.spectra.ids == ("S1",)
    assert said(found.mended, "3 scans cannot be used and are left out")
    assert said(found.mended, "S2.asd: cut off")
    assert said(found.mended, "S3.asd: the file is empty")
    assert said(found.mended, "S4.dx: 0 tables of data")


def test_a_scan_beyond_every_soil_costs_no_other(tmp_path: Path) -> None:
    for i in range(4):
        write_asd(tmp_path, f"S{i}.asd", reflectance(seed=i)[0])
    write_asd(tmp_path, "S5.asd", reflectance()[0] * 9)  # saturated
    write_asd(tmp_path, "S6.asd", reflectance()[0] / 90)  # the shutter was closed
    coded = reflectance()[0]
    coded[7] = -9999
    (tmp_path / "S7.asd").write_bytes(asd_bytes(coded))
    found = examine(tmp_path, FREE)
    assert found.spectra is not None, found.problems
    assert found.spectra.ids == ("S0", "S1", "S2", "S3")
    assert said(found.mended, "S5.asd: band", "want -0.1 to 2 for reflectance")
    assert said(found.mended, "S6.asd: the largest value is")
    assert said(found.mended, "S7.asd: 1 of 216 bands without a usable value", "420 nm (-9999)")


def test_a_finer_scan_that_covers_the_common_bands_is_brought_onto_them(tmp_path: Path) -> None:
    for i in range(3):
        write_asd(tmp_path, f"S{i}.asd", reflectance(seed=i)[0])
    line = 0.1 + FINE / 1e4  # straight, so that averages are exact
    write_asd(tmp_path, "S9.asd", line, axis=FINE)
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    assert found.spectra.b == len(NM)
    np.testing.assert_allclose(found.spectra.values[3], 0.1 + NM / 1e4, rtol=1e-6)
    assert said(found.mended, "1 scan on other bands", "S9.asd", "216 bands, 350 to 2500 nm")


@pytest.mark.parametrize(
    ("axis", "why"),
    [(NM[5:], "it does not cover them"), (NM[::3], "its bands lie farther apart")],
)
def test_a_scan_that_cannot_serve_the_common_bands_is_left_out(
    tmp_path: Path, axis: np.ndarray, why: str
) -> None:
    for i in range(3):
        write_asd(tmp_path, f"S{i}.asd", reflectance(seed=i)[0])
    wide = np.append(axis, 2600.0 if why.startswith("its") else axis[-1] + 10)
    write_asd(tmp_path, "S9.asd", reflectance(axis=wide)[0], axis=wide)
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    assert found.spectra.ids == ("S0", "S1", "S2")
    assert said(found.mended, "S9.asd", why)


def test_an_axis_that_drifts_less_than_a_tenth_of_a_band_is_the_same(tmp_path: Path) -> None:
    for i, drift in enumerate((0.0, 0.0, 0.5)):
        content = opus_bytes((4, WN + drift, absorbance_wn(i)))
        (tmp_path / f"S{i}.0").write_bytes(content)
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    np.testing.assert_array_equal(
        found.spectra.values[2], absorbance_wn(2).astype(np.float32)[::-1]
    )
    assert not said(found.mended, "other bands")


def test_wavelengths_and_wavenumbers_meet_on_the_commoner_axis(tmp_path: Path) -> None:
    (tmp_path / "a.spc").write_bytes(spc_bytes(NM, reflectance()[0], types=(3, 129)))
    (tmp_path / "b.spc").write_bytes(spc_bytes(NM, reflectance(seed=1)[0], types=(3, 129)))
    dense = np.arange(340.0, 2511.0, 5.0)
    turned = spc_bytes(1e7 / dense, reflectance(axis=dense)[0], types=(1, 129), x_values=True)
    (tmp_path / "c.spc").write_bytes(turned)
    s = read_spectra(tmp_path, FREE)
    assert (s.n, s.axis_unit, s.b) == (3, "nm", len(NM))
    np.testing.assert_allclose(s.values[2], s.values[0], atol=5e-3)  # curvature within a band


def test_absorbance_among_reflectance_is_turned(tmp_path: Path) -> None:
    soils = reflectance(3)
    for i in (0, 1):
        (tmp_path / f"S{i}.asd").write_bytes(asd_bytes(soils[i]))
    (tmp_path / "S2.asd").write_bytes(asd_bytes(-np.log10(soils[2]), kind=8))
    found = examine(tmp_path, FREE)
    assert found.spectra is not None
    np.testing.assert_allclose(found.spectra.values, soils, rtol=1e-12)
    assert said(found.mended, "1 scan turned into reflectance")


def test_one_scan_is_a_table_of_one_row(tmp_path: Path) -> None:
    s = read_spectra(write_asd(tmp_path, "S1_2.asd", reflectance()[0]), FREE)
    assert (s.n, s.b, s.ids) == (1, len(NM), ("S1",))


def test_one_bad_scan_is_refused_with_its_name_once(tmp_path: Path) -> None:
    path = tmp_path / "S1.asd"
    path.write_bytes(b"asd")
    found = examine(path, FREE)
    assert found.problems == ("S1.asd: not an ASD file: it does not begin with ASD or as2 to as8.",)


def test_scans_without_lab_values_ask_for_them(tmp_path: Path) -> None:
    write_asd(tmp_path, "S1.asd", reflectance()[0])
    found = examine(tmp_path, ReadOptions(group_column="plot"))
    assert said(found.problems, "scans hold no lab values", "--lab")
    assert said(found.problems, "--group 'plot'", "--lab")


def test_a_folder_without_scans_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.csv").write_text("id,soc\n")
    assert said(examine(tmp_path).problems, "no scan in the folder", "OPUS")


@pytest.mark.parametrize(
    ("name", "content", "holds"),
    [
        ("a.asd", b"", True),
        ("a.0", b"\n\n\xfe\xfe", True),
        ("a.000", b"as2", True),
        ("a.0", b"id,350\n", False),
        ("a.csv", b"id,350\n", False),
        ("a", b"as2", False),
    ],
)
def test_scans_are_told_from_tables(tmp_path: Path, name: str, content: bytes, holds: bool) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert holds_scans(path) is holds


def test_caps_on_files_and_memory_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        write_asd(tmp_path, f"S{i}.asd", reflectance(seed=i)[0])
    monkeypatch.setattr(folder, "MAX_DECODED_BYTES", 2 * 8 * len(NM))
    with pytest.raises(DataError, match="more than 3,456 bytes of memory"):
        read_scans(tmp_path, Findings())
    monkeypatch.setattr(folder, "MAX_SCANS", 2)
    with pytest.raises(DataError, match="more than 2 files in the folder"):
        read_scans(tmp_path, Findings())


def test_a_missing_package_ends_the_reading_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opus, "have_brukeropus", lambda: False)
    for i in range(3):
        (tmp_path / f"S{i}.0").write_bytes(opus_bytes((4, WN, absorbance_wn(i))))
    with pytest.raises(UsageError, match="brukeropus"):
        examine(tmp_path, FREE)


def test_a_name_that_is_no_text_is_spelt_out(tmp_path: Path) -> None:
    good = write_asd(tmp_path, os.fsdecode(b"\xff\xfe S1.asd"), reflectance()[0])
    (tmp_path / os.fsdecode(b"\xff\xfe bad.asd")).write_bytes(good.read_bytes()[:700])
    table = read_scans(tmp_path, Findings())
    assert table.names == ("\\udcff\\udcfe S1.asd",)
    assert [name for name, _ in table.left_out] == ["\\udcff\\udcfe bad.asd"]
    assert "\udcff" not in table.left_out[0][1]
