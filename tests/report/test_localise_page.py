"""A localisation's page loads nothing, runs nothing from data, and says what a reader must know."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from autospec.localisation.result import FinalModel, LocalisationResult
from autospec.report import page as frame
from autospec.report.localise_details import command_words
from autospec.report.localise_folder import load_localisation
from autospec.report.localise_page import localisation_html, write_localisation
from tests.report.made_localisation import later_draws

MARK = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
VOID = {"meta", "img", "br"}
FILES = {
    "localisation.json",
    "comparison.csv",
    "comparison.md",
    "comparison.tex",
    "comparison.json",
    "draws.csv",
    "predictions.csv",
    "final_predictions.csv",
    "selected_rows.csv",
    "architectures.csv",
    "architectures.md",
    "report.html",
    "assets/plotly.min.js",
}


class Page(HTMLParser):
    """Tags, attributes, script bodies, words, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.parts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        inside = self.scripts if self.open and self.open[-1] == "script" else self.parts
        inside.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.parts).split())


def page_of(result: LocalisationResult) -> Page:
    return Page(localisation_html(result, digest="0" * 64))


@pytest.fixture(scope="module")
def page(localisation: LocalisationResult) -> Page:
    return page_of(localisation)


def test_every_file_is_written_and_named(localisation: LocalisationResult, tmp_path: Path) -> None:
    paths = write_localisation(localisation, tmp_path)
    assert {str(p.relative_to(tmp_path)) for p in paths} == FILES
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == FILES
    assert paths[-1].name == "report.html"
    assert load_localisation(tmp_path) == localisation


def test_the_page_names_the_model_where_one_was_kept(
    localisation: LocalisationResult, tmp_path: Path
) -> None:
    write_localisation(localisation, tmp_path)
    assert "model.safetensors" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    write_localisation(localisation, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "autospec predict THIS_FOLDER scans.csv" in page.words and "MODEL.md" in page.words
    assert ("a", {"href": "model.safetensors"}) in page.tags and page.open == []


def test_second_report_is_the_same(localisation: LocalisationResult, tmp_path: Path) -> None:
    first = {p: p.read_bytes() for p in write_localisation(localisation, tmp_path)}
    assert {p: p.read_bytes() for p in write_localisation(localisation, tmp_path)} == first


def test_no_old_predictions_stay_when_every_row_has_a_lab_value(
    quick: LocalisationResult, tmp_path: Path
) -> None:
    nothing: dict[str, tuple[()]] = dict.fromkeys(("lower", "upper", "inside", "reasons"), ())
    final = replace(quick.final, ids=(), predicted=(), **nothing)
    done = replace(quick, final=final)
    (tmp_path / "final_predictions.csv").write_text("id,soc\nold,1\n", encoding="utf-8")
    write_localisation(done, tmp_path)
    lines = (tmp_path / "final_predictions.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 and lines[0].startswith("id,")
    words = page_of(done)
    assert "nothing more to predict" in words.words
    assert "final_predictions.csv" not in {a.get("href") for _, a in words.tags}


def test_no_page_without_its_files(
    localisation: LocalisationResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = frame.write_text

    def stop_before_the_page(path: Path, text: str) -> None:
        if path.name == "report.html":
            raise KeyboardInterrupt
        keep(path, text)

    monkeypatch.setattr(frame, "write_text", stop_before_the_page)
    with pytest.raises(KeyboardInterrupt):
        write_localisation(localisation, tmp_path)
    there = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()}
    assert there == FILES - {"report.html"}


def test_links_lead_to_files_of_the_report_or_sections(page: Page) -> None:
    sections = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    targets = [attrs["href"] or "" for tag, attrs in page.tags if tag == "a"]
    assert len(targets) > 15
    assert [t for t in targets if t not in FILES and t.removeprefix("#") not in sections] == []


def test_nothing_is_fetched_from_a_network(page: Page) -> None:
    fetched = [a[k] for tag, a in page.tags for k in ("src", "srcset", "data", "action") if k in a]
    assert fetched == ["assets/plotly.min.js"]
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]


def hostile(value: Any, name: str = "") -> Any:
    """Return a copy with MARK in every text that could come from data, at any depth."""
    closed = {"kind", "uses", "stopped", "axis_unit", "quantity", "better", "settings", "design"}
    closed |= {"reference", "library_name", "judged_by", "judged"}
    if name in closed or (name == "library" and isinstance(value, str)):
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [f.name for f in dataclasses.fields(value)]
        fixed = name in ("models", "rows")  # their names are autospec's own
        changes = {n: hostile(getattr(value, n), n) for n in names if not (fixed and n == "name")}
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(hostile(item, name) for item in value)
    if isinstance(value, dict):
        return {key + MARK: hostile(item) for key, item in value.items()}
    return value + MARK if isinstance(value, str) else value


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_no_text_from_data_becomes_markup(localisation: LocalisationResult, page: Page) -> None:
    evil = page_of(hostile(localisation))
    assert not [tag for tag, _ in evil.tags if tag == "img"]
    assert not [key for _, attrs in evil.tags for key in attrs if key.startswith("on")]
    kinds = [attrs.get("type", "code") for tag, attrs in evil.tags if tag == "script"]
    assert kinds.count("code") == 2
    figures = [json.loads(text) for text in evil.scripts[:-1]]
    assert len(figures) == kinds.count("application/json") > 10
    assert not [text for text in texts(figures) if "<img" in text or "<script" in text]
    assert any("&lt;img" in text for text in texts(figures))
    assert evil.open == page.open == []


def test_json_blocks_cannot_be_left(localisation: LocalisationResult) -> None:
    text = localisation_html(localisation, digest="")
    blocks = re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S)
    assert len(blocks) > 10
    assert not [block for block in blocks if set(block) & {"<", ">", "&"}]


