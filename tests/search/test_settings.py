"""Settings and study files: what is bundled reads; what is wrong is named with the near word."""

from __future__ import annotations

from pathlib import Path

import pytest

from autospec.errors import UsageError
from autospec.search.settings import SearchSettings, parse_duration, read_study
from autospec.search.study_file import find_study

BUNDLED = sorted(
    path.stem
    for path in find_study("sweden").parent.glob("*.toml")
    if not path.stem.startswith("benchmark-")
)


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("name", BUNDLED)
def test_bundled_studies_read(name: str) -> None:
    study = read_study(name)
    assert study.search.trials >= 1


def test_the_sweden_study_is_the_default() -> None:
    study = read_study("sweden")
    assert study.search == SearchSettings()
    assert study.data.site == "sweden"


def test_every_setting_can_be_overridden(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        '[data]\nfile = "farm.csv"\ntarget = "clay"\n'
        '[search]\ntrials = 7\nbudget = "90s"\nsampler = "gp"\n'
        '[search.space]\nfilters = [8, 16]\nactivation = ["ReLU"]\n'
        "[search.caps]\nmultiply_adds = 1000\n",
    )
    study = read_study(path)
    assert study.data.file == "farm.csv"
    assert (study.search.trials, study.search.budget_s, study.search.sampler) == (7, 90.0, "gp")
    assert study.search.space.filters == (8, 16)
    assert study.search.space.activation == ("ReLU",)
    assert study.search.caps.multiply_adds == 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[serach]\ntrials = 3", "the file has no setting 'serach'. Did you mean 'search'?"),
        ("[search]\ntrails = 3", "[search] has no setting 'trails'. Did you mean 'trials'?"),
        ("[search.space]\nfiltres = [1, 2]", "Did you mean 'filters'?"),
        ("[search]\ntrials = 0", "search.trials = 0"),
        ('[search]\nsampler = "tpo"', "search.sampler = 'tpo'"),
        ('[search]\nbudget = "soon"', "'soon' is no duration"),
        ("[search.space]\nfilters = [20, 2]", "want (low, high)"),
        ('[search.space]\nactivation = ["Relu"]', "search.space.activation.0 = 'Relu'"),
        ("[search\ntrials = 3", "cannot be read as a study file"),
    ],
)
def test_a_wrong_study_file_says_what_where_and_the_near_word(
    tmp_path: Path, text: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_study(write(tmp_path, text))
    assert words in str(caught.value)
    assert caught.value.exit_code == 2


def test_all_unknown_settings_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        read_study(write(tmp_path, "[search]\ntrails = 3\nfoldz = 2\n[date]\nsite = 'x'"))
    assert [word in str(caught.value) for word in ("trails", "foldz", "date")] == [True] * 3


def test_the_study_of_a_localisation_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^\S+: \[localise\] is for autospec localise; .*$"):
        read_study(write(tmp_path, "[localise]\nn = 30\n[date]\nsite = 'x'"))


def test_an_unknown_study_lists_the_bundled_ones() -> None:
    with pytest.raises(UsageError, match=r"Did you mean 'sweden'.*paper.*switzerland"):
        read_study("swedn")


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), (" 2 d ", 172800)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "0", "-3m", "m", "1y", "1m30"])
def test_wrong_durations_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no duration"):
        parse_duration(text)
