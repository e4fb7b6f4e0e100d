"""File names and the samples they stand for."""

from __future__ import annotations

import pytest

from autospec.data.instruments.names import candidates, sample_ids


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("S001.asd", ("S001",)),
        ("S001_1.asd", ("S001_1", "S001")),
        ("S001 12.SPC", ("S001 12", "S001")),
        ("S001-2.0", ("S001-2.0", "S001-2", "S001")),
        ("S001.0", ("S001.0", "S001")),
        ("S001_rep3.dx", ("S001_rep3", "S001")),
        ("plot_rep3.dx", ("plot_rep3", "plot")),
        ("plot-R2.dx", ("plot-R2", "plot")),
        ("S001_scan_04.jdx", ("S001_scan_04", "S001")),
        ("S00100001.asd", ("S00100001", "S001")),
        ("S001_00012.asd", ("S001_00012", "S001")),
        ("soil00001.asd", ("soil00001",)),  # no digit left: the samples' own running number
        ("S00100001.spc", ("S00100001",)),  # only ASD numbers so
        ("plot-12.asd", ("plot-12",)),
        ("S1_123.asd", ("S1_123",)),  # three digits: no replicate
        ("12.asd", ("12",)),
        ("S001a.asd", ("S001a",)),
        ("2024-05-17.asd", ("2024-05-17",)),  # a date
        ("S1_2024_5_17.asd", ("S1_2024_5_17",)),
        ("Skåne 7_2.asd", ("Skåne 7_2", "Skåne 7")),
    ],
)
def test_the_candidates_of_a_name(name: str, ids: tuple[str, ...]) -> None:
    assert candidates(name) == ids


@pytest.mark.parametrize("suffix", [".asd", ".spc"])
@pytest.mark.parametrize(("files", "samples"), [(10, 1), (11, 11)])
def test_numbers_of_more_than_ten_files_number_the_samples(
    files: int, samples: int, suffix: str
) -> None:
    names = [f"farm2-{i + 1}{suffix}" for i in range(files)]
    assert len(set(sample_ids(names))) == samples


def test_many_running_numbers_number_the_samples_but_their_replicates_still_go() -> None:
    running = [f"field1{i:05d}.asd" for i in range(40)]
    opus = [f"S{i}.{r}" for i in range(40) for r in range(3)]
    worded = [f"S1_rep{r}.asd" for r in range(40)]
    assert len(set(sample_ids(running))) == 40
    assert set(sample_ids(opus)) == {f"S{i}" for i in range(40)}
    assert set(sample_ids(worded)) == {"S1"}
