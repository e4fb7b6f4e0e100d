"""The options of ``autospec train --stack``: what they become, and which are refused."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import autospec
from autospec.cli import app
from autospec.data.cubes.stack_files import write_stack
from autospec.data.maps.problem import MAX_LENGTH, MapAims
from autospec.data.maps.splits import MapSplit
from autospec.errors import AutospecError
from autospec.nets.map_sizes import PRESETS
from autospec.training.map_preset import map_preset
from autospec.training.map_settings import MAP_FIT, MapSettings, MapTerms
from tests.cli.made_train_stack import asked_for, put_stack, words
from tests.training.made_stack import made_stack

ROOT = Path(autospec.__file__).parents[1]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stack and a network."""
    return put_stack(tmp_path_factory.mktemp("train-stack-options"))


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (("--target", "waves"), 2, "Did you mean 'wave'"),
        (("--target", "WAVE"), 2, "Did you mean 'wave'"),
        (("--target", "height"), 2, "'height' does not change with time"),
        (("--cube", "samples.npz"), 2, "--cube and --stack: want one of them"),
        (("--model", "cnn3d"), 2, "with --stack the network is cnn-transformer"),
        (("--buffer-km", 1, "--folds", 3), 2, "--buffer-km, --folds: for cubes"),
        (("--loss", "mse"), 2, "--loss: for cubes, and --stack is given"),
        (("--keep-model",), 2, "A training on maps always keeps its model"),
        (("--split", "random"), 2, "--split random: for cubes"),
        (("--block", 4), 2, "--block is for --split blocks"),
        (("--split", "blocks", "--block", 24), 65, "days.npz: a raster of 24 x 20 cells has"),
        (("--buffer", 40), 65, "days.npz: of 28 dates"),
        (("--length", 200), 65, "want at least 201"),
        (("--length", MAX_LENGTH + 1), 2, f"--length {MAX_LENGTH + 1}: want 1 to {MAX_LENGTH}"),
        (("--terms", "edge,pinbal"), 2, "'pinbal' is no term; want some of pinball"),
        (("--preset", "small3d"), 2, "want tiny, small, v8, or a file that ends with .json"),
        (("--preset", "gone.json"), 2, "gone.json: cannot be read"),
        (("--preset", "typo.json"), 2, "typo.json: sizes.width: no such field"),
        (("--preset", "broken.json"), 2, "no JSON"),
        (("--batch", 8, "--accumulate-to", 4), 2, "--batch 8 is above --accumulate-to 4"),
        (("--schedule", "constant", "--restarts", 2), 2, "for --schedule cosine, not for constant"),
        (("--stack", "gone.npz"), 65, "gone.npz"),
    ],
    ids=str,
)
def test_a_mistake_ends_in_one_message(
    folder: Path,
    more: tuple[object, ...],
    code: int,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "broken.json").write_text("{", encoding="utf-8")
    (folder / "typo.json").write_text('{"sizes": {"width": [8, 8, 8, 8]}}', encoding="utf-8")
    monkeypatch.chdir(folder)
    error = CliRunner().invoke(app, words(folder, *more, "-o", "mistake")[3:]).exception
    assert isinstance(error, AutospecError)
    assert error.exit_code == code and message in str(error)
    assert not (folder / "mistake").exists(), "a refused training leaves nothing behind"


@pytest.mark.parametrize(("option", "most"), [("--tile", "65536"), ("--horizon", "10000")])
def test_numbers_beyond_any_stack_are_refused(folder: Path, option: str, most: str) -> None:
    found = CliRunner().invoke(app, words(folder, option, 10**30)[3:])
    assert found.exit_code == 2 and most in found.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "name what to learn from: --cube samples.npz"),
        (("--cube", "a.npz", "--horizon", "1", "--tile", "64"), "--horizon, --tile: for maps"),
        (("--cube", "a.npz", "--model", "cnn-transformer"), "with --cube the network is cnn3d"),
        (("--cube", "a.npz", "--target", "soc", "--target", "ph"), "cubes have one lab value"),
    ],
    ids=str,
)
def test_options_of_the_other_kind_are_refused(options: tuple[str, ...], message: str) -> None:
    error = CliRunner().invoke(app, ["train", *options]).exception
    assert isinstance(error, AutospecError)
    assert error.exit_code == 2 and message in str(error)


