"""Cut-off files of every format are refused by their name; damaged ones are in `tests/fuzz`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autospec.data.instruments import scan
from autospec.data.instruments.files import read_scan
from autospec.errors import DataError
from tests.data.instruments.made_scans import (
    NM,
    WN,
    absorbance_wn,
    asd_bytes,
    jcamp_text,
    opus_bytes,
    reflectance,
    spc_bytes,
)

SOIL, WHITE = reflectance()[0], np.full(len(NM), 9_000.0)
FILES = {
    "a.asd": asd_bytes(SOIL * WHITE, WHITE, number=0, description=b"dry"),
    "a.0": opus_bytes((4, WN, absorbance_wn())),
    "a.dx": jcamp_text(WN, absorbance_wn()).encode(),
    "dif.jdx": jcamp_text(WN, absorbance_wn(), form="dif").encode(),
    "a.spc": spc_bytes(WN, absorbance_wn(), coding="int32"),
}
NAMES = sorted(FILES)
FAST = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.2, 0.4, 0.49, 0.51, 0.7, 0.9, 0.99, 0.9999])
def test_a_cut_off_file_is_refused_by_its_name(tmp_path: Path, name: str, share: float) -> None:
    content = FILES[name]
    path = tmp_path / name
    path.write_bytes(content[: min(int(share * len(content)), len(content) - 8)])
    with pytest.raises(DataError) as caught:
        read_scan(path)
    assert caught.value.problems[0].startswith(f"{name}: ")


@pytest.mark.parametrize("name", NAMES)
@FAST
@given(rest=st.binary(max_size=400))
def test_noise_behind_a_good_beginning_gives_a_data_error_at_most(
    tmp_path: Path, name: str, rest: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name][:24] + rest)
    with pytest.raises(DataError):
        read_scan(path)


def test_a_file_above_the_cap_is_refused_before_it_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan, "MAX_SCAN_BYTES", 1_000)
    path = tmp_path / "a.asd"
    path.write_bytes(FILES["a.asd"])
    with pytest.raises(DataError, match="at most 1,000"):
        read_scan(path)
