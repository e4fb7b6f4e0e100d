"""Files are old or new, the lock holds across processes, run.json comes back as it went."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from autospec.data.writing import write_text
from autospec.errors import OutputError, RetryLater, UsageError
from autospec.report import folder
from autospec.report.folder import dump_result, finished_result, load_result
from autospec.report.lock import locked, make_folder
from autospec.search.result import SearchResult


def run_python(code: str, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_result_survives_json(result: SearchResult, tmp_path: Path) -> None:
    write_text(tmp_path / "run.json", dump_result(result))
    assert load_result(tmp_path) == result
    assert load_result(tmp_path / "run.json") == result


def test_dump_is_deterministic(result: SearchResult) -> None:
    assert dump_result(result) == dump_result(replace(result))


def test_dump_refuses_nan_and_says_where(result: SearchResult) -> None:
    broken = replace(result, observed=(float("nan"), *result.observed[1:]))
    with pytest.raises(AssertionError, match=r"result\.observed\.0 is not finite"):
        dump_result(broken)


def edited(data: dict[str, Any], **changes: object) -> bytes:
    """Return a run whose first model has other fields."""
    first, *others = data["models"]
    return json.dumps(data | {"models": [first | changes, *others]}).encode()


def corrupted(result: SearchResult) -> dict[str, bytes]:
    text = dump_result(result)
    data = json.loads(text)
    return {
        "empty": b"",
        "cut short": text[: len(text) // 2].encode(),
        "not text": b"\xff\xfe\x00\x01",
        "a list": b"[]",
        "too deep": b"[" * 200_000,
        "nan": text.replace('"n_test": 61', '"n_test": NaN', 1).encode(),
        "missing field": json.dumps({k: v for k, v in data.items() if k != "verdict"}).encode(),
        "word for a number": json.dumps(data | {"n_train": "184"}).encode(),
        "impossible block": text.replace('"kernel": 11', '"kernel": 0', 1).encode(),
        "lost a row": json.dumps(data | {"test_ids": data["test_ids"][1:]}).encode(),
        "a bound too few": edited(data, lower=data["models"][0]["lower"][1:]),
        "bounds without trust": edited(data, trust=None),
        "trust without domain": json.dumps(data | {"in_domain": []}).encode(),
        "no such winner": json.dumps(data | {"winner_trial": 999}).encode(),
    }


@pytest.mark.parametrize(
    "fault",
    [
        "empty",
        "cut short",
        "not text",
        "a list",
        "too deep",
        "nan",
        "missing field",
        "word for a number",
        "impossible block",
        "lost a row",
        "a bound too few",
        "bounds without trust",
        "trust without domain",
        "no such winner",
    ],
)
def test_corrupt_run_is_refused_in_one_line(
    result: SearchResult, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "run.json").write_bytes(corrupted(result)[fault])
    with pytest.raises(OutputError, match=r"run\.json: not a result of a search: .* again"):
        load_result(tmp_path)


@pytest.mark.parametrize("version", [None, 1, 3, "2"])
def test_other_schema_version_is_refused(
    result: SearchResult, tmp_path: Path, version: object
) -> None:
    data = json.loads(dump_result(result)) | {"schema_version": version}
    (tmp_path / "run.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(OutputError, match=r"schema_version is .*; this autospec reads 2"):
        load_result(tmp_path)


def test_missing_run_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="run the search first"):
        load_result(tmp_path)


def test_large_run_is_refused_before_it_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "MAX_RUN_BYTES", 1000)
    (tmp_path / "run.json").write_bytes(b" " * 1001)
    with pytest.raises(OutputError, match="larger than"):
        load_result(tmp_path)


def test_finished_result_is_for_the_same_search_only(result: SearchResult, tmp_path: Path) -> None:
    assert finished_result(tmp_path, result.name, result.settings, result.data.digest) is None
    write_text(tmp_path / "run.json", dump_result(result))
    assert finished_result(tmp_path, result.name, result.settings, result.data.digest) == result
    more = replace(result.settings, trials=99)
    assert finished_result(tmp_path, result.name, more, result.data.digest) is None
    assert finished_result(tmp_path, result.name, result.settings, "0" * 64) is None
    write_text(tmp_path / "run.json", dump_result(replace(result, stopped="interrupt")))
    assert finished_result(tmp_path, result.name, result.settings, result.data.digest) is None


def test_the_result_of_a_search_on_other_data_is_not_overwritten(
    result: SearchResult, tmp_path: Path
) -> None:
    write_text(tmp_path / "run.json", dump_result(result))
    with pytest.raises(UsageError, match=f"holds the search '{result.name}', and this one is 'my'"):
        finished_result(tmp_path, "my", result.settings, result.data.digest)


def test_a_folder_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt" / "inside").mkdir(parents=True)
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written"):
        write_text(tmp_path / "a.txt", "new")
    (tmp_path / "file").write_text("x", encoding="utf-8")
    with pytest.raises(OutputError, match="cannot be made"):
        make_folder(tmp_path / "file" / "out")


def test_a_killed_writer_leaves_old_or_new(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    whole = {bytes([65 + i]) * 3_000_000 for i in range(2)}
    code = (
        "import sys; from pathlib import Path\n"
        "from autospec.data.writing import write_bytes\n"
        "write_bytes(Path(sys.argv[1]), b'A' * 3_000_000)\nprint('go', flush=True)\n"
        "while True:\n"
        "    for letter in (b'B', b'A'):\n"
        "        write_bytes(Path(sys.argv[1]), letter * 3_000_000)\n"
    )
    for delay in (0.013, 0.06):
        process = run_python(code, str(path))
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        assert path.read_bytes() in whole
    with locked(tmp_path):
        pass
    assert {p.name for p in tmp_path.iterdir()} == {"a.bin", ".lock"}


def test_lock_holds_against_another_process_and_ends_with_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path\n"
        "from autospec.report.lock import locked\n"
        "with locked(Path(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    process = run_python(code, str(tmp_path))
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(RetryLater, match="another autospec is writing to"), locked(tmp_path):
        pass
    process.kill()
    process.communicate(timeout=30)
    with locked(tmp_path):
        pass


def test_lock_through_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("", encoding="utf-8")
    (tmp_path / ".lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="cannot be opened"), locked(tmp_path):
        pass
