"""The page loads nothing, runs nothing from data, and says why where it shows nothing."""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from autospec.data.spectra import Spectra
from autospec.errors import DataError
from autospec.report import page as frame
from autospec.report.html import report_html, write_report, write_spectra_plot
from autospec.report.trust_section import percent
from autospec.report.words import duration, number, settings_toml, size
from autospec.search.result import SearchResult
from autospec.search.settings import read_study

MARK = '"><img src=x onerror=alert(1)></script><script>alert(2)</script>'
VOID = {"meta", "img", "br", "hr", "input", "link"}
FILES = {
    "run.json",
    "report.html",
    "best_architecture.csv",
    "best_architecture.md",
    "best_architecture.tex",
    "best_architecture.json",
    "leaderboard.csv",
    "predictions.csv",
    "metrics.json",
    "assets/plotly.min.js",
}


class Page(HTMLParser):
    """Tags, attributes, script bodies, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.words: list[str] = []
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
        if self.open and self.open[-1] == "script":
            self.scripts.append(data)
        else:
            self.words.append(data)


@pytest.fixture(scope="module")
def page(result: SearchResult) -> Page:
    return Page(report_html(result, run_digest="0" * 64))


def test_every_file_is_written_and_named(result: SearchResult, tmp_path: Path) -> None:
    paths = write_report(result, tmp_path)
    assert {str(p.relative_to(tmp_path)) for p in paths} == FILES
    assert {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} == FILES
    assert paths[-1].name == "report.html"


def test_second_report_is_the_same_and_keeps_plotly(result: SearchResult, tmp_path: Path) -> None:
    first = {p: p.read_bytes() for p in write_report(result, tmp_path)}
    asset = tmp_path / "assets" / "plotly.min.js"
    written = asset.stat().st_mtime_ns
    assert {p: p.read_bytes() for p in write_report(result, tmp_path)} == first
    assert asset.stat().st_mtime_ns == written


def test_no_page_without_its_files(
    result: SearchResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[str] = []
    keep = frame.write_text

    def stop_before_the_page(path: Path, text: str) -> None:
        if path.name == "report.html":
            raise KeyboardInterrupt
        written.append(path.name)
        keep(path, text)

    monkeypatch.setattr(frame, "write_text", stop_before_the_page)
    with pytest.raises(KeyboardInterrupt):
        write_report(result, tmp_path)
    assert {*written, "report.html", "assets/plotly.min.js"} == FILES
    assert not (tmp_path / "report.html").exists()


def test_links_lead_to_files_of_the_report_or_sections(page: Page) -> None:
    sections = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    for tag, attrs in page.tags:
        if tag == "a":
            target = attrs["href"] or ""
            assert target in FILES or target.removeprefix("#") in sections


def test_nothing_is_fetched_from_a_network(page: Page) -> None:
    fetched = [
        attrs[key]
        for tag, attrs in page.tags
        for key in ("src", "srcset", "data", "poster", "action")
        if key in attrs and tag != "a"
    ]
    assert fetched == ["assets/plotly.min.js"]
    assert not [tag for tag, _ in page.tags if tag in ("link", "iframe", "object", "embed", "base")]
    css = "".join(page.words)
    assert "url(" not in css
    assert "@import" not in css


def test_policy_forbids_the_network_and_foreign_scripts(page: Page) -> None:
    policy = next(
        attrs["content"]
        for tag, attrs in page.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy is not None
    rules = dict(part.strip().split(" ", 1) for part in policy.split(";"))
    assert rules["default-src"] == rules["connect-src"] == "'none'"
    assert "unsafe" not in rules["script-src"]
    assert not re.search(r"https?:|\*", policy)


def test_sharing_with_plotly_cloud_is_off(page: Page) -> None:
    assert "showSendToCloud: false" in page.scripts[-1]
    assert 'plotlyServerURL: ""' in page.scripts[-1]


def hostile(value: Any, name: str = "") -> Any:
    """Return a copy with MARK in every text that could come from data, at any depth."""
    closed = {"state", "kind", "stopped", "axis_unit", "quantity", "better", "settings", "winner"}
    if name in closed:
        return value
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {
            f.name: hostile(getattr(value, f.name), f.name) for f in dataclasses.fields(value)
        }
        return replace(value, **changes)
    if isinstance(value, tuple):
        return tuple(hostile(item) for item in value)
    if isinstance(value, dict):
        return {key + MARK: hostile(item) for key, item in value.items()}
    return value + MARK if isinstance(value, str) else value


def texts(value: object) -> list[str]:
    """Return every string in parsed JSON, keys included."""
    if isinstance(value, dict):
        return [*value, *(text for item in value.values() for text in texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in texts(item)]
    return [value] if isinstance(value, str) else []


def test_no_text_from_data_becomes_markup(result: SearchResult, page: Page) -> None:
    evil = Page(report_html(hostile(result), run_digest="0" * 64))
    assert not [tag for tag, _ in evil.tags if tag == "img"]
    assert not [key for _, attrs in evil.tags for key in attrs if key.startswith("on")]
    kinds = [attrs.get("type", "code") for tag, attrs in evil.tags if tag == "script"]
    assert kinds.count("code") == 2
    figures = [json.loads(text) for text in evil.scripts[:-1]]
    assert len(figures) == kinds.count("application/json") > 10
    # Plotly reads a little HTML in labels: nothing from data may look like it there either.
    assert not [text for text in texts(figures) if "<img" in text or "<script" in text]
    assert any("&lt;img" in text for text in texts(figures))
    assert evil.open == page.open == []


def test_the_page_names_the_model_where_one_was_kept(result: SearchResult, tmp_path: Path) -> None:
    write_report(result, tmp_path)
    assert "model.safetensors" not in (tmp_path / "report.html").read_text(encoding="utf-8")
    (tmp_path / "model.safetensors").touch()
    write_report(result, tmp_path)
    page = Page((tmp_path / "report.html").read_text(encoding="utf-8"))
    words = " ".join(page.words)
    assert "autospec predict THIS_FOLDER scans.csv" in words and "MODEL.md" in words
    assert ("a", {"href": "model.safetensors"}) in page.tags and page.open == []


def test_json_blocks_cannot_be_left(result: SearchResult) -> None:
    text = report_html(result, run_digest="0" * 64)
    for block in re.findall(r'<script type="application/json"[^>]*>(.*?)</script>', text, re.S):
        assert not set(block) & {"<", ">", "&"}


def test_verdict_and_honesty_are_on_the_page(page: Page, result: SearchResult) -> None:
    words = " ".join(page.words)
    assert result.verdict in words
    assert "sealed before anything was fitted or chosen" in words
    assert "tuned, and so optimistic" in words
    assert "our reconstruction" in words
    for model in result.models:
        assert model.name in words
        assert model.detail in words


def test_intervals_and_domain_are_shown_and_explained(page: Page, result: SearchResult) -> None:
    words = " ".join(page.words)
    trust = result.models[0].trust
    assert trust is not None
    assert percent(trust.covered) in words
    assert number(trust.mean_width) in words
    assert "90 % intervals are made to hold 90 % of new lab values" in words
    assert "Do not rely on a prediction outside" in words
    assert "#trust" in [attrs.get("href") for tag, attrs in page.tags if tag == "a"]


def test_a_winner_without_intervals_is_no_crash(result: SearchResult) -> None:
    first, *others = result.models
    bare = replace(first, lower=(), upper=(), trust=None)
    words = " ".join(
        Page(report_html(replace(result, models=(bare, *others)), run_digest="")).words
    )
    assert "autospec winner has no intervals." in words
    none = tuple(replace(m, lower=(), upper=(), trust=None) for m in result.models)
    words = " ".join(
        Page(report_html(replace(result, models=none, in_domain=()), run_digest="")).words
    )
    assert "No model has intervals" in words


def test_what_is_missing_is_explained(result: SearchResult) -> None:
    bare = replace(
        result,
        trials=result.trials[31:32],
        control_trials=(),
        importance={},
        importance_note="fANOVA needs at least 4 complete trials.",
        models=(
            replace(result.models[0], predicted=(), scores=None, lower=(), upper=(), trust=None),
            *result.models[-2:],
        ),
        data=replace(result.data, axis=(1.0,), target_train=()),
    )
    words = " ".join(Page(report_html(bare, run_digest="")).words)
    assert "fANOVA needs at least 4 complete trials." in words
    assert "Fewer than two trials are complete" in words
    assert "fewer than two bands" in words
    assert "No random control was asked for." in words
    assert "cannot say whether Bayesian" in words
    assert "It predicts no test rows" in words


def test_settings_on_the_page_are_a_study_file(result: SearchResult, tmp_path: Path) -> None:
    path = tmp_path / "again.toml"
    path.write_text(settings_toml(result.settings), encoding="utf-8")
    assert read_study(path).search == result.settings


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (9.7, "9.70"),
        (12.34, "12.3"),
        (9.999, "10.0"),
        (0.0417, "0.0417"),
        (-0.9, "−0.900"),
        (1234.5, "1234"),
        (1e-18, "0"),
        (-1e-9, "0"),
        (None, "–"),
    ],
)
def test_numbers_in_words(value: float | None, written: str) -> None:
    assert number(value) == written


def test_durations_and_sizes_in_words() -> None:
    assert [duration(s) for s in (48.2, 303, 7800)] == ["48 s", "5 min 3 s", "2 h 10 min"]
    assert [size(n) for n in (12, 553_000, 3_480_000)] == ["12", "553\u202fk", "3.48\u202fM"]


def tiny_spectra(target: float) -> Spectra:
    rng = np.random.default_rng(0)
    ids = tuple(f"{i}{MARK}" for i in range(6))
    return Spectra(
        values=rng.uniform(0.1, 0.5, (6, 20)),
        axis=np.arange(400.0, 420.0),
        axis_unit="nm",
        quantity="reflectance",
        ids=ids,
        groups=ids,
        fields=("a",) * 6,
        target=np.full(6, target),
        target_name=f"soc{MARK}",
        target_unit="g/kg",
        provenance=(MARK,),
    )


def test_spectra_plot_is_one_file_with_a_policy(tmp_path: Path) -> None:
    path = write_spectra_plot(tiny_spectra(3.0), tmp_path / "plot.html")
    text = path.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["plot.html"]
    assert "<img src=x" not in text
    policy = re.search(r"script-src ([^;]*);", text)
    assert policy is not None
    assert policy[1].count("'sha256-") == 2
    assert "self" not in policy[1]


def test_spectra_plot_needs_a_lab_value(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no row has a lab value"):
        write_spectra_plot(tiny_spectra(float("nan")), tmp_path / "plot.html")
