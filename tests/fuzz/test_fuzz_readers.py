"""Whatever is done to a file of any kind: it is read or refused with a message, nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.campaign import MEBI, put, spoiled
from tests.fuzz.mutations import STEP
from tests.fuzz.reading import Server
from tests.fuzz.seeds import SEEDS, files_of

DECLARED = 2048 * MEBI + 200 * MEBI  # what a reader may take, and what the process itself does
SLOW = {"netcdf4": 8, "netcdf4 packed": 16, "netcdf4 samples": 8}  # a process is started for each
LARGE = {"run.json": 25, "cube-run.json": 25, "localisation.json": 20, "model": 30, "zarr 2": 60}
EXAMPLES = 80
PROFILE = settings(
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
RECIPES = st.binary(min_size=STEP, max_size=3 * STEP)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    pytest.importorskip("xarray")
    with Server() as running:
        yield running


@pytest.mark.parametrize("name", SEEDS)
def test_the_sound_file_is_read(server: Server, name: str, tmp_path: Path) -> None:
    put(files_of(name), tmp_path)
    found = server.read(SEEDS[name].reader, tmp_path / SEEDS[name].entry)
    assert found.verdict == "read", found.words


@pytest.mark.parametrize("name", SEEDS)
def test_a_damaged_file_is_read_or_refused(server: Server, name: str, tmp_path: Path) -> None:
    @settings(PROFILE, max_examples=SLOW.get(name) or LARGE.get(name) or EXAMPLES)
    @given(recipe=RECIPES, which=st.integers(0, 999))
    def check(recipe: bytes, which: int) -> None:
        put(spoiled(name, recipe, which), tmp_path)
        found = server.read(SEEDS[name].reader, tmp_path / SEEDS[name].entry)
        assert found.verdict in ("read", "refused"), found.words
        assert found.taken < DECLARED

    check()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["parquet footer", "parquet footer in blocks"])
def test_no_footer_of_parquet_ends_the_process(server: Server, name: str, tmp_path: Path) -> None:
    """About one footer in 2,000 made pyarrow abort before sizes were read apart from it."""

    @settings(PROFILE, max_examples=2000)
    @given(recipe=RECIPES)
    def check(recipe: bytes) -> None:
        put(spoiled(name, recipe), tmp_path)
        found = server.read(SEEDS[name].reader, tmp_path / SEEDS[name].entry)
        assert found.verdict in ("read", "refused"), found.words

    check()