def test_verdicts_and_honesty_are_on_the_page(page: Page, localisation: LocalisationResult) -> None:
    verdicts = (localisation.verdict, localisation.transfer_verdict)
    for sentence in (*verdicts, *localisation.strategy_verdicts, *localisation.notes):
        assert sentence in page.words
    for words in (
        "They were sealed: nothing was fitted, selected or chosen on them",
        "30 rows of the farm to train on, at random",
        "optimistic, and none is reported as an accuracy",
        "The networks ran on the first 3 draws only",
        "our reconstruction from the literature",
        localisation.purged,
        localisation.aligned,
        "closer to the farm in spectra than random library rows",
        "share 31 % of the rows",
    ):
        assert words in page.words


def test_draws_that_do_not_begin_at_0_are_told_by_number(localisation: LocalisationResult) -> None:
    words = page_of(later_draws(localisation, 10)).words
    assert "Each of the 10 draws (10 to 19) took 30 rows" in words
    assert "10 to 19; each: 30 rows to train" in words
    assert "Test rows of 3 draws (10 to 12)" in words
    assert "--draws 20 --first-draw 10" in words


def test_every_model_is_on_the_page(page: Page, localisation: LocalisationResult) -> None:
    for model in localisation.models:
        assert model.name in page.words
        assert model.about in page.words
    assert "DTL-R_g: draw 2: every epoch's loss was not finite" in page.words


def test_without_networks_one_line_says_how_to_run_them(quick: LocalisationResult) -> None:
    words = page_of(quick).words
    assert "run the same command without --quick" in words
    assert "Against Local" not in words
    assert "The networks ran on" not in words


def test_networks_that_were_not_reached_are_explained(quick: LocalisationResult) -> None:
    settings = replace(quick.settings, quick=False)
    words = page_of(replace(quick, settings=settings, stopped="budget")).words
    assert "No network was finished (the time budget ran out)" in words
    assert "Not all was run: the time budget ran out." in words


def test_a_run_stopped_before_anything_still_has_a_page(quick: LocalisationResult) -> None:
    auto = replace(quick.models[0], outcomes=(), versus_plsr=None, versus_local=None)
    bare = replace(
        quick,
        draws=(),
        models=(auto,),
        selections=(),
        alignment=None,
        stability=None,
        spectra_map=replace(quick.spectra_map, library=(), library_fields=(), farm=()),
        trust=None,
        intervals=(),
        final=FinalModel(detail="", weights={}, ids=(), predicted=()),
        stopped="interrupt",
    )
    words = page_of(bare).words
    assert "Intervals were not measured" in words
    assert "there is nothing to compare" in words
    assert "Nothing was selected" in words
    assert "It was not measured." in words
    assert "too few selections" in words


def test_the_command_is_written_out(localisation: LocalisationResult) -> None:
    words = command_words(localisation)
    assert words.startswith("autospec localise --site sweden-skane --target soc --n 30")
    assert "--budget 540s --seed 11" in words
    assert "--k" not in words and "--quick" not in words
    settings = replace(localisation.settings, quick=True, k=80, architecture="china")
    other = replace(localisation, name="farm", settings=settings)
    words = command_words(other)
    assert "--global LIBRARY --local FARM" in words
    assert "--k 80" in words and "--architecture china" in words and words.endswith("--quick")
