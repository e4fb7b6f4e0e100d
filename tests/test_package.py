"""The public surface: exactly the names listed, all importable, and the verb `search` callable."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import autospec
from tests.conftest import made_spectra

PACKAGE = Path(autospec.__file__).parent


@pytest.mark.parametrize("name", autospec.__all__)
def test_every_public_name_can_be_imported(name: str) -> None:
    assert getattr(autospec, name) is not None


def test_the_public_names_are_exactly_the_list() -> None:
    assert sorted(autospec.__all__) == sorted(autospec._HOMES)
    assert set(dir(autospec)) == {*autospec.__all__, "__version__"}
    with pytest.raises(AttributeError, match="has no attribute 'serach'"):
        _ = autospec.serach


def test_import_autospec_is_light() -> None:
    code = "import sys, autospec; assert not {'torch', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=PACKAGE.parent)


def test_the_verb_search_runs_a_search_even_after_its_room_was_imported(
    small_settings: autospec.SearchSettings,
) -> None:
    import autospec.search.space

    result = autospec.search(made_spectra(), settings=small_settings)
    assert isinstance(result, autospec.SearchResult)


def test_no_network_client_and_no_pickle_is_imported() -> None:
    """Files are data, never code, and nothing leaves the machine."""
    forbidden = (
        "import pickle",
        "import socket",
        "import requests",
        "urllib.request",
        "http.client",
        "torch.load",
        "joblib.load",
        "allow_pickle",
        "eval(",
        "exec(",
    )
    found = [
        (path.name, word)
        for path in PACKAGE.rglob("*.py")
        for word in forbidden
        if word in path.read_text(encoding="utf-8").replace(".eval()", "")
    ]
    assert found == []
