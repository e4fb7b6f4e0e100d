"""Study files of a localisation: the frozen protocol is as documented; what is wrong is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from autospec.errors import UsageError
from autospec.localisation.settings import LocaliseSettings
from autospec.localisation.study import Grid, LocaliseStudy, read_localise_study


def write(folder: Path, text: str) -> Path:
    path = folder / "study.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_protocol_is_frozen() -> None:
    """Draws 0 to 9 were designed on, 10 to 29 are reported: a change here is another protocol."""
    study = read_localise_study("benchmark-sites")
    assert study.grid == Grid(targets=("soc", "clay", "ph"), sizes=(30,))
    assert study.settings == LocaliseSettings(
        draws=30, first_draw=10, trust_draws=20, quick=True, seed=0, budget_s=3600.0
    )
    assert list(study.settings.numbers) == list(range(10, 30))


def test_the_curve_has_the_draws_of_the_protocol() -> None:
    study, protocol = read_localise_study("benchmark-curve"), read_localise_study("benchmark-sites")
    assert study.grid == Grid(targets=("soc",), sizes=(10, 20, 30, 50, 80))
    names = ("draws", "first_draw", "method", "seed", "quick", "k", "b", "r")
    for name in names:
        assert getattr(study.settings, name) == getattr(protocol.settings, name)


def test_an_empty_table_is_the_default(tmp_path: Path) -> None:
    assert read_localise_study(write(tmp_path, "[localise]")) == LocaliseStudy()


@pytest.mark.parametrize("budget", ["'90s'", "90", "90.0"])
def test_every_setting_can_be_given(tmp_path: Path, budget: str) -> None:
    text = (
        "[localise]\nn = 25\ndraws = 4\nfirst_draw = 1\nnetwork_draws = 2\ntrust_draws = 3\n"
        "method = 'clhs'\nk = 80\nb = 30\nr = 0.2\ntrials = 7\nmembers = 2\nseed = 9\n"
        f"architecture = 'china'\nbudget = {budget}\ntargets = ['ph']\n"
    )
    study = read_localise_study(write(tmp_path, text))
    assert study.grid == Grid(targets=("ph",))
    assert study.settings == LocaliseSettings(
        n=25, draws=4, first_draw=1, network_draws=2, trust_draws=3, method="clhs", k=80, b=30,
        r=0.2, trials=7, members=2, seed=9, architecture="china", budget_s=90.0,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[localize]\nn = 30", "the file has no setting 'localize'. Did you mean 'localise'?"),
        ("[localise]\ndarws = 3", "[localise] has no setting 'darws'. Did you mean 'draws'?"),
        ("[data]\nsite = 'japan'\n[localise]", "the file has no setting 'data'."),
        ("", "there is no table [localise]"),
        ("localise = 3", "there is no table [localise]"),
        ("[localise]\nn = 9", "localise.n = 9"),
        ("[localise]\nsizes = [9]", "localise.sizes.0 = 9"),
        ("[localise]\nsizes = []\nn = 30", "both n and sizes; want one of the two"),
        ("[localise]\nsizes = [30, 30]", "localise.sizes = 30, 30; want each once"),
        ("[localise]\ntargets = ['sock']", "localise.targets.0 = 'sock'"),
        ("[localise]\ndraws = 10\nfirst_draw = 10", "study.toml: first_draw = 10; want 0 to 9"),
        ("[localise]\nbudget = true", "'True' is no duration"),
    ],
)
def test_a_wrong_study_file_says_what_where_and_the_near_word(
    tmp_path: Path, text: str, said: str
) -> None:
    with pytest.raises(UsageError) as caught:
        read_localise_study(write(tmp_path, text))
    assert said in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_study_of_a_search_is_refused_in_one_line() -> None:
    with pytest.raises(
        UsageError, match=r"^\S+sweden\.toml: \[search\] is for autospec search; .*$"
    ):
        read_localise_study("sweden")


def test_an_unknown_study_names_the_near_one() -> None:
    with pytest.raises(UsageError, match="Did you mean 'benchmark-sites'"):
        read_localise_study("benchmark-site")
