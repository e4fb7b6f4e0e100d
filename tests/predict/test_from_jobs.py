"""What a search and a localisation hand over can be kept, and predicts the same from its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from autospec.evaluate.calibrated import CalibratedModel
from autospec.evaluate.trust import bounds
from autospec.localisation.job import localise
from autospec.predict.bundle import load_model, make_bundle, save_model
from autospec.predict.document import Job, describe_provenance
from autospec.predict.predictions import predict
from autospec.search.job import Execution, search
from autospec.search.settings import SearchSettings
from tests.conftest import made_spectra
from tests.localisation.landscape import ON_CPU, QUICK, few_recipes, landscape


def held_to(calibrated: CalibratedModel, job: Job, path: Path, rtol: float) -> None:
    bundle = make_bundle(
        calibrated,
        name=job,
        model_kind="its model",
        provenance=describe_provenance(job, calibrated.train),
    )
    save_model(bundle, path)
    loaded, values = load_model(path), calibrated.train.values
    found = predict(loaded, calibrated.train, level=0.8)
    wanted = calibrated.model.predict(values)
    np.testing.assert_allclose(found.predicted, wanted, rtol=rtol)
    lower, upper = bounds(calibrated, values, wanted, 0.8)
    np.testing.assert_allclose(found.lower, lower, rtol=rtol)
    np.testing.assert_allclose(found.upper, upper, rtol=rtol)


def test_models_of_a_search(small_settings: SearchSettings, tmp_path: Path) -> None:
    handed: dict[str, CalibratedModel] = {}
    execution = Execution(device="cpu", on_model=handed.__setitem__)
    with few_recipes():
        search(made_spectra(), settings=small_settings, execution=execution)
    assert set(handed) == {"winner", "plsr"}
    # Blocks of rows are the same on both sides, so networks agree to the bit.
    held_to(handed["winner"], "search", tmp_path / "winner.safetensors", rtol=0)
    held_to(handed["plsr"], "search", tmp_path / "plsr.safetensors", rtol=1e-8)


def test_the_model_of_a_localisation(tmp_path: Path) -> None:
    world = landscape()
    handed: list[CalibratedModel] = []
    with few_recipes():
        localise(
            (world.library,),
            world.farm,
            settings=QUICK,
            execution=replace(ON_CPU, on_model=handed.append),
        )
    (calibrated,) = handed
    held_to(calibrated, "localise", tmp_path / "model.safetensors", rtol=1e-8)
    assert (tmp_path / "MODEL.md").is_file()
