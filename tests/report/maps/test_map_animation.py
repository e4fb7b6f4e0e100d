"""Maps that move: every date a frame, one scale of colours for truth and prediction."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from autospec.evaluate.map_frames import MapFrames
from autospec.report.maps import write_map_picture
from autospec.report.maps.animation import (
    ERROR,
    MOST_VALUES,
    OBSERVED,
    PREDICTED,
    animated_figure,
    still_figure,
)
from autospec.report.maps.picture import map_html, median_date
from autospec.report.page import figure_json
from tests.report.conftest import HOSTILE
from tests.report.maps.made_map_training import TARGETS, make_frames
from tests.report.test_html import Page


@pytest.fixture(scope="module")
def frames() -> MapFrames:
    return make_frames()


def titles(figure: object) -> list[str]:
    return [note.text for note in figure.layout.annotations]  # type: ignore[attr-defined]


def test_every_date_is_a_frame_and_a_step_of_the_slider(frames: MapFrames) -> None:
    figure = animated_figure(frames)
    assert figure is not None
    assert len(figure.frames) == len(frames.dates)
    (slider,) = figure.layout.sliders
    assert [step.label for step in slider.steps] == [d.partition("T")[0] for d in frames.dates]
    assert [step.args[0] for step in slider.steps] == [(f.name,) for f in figure.frames]


def test_the_title_of_a_frame_is_its_date(frames: MapFrames) -> None:
    figure = animated_figure(frames)
    assert figure is not None
    assert figure.frames[3].layout.title.text == "<b>2022-02-22</b>"
    assert figure.layout.title.text == figure.frames[0].layout.title.text


def test_a_frame_holds_truth_prediction_and_their_difference_north_up(frames: MapFrames) -> None:
    figure = animated_figure(frames)
    assert figure is not None and frames.observed is not None
    seen, guess, error = (np.asarray(trace.z) for trace in figure.frames[5].data)
    np.testing.assert_array_equal(seen, frames.observed[5, 0, ::-1])
    np.testing.assert_array_equal(guess, frames.predicted[5, 0, ::-1])
    np.testing.assert_array_equal(error, (frames.predicted - frames.observed)[5, 0, ::-1])
    y = np.asarray(figure.data[0].y)
    assert bool((np.diff(y) > 0).all())
    assert frames.extent[1] < y[0] < y[-1] < frames.extent[3]
    assert titles(figure) == [OBSERVED, PREDICTED, ERROR]


def test_truth_and_prediction_share_a_scale_and_errors_are_centred(frames: MapFrames) -> None:
    figure = animated_figure(frames)
    assert figure is not None
    axes = [trace.coloraxis for trace in figure.data]
    assert axes == ["coloraxis", "coloraxis", "coloraxis2"]
    assert figure.layout.coloraxis2.cmin == -figure.layout.coloraxis2.cmax
    still = still_figure(frames, 4)
    assert still.layout.coloraxis.cmin == figure.layout.coloraxis.cmin
    assert still.layout.coloraxis2.cmax == figure.layout.coloraxis2.cmax


def test_cells_without_a_value_are_left_open(frames: MapFrames) -> None:
    figure = animated_figure(frames)
    assert figure is not None
    data = json.loads(figure_json(figure))["frames"][0]["data"][0]["z"]
    values = np.frombuffer(base64.b64decode(data["bdata"]), dtype=data["dtype"])
    assert np.isnan(values).sum() > 0
    assert figure.data[0].hoverongaps is False


def test_every_target_has_a_row_and_colours_of_its_own() -> None:
    figure = animated_figure(make_frames(targets=TARGETS))
    assert figure is not None
    assert titles(figure) == [
        f"{t}: {name}" for t in TARGETS for name in (OBSERVED, PREDICTED, ERROR)
    ]
    axes = [trace.coloraxis for trace in figure.data]
    assert axes[3:] == ["coloraxis3", "coloraxis3", "coloraxis4"]
    assert figure.layout.coloraxis3.cmax > 5 * figure.layout.coloraxis.cmax


def test_without_truth_only_the_prediction_is_drawn() -> None:
    figure = animated_figure(make_frames(observed=False))
    assert figure is not None
    assert titles(figure) == [PREDICTED]
    assert all(len(frame.data) == 1 for frame in figure.frames)


def test_one_date_has_nothing_to_play() -> None:
    figure = animated_figure(make_frames(n=1))
    assert figure is not None
    assert not figure.layout.sliders and not figure.layout.updatemenus


def test_no_date_is_no_figure() -> None:
    frames = make_frames(n=1)
    none = replace(frames, dates=(), predicted=frames.predicted[:0], observed=None)
    assert animated_figure(none) is None
    assert "There is no date to draw." in map_html(none, "empty")


def test_more_than_a_page_can_hold_is_thinned_and_cells_stay_in_place() -> None:
    frames = make_frames(targets=TARGETS, n=24, shape=(128, 128))
    figure = animated_figure(frames)
    assert figure is not None
    drawn = sum(np.asarray(trace.z).size for frame in figure.frames for trace in frame.data)
    assert drawn <= MOST_VALUES < 3 * frames.predicted.size
    x = np.asarray(figure.data[0].x)
    assert frames.extent[0] < x[0] < x[-1] < frames.extent[2]


def test_maps_without_any_value_are_drawn() -> None:
    frames = make_frames(n=2)
    empty = np.full_like(frames.predicted, np.nan)
    figure = animated_figure(replace(frames, predicted=empty, observed=empty))
    assert figure is not None
    assert (figure.layout.coloraxis.cmin, figure.layout.coloraxis.cmax) == (0, 1)
    assert median_date(replace(frames, observed=empty)) == 1


def test_a_wild_value_does_not_bleach_the_others(frames: MapFrames) -> None:
    wild = frames.predicted.copy()
    wild[0, 0, 0, 0] = 1e6
    figure = animated_figure(replace(frames, predicted=wild))
    assert figure is not None
    assert figure.layout.coloraxis.cmax < 10


def test_the_median_date_is_neither_the_best_nor_the_worst(frames: MapFrames) -> None:
    assert frames.observed is not None
    worse = frames.observed + np.linspace(0, 1, len(frames.dates))[:, None, None, None]
    place = median_date(replace(frames, predicted=worse.astype(np.float32)))
    assert place == len(frames.dates) // 2


def test_a_picture_needs_nothing_beside_it(frames: MapFrames, tmp_path: Path) -> None:
    write_map_picture(tmp_path / "map.html", frames, "ndvi of sinop")
    text = (tmp_path / "map.html").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["map.html"]
    assert 'src="assets' not in text
    assert "<title>ndvi of sinop (synthetic)</title>" in text
    assert "<b>SYNTHETIC</b>" in text


def test_names_from_data_become_neither_markup_nor_templates(frames: MapFrames) -> None:
    targets = (HOSTILE, "%{x}")
    hostile = make_frames(targets=targets)
    text = map_html(replace(hostile, crs=HOSTILE), HOSTILE)
    assert HOSTILE not in text
    assert Page(text).open == []
    figure = animated_figure(hostile)
    assert figure is not None
    assert "%{x}" not in "".join(trace.hovertemplate for trace in figure.data)


def test_without_a_script_the_dates_are_a_table(frames: MapFrames) -> None:
    text = map_html(frames, "maps")
    rows = re.findall(r'<tr><th scope="row">(\d{4}-\d\d-\d\d)</th>', text)
    assert rows == [date.partition("T")[0] for date in frames.dates]
    assert "<noscript>" in text


def test_the_errors_of_the_table_are_those_of_the_shown_cells(frames: MapFrames) -> None:
    assert frames.observed is not None
    error = (frames.predicted - frames.observed)[0, 0]
    rmse = float(np.sqrt(np.nanmean(error.astype(np.float64) ** 2)))
    row = map_html(frames, "maps").partition('<th scope="row">2022-01-05</th>')[2]
    assert f'<td class="n">{rmse:.4f}</td></tr>' in row.partition("2022-01-21")[0]


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:32721"])
def test_axes_say_degrees_or_metres(frames: MapFrames, crs: str) -> None:
    figure = still_figure(replace(frames, crs=crs), 0)
    unit = "longitude (°)" if crs.endswith("4326") else "easting (m)"
    assert figure.layout.xaxis.title.text == unit
    assert (figure.layout.yaxis.scaleratio > 1) == crs.endswith("4326")