def test_a_target_that_never_differs_is_refused_and_leaves_nothing(folder: Path) -> None:
    made = made_stack()
    values = np.array(made.dynamic)
    values[:, 0] = np.where(np.isfinite(values[:, 0]), 0.25, np.nan)
    write_stack(folder / "flat.npz", replace(made, dynamic=values))
    said = words(folder, "--stack", folder / "flat.npz", "--epochs", 1, "-o", folder / "flat")[3:]
    error = CliRunner().invoke(app, said).exception
    assert isinstance(error, AutospecError) and error.exit_code == 65
    assert "flat.npz: target 'wave' is 0.25 in all cells and dates" in str(error)
    assert not (folder / "flat").exists()


def test_without_a_target_the_channels_are_named(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["train", "--stack", str(folder / "days.npz"), "--horizon", "1"]
    error = CliRunner().invoke(app, asked).exception
    assert isinstance(error, AutospecError) and error.exit_code == 2
    assert "want one of 'wave', 'hint', 'noise'. Pass --target" in str(error)
    assert list(tmp_path.iterdir()) == []


def test_defaults_are_those_of_maps(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_for(monkeypatch, folder, "--target", "wave") == MapSettings(
        aims=MapAims(targets=("wave",))
    )


def test_options_become_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = "--model cnn-transformer --target wave --target hint --horizon 2 --length 6 --tile 32"
    told += " --split blocks --block 5 --buffer 2 --gaps sentinel --terms edge,pinball"
    told += " --preset small --batch 8 --lr 5e-4 --epochs 9 --patience 3 --restarts 2 --seed 4"
    told += " --weight-decay 0 --baselines all --precision bfloat16"
    assert asked_for(monkeypatch, folder, *told.split()) == MapSettings(
        aims=MapAims(targets=("wave", "hint"), horizon=2, length=6),
        sizes=PRESETS["small"],
        terms=MapTerms(edge=True, pinball=True, gaps="sentinel"),
        split=MapSplit(kind="blocks", block=5, buffer=2, seed=4),
        tile=32,
        config=replace(
            MAP_FIT,
            batch_size=8,
            accumulate_to=8,
            learning_rate=5e-4,
            max_epochs=9,
            patience=3,
            restarts=2,
            seed=4,
            weight_decay=0.0,
            precision="bfloat16",
        ),
        baselines="all",
    )


@pytest.mark.parametrize(
    ("options", "terms"),
    [
        ((), MapTerms(edge=True, tau=0.6)),
        (("--terms", "plain"), MapTerms(edge=False, tau=0.6)),
        (
            ("--terms", "weighted", "--gaps", "sentinel"),
            MapTerms(weighted=True, edge=False, tau=0.6, gaps="sentinel"),
        ),
    ],
    ids=str,
)
def test_terms_on_the_command_line_stand_over_those_of_the_preset(
    options: tuple[str, ...],
    terms: MapTerms,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (folder / "terms.json").write_text('{"terms": {"edge": true, "tau": 0.6}}', encoding="utf-8")
    said = ("--target", "wave", "--preset", folder / "terms.json", *options)
    assert asked_for(monkeypatch, folder, *said).terms == terms


def test_the_only_channel_is_the_target(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = made_stack()
    one = replace(made, dynamic=np.array(made.dynamic[:, :1]), channels=("wave",))
    write_stack(folder / "one.npz", one)
    settings = asked_for(monkeypatch, folder, "--horizon", 1, stack="one.npz")
    assert settings.aims == MapAims(targets=("wave",), horizon=1)


def test_the_presets_of_the_documentation_are_read() -> None:
    text = (ROOT / "docs" / "maps.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 2
    presets = [map_preset(json.loads(block)) for block in blocks]
    assert presets[0].terms.season and presets[1].sizes not in PRESETS.values()
