"""A model file is whole or refused: what is saved predicts bitwise the same, nothing else loads."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import signal
import statistics
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given, settings
from hypothesis import strategies as st

import autospec
from autospec.data.tensors import AnyArray, tensor_name
from autospec.errors import DataError, OutputError, UsageError
from autospec.evaluate.baselines import fit_mean
from autospec.evaluate.calibrated import CalibratedModel
from autospec.predict import bundle as module
from autospec.predict.bundle import dump_model, load_model, make_bundle, pack, save_model
from autospec.predict.document import ModelBundle, describe_provenance
from autospec.predict.document_text import arrays, read_document, write_document
from autospec.predict.lab import LabRange, lab_range
from autospec.predict.nodes import Linear
from autospec.predict.predictions import predict
from autospec.predict.running import Runner
from autospec.report.schemas import json_schemas
from tests.conftest import made_spectra
from tests.predict.made_bundles import bundle_of, kept, plsr_model, tiny_bundle

KINDS = ("plsr", "networks", "auto")
TINY = dump_model(tiny_bundle())
HEADER_END = 8 + int.from_bytes(TINY[:8], "little")


def probe(bundle: ModelBundle) -> AnyArray:
    rng = np.random.default_rng(3)
    return 0.5 + 0.05 * np.cumsum(rng.normal(size=(7, len(bundle.axis))), axis=1) / 3


def written(folder: Path, content: bytes) -> Path:
    path = folder / "model.safetensors"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes) -> str:
    """Return the message with which a file is refused; it names the file and a next step."""
    path = written(folder, content)
    with pytest.raises(DataError) as caught:
        load_model(path)
    assert caught.value.exit_code == 65
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and len(message) < 1500
    return message


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_as_it_went(kind: str, tmp_path: Path) -> None:
    bundle = bundle_of(kind)
    card = save_model(bundle, tmp_path / "m" / "model.safetensors")
    assert card == tmp_path / "m" / "MODEL.md" and card.read_text(encoding="utf-8")
    again = load_model(tmp_path / "m" / "model.safetensors")
    assert write_document(again)[0] == write_document(bundle)[0]
    assert dump_model(again) == (tmp_path / "m" / "model.safetensors").read_bytes()
    assert sorted(p.name for p in (tmp_path / "m").iterdir()) == ["MODEL.md", "model.safetensors"]


FRESH = """
import sys, numpy as np, autospec
from autospec.predict.predictions import open_runner
bundle = autospec.load_model(sys.argv[1])
found = open_runner(bundle).predict_values(np.load(sys.argv[2]))
np.save(sys.argv[3], np.stack([found.predicted, found.lower, found.upper, found.q, found.nearest]))
"""


@pytest.mark.parametrize("kind", KINDS)
def test_a_fresh_process_predicts_bitwise_the_same(kind: str, tmp_path: Path) -> None:
    from autospec.predict.predictions import open_runner

    bundle = bundle_of(kind)
    save_model(bundle, tmp_path / "model.safetensors")
    np.save(tmp_path / "x.npy", probe(bundle))
    args = [str(tmp_path / name) for name in ("model.safetensors", "x.npy", "y.npy")]
    subprocess.run([sys.executable, "-c", FRESH, *args], check=True, timeout=120)
    found = open_runner(bundle).predict_values(probe(bundle))
    rows = (found.predicted, found.lower, found.upper, found.q, found.nearest)
    assert np.array_equal(np.load(tmp_path / "y.npy"), np.stack(rows))


def test_the_bundle_predicts_what_the_fitted_model_does() -> None:
    calibrated = plsr_model()
    found = predict(bundle_of("plsr"), calibrated.train, level=None)
    wanted = calibrated.model.predict(calibrated.train.values)
    np.testing.assert_allclose(found.predicted, wanted, rtol=1e-8)  # see test_deploy


@pytest.mark.parametrize("kind", KINDS)
def test_equal_arrays_are_one_and_cannot_be_changed(kind: str) -> None:
    held = list(arrays(bundle_of(kind)))
    by_name = {tensor_name(array): array for array in held}
    assert {id(array) for array in held} == {id(array) for array in by_name.values()}
    assert not any(array.flags.writeable for array in held)
    assert len(held) > len(by_name)


def test_the_container_is_plain_safetensors(tmp_path: Path) -> None:
    tensors = safetensors.numpy.load(TINY)
    assert {name: tensor_name(array) for name, array in tensors.items()} == {
        name: name for name in write_document(tiny_bundle())[1]
    }


@pytest.mark.parametrize("kind", KINDS)
def test_the_document_satisfies_its_schema(kind: str) -> None:
    text, _ = write_document(bundle_of(kind))
    jsonschema.Draft202012Validator(json.loads(json_schemas()["model.schema.json"])).validate(
        json.loads(text)
    )


# --- damage


@pytest.mark.parametrize("kind", KINDS)
def test_a_hundred_flipped_bytes_are_all_refused(kind: str, tmp_path: Path) -> None:
    content = bytearray(dump_model(bundle_of(kind)))
    rng = np.random.default_rng(17)
    for position, change in zip(
        rng.integers(0, len(content), 100).tolist(), rng.integers(1, 256, 100).tolist(), strict=True
    ):
        content[position] ^= change
        refused(tmp_path, bytes(content))
        content[position] ^= change
    load_model(written(tmp_path, bytes(content)))


@pytest.mark.slow
def test_every_flipped_byte_is_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    accepted = []
    for position in range(len(TINY)):
        changed = bytearray(TINY)
        changed[position] ^= int(rng.integers(1, 256))
        try:
            load_model(written(tmp_path, bytes(changed)))
            accepted.append(position)
        except DataError:
            continue
    assert accepted == []


def test_every_flipped_bit_of_the_frame_is_refused(tmp_path: Path) -> None:
    places = [*range(8), *range(8, 40), *range(HEADER_END - 24, HEADER_END + 8)]
    accepted = []
    for position, bit in ((p, b) for p in places for b in range(8)):
        changed = bytearray(TINY)
        changed[position] ^= 1 << bit
        try:
            load_model(written(tmp_path, bytes(changed)))
            accepted.append((position, bit))
        except DataError:
            continue
    assert accepted == []


@pytest.mark.parametrize("kept_bytes", [0, 1, 7, 8, 9, 100, HEADER_END - 1, HEADER_END, -8, -1])
def test_a_truncated_file_is_refused(kept_bytes: int, tmp_path: Path) -> None:
    refused(tmp_path, TINY[:kept_bytes])


def test_a_longer_file_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, TINY + b"\0")


@pytest.mark.parametrize("padding", [b"\n", b"\t", b"\0"])
def test_padding_is_of_spaces(padding: bytes, tmp_path: Path) -> None:
    size = HEADER_END - 8 + 8
    content = size.to_bytes(8, "little") + TINY[8:HEADER_END] + b" " * 7 + padding
    refused(tmp_path, content + TINY[HEADER_END:])


def bomb() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("data.pkl", b"\0" * 50_000_000)
    return stream.getvalue()


STRANGERS: dict[str, tuple[Callable[[], bytes], str]] = {
    "zip bomb": (bomb, "zip archive"),
    "pickle": (lambda: pickle.dumps({"weights": list(range(100))}), "pickle"),
    "text": (lambda: b"name,soc\nS1,3\n" * 10, "no safetensors file"),
    "another program's": (
        lambda: safetensors.numpy.save({"w": np.ones(3)}, {"format": "pt"}),
        "of another program",
    ),
    "no metadata": (lambda: safetensors.numpy.save({"w": np.ones(3)}), "of another program"),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_what_is_no_model_file_is_called_what_it_is(name: str, tmp_path: Path) -> None:
    make, words = STRANGERS[name]
    content = make()
    clock = time.monotonic()
    assert words in refused(tmp_path, content)
    assert time.monotonic() - clock < 1.0


def test_a_missing_file_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        load_model(tmp_path / "model.safetensors")
    with pytest.raises(DataError, match="no file"):
        load_model(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="no file"):
        load_model(tmp_path / "pipe")


def test_a_file_that_is_too_large_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    with path.open("wb") as stream:
        stream.truncate(5 * 1024**3)  # sparse: takes no space
    with pytest.raises(DataError, match=r"5\.0 GB; want at most 4"):
        load_model(path)


# --- harm: documents with right digests


def document() -> tuple[dict[str, Any], dict[str, AnyArray]]:
    text, tensors = write_document(tiny_bundle())
    return json.loads(text), tensors


def with_tensor(array: AnyArray) -> Callable[[dict[str, Any], dict[str, AnyArray]], None]:
    def change(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
        del tensors[data["model"]["coefficients"]]
        data["model"]["coefficients"] = tensor_name(array)
        tensors[tensor_name(array)] = array

    return change


def with_model(node: dict[str, Any]) -> Callable[[dict[str, Any], dict[str, AnyArray]], None]:
    def change(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
        axis = data["axis"]
        text = json.dumps(node).replace('"AXIS"', json.dumps(axis))
        data["model"] = {"kind": "scale", "node": json.loads(text), **SCALE}
        for name in [name for name in tensors if name not in json.dumps(data)]:
            del tensors[name]

    return change


SCALE = {"log": False, "mean": 0.0, "sd": 1.0, "low": 0.0, "high": 1.0}


def put(*path: str | int, value: object) -> Callable[[dict[str, Any], dict[str, AnyArray]], None]:
    def change(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
        inner: Any = data
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = value

    return change


def spare(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
    array = np.arange(3.0)
    tensors[tensor_name(array)] = array


def renamed(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
    tensors[data["model"]["coefficients"]] = tensors[data["model"]["coefficients"]] + 1.0


def lost(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
    del tensors[data["model"]["coefficients"]]


def many_weights(data: dict[str, Any], tensors: dict[str, AnyArray]) -> None:
    """Networks that name one array of weights again and again."""
    array = np.zeros(100_000, dtype=np.float32)
    tensors[tensor_name(array)] = array
    member = {"state": {"0.weight": tensor_name(array)}, "log": False, "mean": 0.0, "sd": 1.0}
    with_model(network(ARCHITECTURE, [member] * 50))(data, tensors)


ARCHITECTURE: dict[str, Any] = {"conv": [], "fc": [{"nodes": 3, "activation": "ReLU"}]}


def network(
    architecture: dict[str, Any], members: list[dict[str, Any]], bands: int = 6
) -> dict[str, Any]:
    return {
        "kind": "networks",
        "steps": [],
        "architecture": architecture,
        "bands": bands,
        "members": members,
    }


LINE = document()[0]["model"]
EMPTY = {"state": {}, "log": False, "mean": 0.0, "sd": 1.0}
LARGE = {"conv": [], "fc": [{"nodes": 10**9, "activation": "ReLU"}]}
WIDE = {"conv": [{"kernel": 1, "filters": 10**8, "activation": "ReLU"}]}
HARM: dict[str, tuple[Callable[[dict[str, Any], dict[str, AnyArray]], None], str]] = {
    "newer schema": (put("schema_version", value=4), "made by a newer autospec"),
    "older schema": (put("schema_version", value=0), "schema_version is 0; want 1"),
    "a word for it": (put("schema_version", value="1"), "schema_version is '1'; want 1"),
    "unknown field": (put("extra", value=1), "extra"),
    "missing field": (lambda data, tensors: data.pop("domain") and None, "domain"),
    "unknown node": (put("model", "kind", value="magic"), "model"),
    "infinite": (put("model", "intercept", value=1e999), r"intercept is not finite"),
    "a word": (put("model", "intercept", value="1"), "intercept"),
    "array left over": (spare, "names no array"),
    "array under another's name": (renamed, "numbers have changed"),
    "array missing": (lost, "no numbers called"),
    "NaN in an array": (with_tensor(np.full(6, np.nan)), "not finite"),
    "wrong type": (with_tensor(np.ones(6, dtype=np.float32)), "want an array of float64"),
    "wrong axes": (with_tensor(np.ones((6, 1))), "axes; want 1"),
    "too few coefficients": (with_tensor(np.ones(5)), "coefficients: 5; want 6"),
    "no twins": (put("twins", value=[]), "no array|names twins"),
    "twins that are not there": (put("calibration", "twin_of", value=[2] * 12), "names twins 2"),
    "average of other bands": (
        with_model(
            {
                "kind": "linear",
                "intercept": 0.0,
                "coefficients": "AXIS",
                "steps": [
                    {"kind": "standardise", "mean": "AXIS", "scale": "AXIS"},
                    {"kind": "average", "axis": "AXIS", "step": 1e-300},
                    {"kind": "savgol", "window": 7, "order": 2, "derivative": 0},
                ],
            }
        ),
        "window",
    ),
    "even window": (
        with_model(
            {
                "kind": "linear",
                "intercept": 0.0,
                "coefficients": "AXIS",
                "steps": [
                    {"kind": "savgol", "window": 4, "order": 2, "derivative": 0},
                ],
            }
        ),
        "window = 4; want an odd number",
    ),
    "architecture larger than its weights": (
        with_model(network(LARGE, [EMPTY])),
        "0 weights; the architecture has",
    ),
    "conv block that fills the memory": (with_model(network(WIDE, [EMPTY])), "numbers; want"),
    "other bands than arrive": (with_model(network(ARCHITECTURE, [EMPTY], 7)), "bands of networks"),
    "no networks": (with_model(network(ARCHITECTURE, [])), "members: 0"),
    "the same weights again and again": (many_weights, "its networks want"),
    "a scale of two kinds": (
        put("model", value={"kind": "scale", "node": LINE, **SCALE, "log": True, "root": True}),
        "it says both",
    ),
    "an empty sum": (with_model({"kind": "sum", "terms": []}), "terms of a sum"),
}


@pytest.mark.parametrize("name", HARM)
def test_a_document_that_does_not_fit_is_refused(name: str, tmp_path: Path) -> None:
    change, words = HARM[name]
    data, tensors = document()
    change(data, tensors)
    message = refused(tmp_path, pack(json.dumps(data), tensors))
    assert re.search(words, message), message


@pytest.mark.parametrize(
    ("keys", "wanted"),
    [
        ({"log": False}, lambda held: held),
        ({"log": True}, np.expm1),
        ({"log": True, "root": False}, np.expm1),
        ({"root": True}, lambda held: held**3),
    ],
    ids=["plain, before roots", "logarithm, before roots", "logarithm", "root"],
)
def test_scales_of_earlier_files_are_read_as_they_were_meant(
    keys: dict[str, bool], wanted: Callable[[AnyArray], AnyArray], tmp_path: Path
) -> None:
    """Models once learned log(1 + y); their files say so, and know no key `root`."""
    scale = {"kind": "scale", "mean": 1.5, "sd": 0.02, "low": 1.8, "high": 2.1}
    data, tensors = document()
    data["model"] = {**scale, **keys, "node": data["model"]}
    model = load_model(written(tmp_path, pack(json.dumps(data), tensors))).model
    values = probe(tiny_bundle())
    y = Runner().predict((tiny_bundle().model,), values)[0] * 0.02 + 1.5
    held = np.clip(y, 1.8, 2.1) if any(keys.values()) else y
    assert (held == 1.8).any() or (held == 2.1).any() or not any(keys.values())
    np.testing.assert_allclose(Runner().predict((model,), values)[0], wanted(held), rtol=1e-12)


def test_a_newer_schema_says_how_to_update(tmp_path: Path) -> None:
    data, tensors = document()
    message = refused(tmp_path, pack(json.dumps(data | {"schema_version": 7}), tensors))
    assert "pip install -U autospec-soil" in message


def test_an_axis_whose_average_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    axis = np.array([0.0, 1e-9, 2e-9, 3e-9, 4e-9, 1e9])
    data, tensors = document()
    tensors[tensor_name(axis)] = axis
    step = {"kind": "average", "axis": tensor_name(axis), "step": 1e-9}
    data["model"]["steps"].append(step)
    assert "an average to more than" in refused(tmp_path, pack(json.dumps(data), tensors))


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deep_nesting_is_refused(depth: int, tmp_path: Path) -> None:
    data, tensors = document()
    inner = json.dumps(SCALE)[1:-1]
    node = '{"kind":"scale",' + inner + ',"node":'
    text = json.dumps(data | {"model": "HERE"})
    deep = node * depth + json.dumps(data["model"]) + "}" * depth
    refused(tmp_path, pack(text.replace('"HERE"', deep), tensors))
    refused(tmp_path, pack("[" * depth, tensors))
    head = b'{"a":' + b"[" * depth
    refused(tmp_path, len(head).to_bytes(8, "little") + head)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=5,
)


def paths(data: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    items: Any = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    return [*([at] if at else []), *(p for k, v in items for p in paths(v, (*at, k)))]


PATHS = paths(document()[0])


@settings(max_examples=150, deadline=None)
@given(path=st.sampled_from(PATHS), value=values)
def test_any_value_anywhere_is_refused_or_predicts(
    path: tuple[str | int, ...], value: object, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, tensors = document()
    put(*path, value=value)(data, tensors)
    file = written(tmp_path_factory.getbasetemp(), pack(json.dumps(data), tensors))
    try:
        bundle = load_model(file)
    except DataError:
        return
    found = predict(bundle, made_spectra(3, 6))
    assert np.isfinite(found.predicted).all()


@settings(max_examples=150, deadline=None)
@given(head=st.binary(max_size=200) | st.from_regex(rb'\{"__metadata__":.{0,60}\}', fullmatch=True))
def test_any_header_is_refused(head: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    refused(folder, len(head).to_bytes(8, "little") + head)
    refused(folder, head)


# --- writing


def test_a_killed_writer_leaves_the_old_file_or_the_new(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_model(tiny_bundle(), path)
    other = replace(tiny_bundle(), name="other")
    whole = {dump_model(tiny_bundle()), dump_model(other)}
    code = (
        "import sys; from dataclasses import replace\n"
        "from autospec.predict.bundle import load_model, save_model\n"
        "one = load_model(sys.argv[1]); two = replace(one, name='other')\n"
        "print('go', flush=True)\n"
        "while True:\n    save_model(two, sys.argv[1]); save_model(one, sys.argv[1])\n"
    )
    for delay in (0.01, 0.05):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None and process.stdout.readline() == "go\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert path.read_bytes() in whole
        load_model(path)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, TINY)

    def fail(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputError, match="disk is full"):
        save_model(replace(tiny_bundle(), name="new"), path)
    assert path.read_bytes() == TINY and len(list(tmp_path.iterdir())) == 1


def test_two_models_in_a_folder_have_a_card_each(tmp_path: Path) -> None:
    cards = [save_model(tiny_bundle(), tmp_path / f"{n}.safetensors") for n in ("model", "plsr")]
    assert [card.name for card in cards] == ["MODEL.md", "MODEL-plsr.md"]


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"ends with \.safetensors\. Name it model\.safetensors"):
        save_model(tiny_bundle(), tmp_path / "model.pkl")


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_HEADER", 1000)
    with pytest.raises(UsageError, match="want at most"):
        dump_model(tiny_bundle())


@pytest.mark.parametrize("name", ["", "Big", "a/b", "-x", "a" * 65])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="name"):
        kept(constant(3.0), name)


def test_a_model_with_numbers_that_are_not_finite_is_refused() -> None:
    with pytest.raises(UsageError, match=r"cannot be kept: .* is not finite"):
        kept(constant(float("nan")), "nan")


def constant(mean: float) -> CalibratedModel:
    calibrated = plsr_model()
    return replace(calibrated, model=replace(fit_mean(calibrated.train), mean=mean))


def test_the_public_names_make_a_round_trip(tmp_path: Path) -> None:
    calibrated = plsr_model()
    bundle = autospec.make_bundle(
        calibrated,
        name="public",
        model_kind="PLSR",
        provenance=describe_provenance("api", calibrated.train),
    )
    autospec.save_model(bundle, tmp_path / "model.safetensors")
    loaded = autospec.load_model(tmp_path / "model.safetensors")
    assert isinstance(loaded, autospec.ModelBundle)
    found = autospec.predict(loaded, calibrated.train)
    assert isinstance(found, autospec.Predictions) and found.level == 0.9


def test_a_document_read_without_its_arrays_is_refused() -> None:
    text, _ = write_document(tiny_bundle())
    with pytest.raises(ValueError, match="no numbers called"):
        read_document(text, {})


def test_make_bundle_writes_the_model_down() -> None:
    assert isinstance(
        make_bundle(
            plsr_model(),
            name="plsr",
            model_kind="PLSR",
            provenance=describe_provenance("api", made_spectra(3)),
        ).model,
        Linear,
    )


@pytest.mark.parametrize("rows", [9, 10])
def test_the_lab_range_is_of_all_training_rows(rows: int) -> None:
    train = made_spectra(rows, 6)
    found = lab_range(train)
    assert found.lowest == train.target.min() and found.highest == train.target.max()
    assert found.median == pytest.approx(statistics.median(train.target.tolist()))


def test_a_kept_model_has_the_lab_range_of_rows_that_its_calibration_misses() -> None:
    calibrated = plsr_model()
    whole = calibrated.calibration
    part = replace(
        whole,
        observed=whole.observed[:3],
        out_of_fold=whole.out_of_fold[:3],
        twin_of=whole.twin_of[:3],
    )
    assert kept(replace(calibrated, calibration=part), "part").lab == lab_range(calibrated.train)


def test_a_lab_range_that_is_not_ascending_is_refused() -> None:
    with pytest.raises(ValueError, match="not ascending"):
        LabRange(lowest=1.0, median=3.0, highest=2.0)
