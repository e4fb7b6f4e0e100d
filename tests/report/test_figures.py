"""Every figure shows something, or is None; hostile labels reach Plotly escaped."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import pytest

from autospec.nets.architecture import PUBLISHED
from autospec.report import style
from autospec.report.drawing import architecture_svg
from autospec.report.figures import (
    histogram_figure,
    models_figure,
    predictions_figure,
    spectra_figure,
)
from autospec.report.parallel import parallel_figure
from autospec.report.search_figures import (
    curves_figure,
    history_figure,
    importance_figure,
    is_used,
    leading_parameters,
    slice_figures,
)
from autospec.search.result import SearchResult

ALL = (
    "spectra",
    "histogram",
    "predictions",
    "models",
    "history",
    "curves",
    "importance",
    "parallel",
)


def draw(result: SearchResult, name: str) -> go.Figure | None:
    figures = {
        "spectra": lambda: spectra_figure(result.data),
        "histogram": lambda: histogram_figure(result.data),
        "predictions": lambda: predictions_figure(result, result.models[0]),
        "models": lambda: models_figure(result),
        "history": lambda: history_figure(result),
        "curves": lambda: curves_figure(result),
        "importance": lambda: importance_figure(result),
        "parallel": lambda: parallel_figure(result),
    }
    return figures[name]()


def assert_shows_something(figure: go.Figure | None) -> None:
    assert figure is not None
    lengths = [len(trace.x) for trace in figure.data]
    assert lengths
    assert min(lengths) > 0


@pytest.mark.parametrize("name", ALL)
def test_figure_is_never_empty(result: SearchResult, name: str) -> None:
    assert_shows_something(draw(result, name))


def test_every_slice_shows_something(result: SearchResult) -> None:
    figures = slice_figures(result)
    assert list(figures) == leading_parameters(result)
    assert len(figures) == 8
    for figure in figures.values():
        assert_shows_something(figure)


def test_without_importance_the_usual_parameters_are_shown(result: SearchResult) -> None:
    bare = replace(result, importance={}, importance_note="too few trials")
    assert importance_figure(bare) is None
    assert leading_parameters(bare)[0] == "conv_blocks"
    assert_shows_something(parallel_figure(bare))


def test_one_trial_is_enough_for_a_history_only(result: SearchResult) -> None:
    one = replace(
        result, trials=result.trials[31:32], control_trials=(), importance={}, importance_note=""
    )
    assert_shows_something(history_figure(one))
    assert_shows_something(curves_figure(one))
    assert slice_figures(one) == {}
    assert parallel_figure(one) is None


def test_no_complete_trial_means_no_history(result: SearchResult) -> None:
    none = replace(result, trials=tuple(t for t in result.trials if t.state != "complete"))
    assert history_figure(none) is None
    assert parallel_figure(none) is None


def test_a_reused_winner_borrows_the_curve_of_its_twin(result: SearchResult) -> None:
    figure = curves_figure(replace(result, winner_trial=36))
    assert figure is not None
    assert "winner (trial 36)" in [trace.name for trace in figure.data]


def test_wavenumbers_run_from_high_to_low(result: SearchResult) -> None:
    figure = spectra_figure(replace(result.data, axis_unit="cm-1"))
    assert figure is not None
    assert figure.layout.xaxis.autorange == "reversed"
    assert figure.layout.xaxis.title.text == "wavenumber (cm⁻¹)"


def test_a_constant_target_is_drawn(result: SearchResult) -> None:
    data = replace(result.data, target_train=(3.0,) * 9, example_targets=(3.0,) * 30)
    assert_shows_something(histogram_figure(data))
    assert_shows_something(spectra_figure(data))


def test_nothing_to_draw_is_none(result: SearchResult) -> None:
    data = replace(result.data, axis=(1.0,), target_train=())
    assert spectra_figure(data) is None
    assert histogram_figure(data) is None
    assert predictions_figure(result, result.models[-1]) is None
    assert models_figure(replace(result, models=result.models[-1:])) is None


def test_many_fields_share_the_last_colour(result: SearchResult) -> None:
    fields = tuple(f"field {i % 31}" for i in range(result.n_test))
    figure = predictions_figure(replace(result, test_fields=fields), result.models[0])
    assert figure is not None
    assert len(figure.data) == 1 + len(style.FIELD_COLOURS)
    assert sum(len(trace.x) for trace in figure.data[1:]) == result.n_test


def test_observed_against_predicted_has_equal_axes(result: SearchResult) -> None:
    figure = predictions_figure(result, result.models[0])
    assert figure is not None
    assert figure.layout.xaxis.range == figure.layout.yaxis.range
    assert figure.layout.yaxis.scaleanchor == "x"


def test_hostile_ids_are_escaped_in_hover_text(result: SearchResult) -> None:
    figure = predictions_figure(result, result.models[0])
    assert figure is not None
    text = " ".join(str(t) for trace in figure.data[1:] for t in trace.customdata)
    assert "<" not in text
    assert "&lt;script&gt;" in text


@pytest.mark.parametrize(
    ("name", "used"),
    [
        ("conv1_kernel", True),
        ("conv3_kernel", False),
        ("fc1_nodes", False),
        ("conv1_dropout", False),
        ("conv2_dropout", True),
        ("conv1_pool_size", False),
        ("savgol_window", False),
        ("learning_rate", True),
        ("conv_blocks", True),
    ],
)
def test_ignored_parameters_are_told_apart(name: str, used: bool) -> None:
    params: dict[str, str | int | float | bool | None] = {
        "conv_blocks": 2,
        "fc_blocks": 0,
        "conv1_regulariser": "none",
        "conv2_regulariser": "dropout",
        "conv1_pooling": "none",
        "savgol": False,
    }
    assert is_used(name, params) is used


def test_one_absurd_trial_does_not_flatten_the_axis() -> None:
    assert style.ceiling([3.0, 3.5, 4.0, 4.2, 900.0]) == 4.2
    assert style.ceiling([5.0]) == 5.0


def test_shades_run_from_light_to_dark() -> None:
    def brightness(colour: str) -> int:
        return sum(int(colour[i : i + 2], 16) for i in (1, 3, 5))

    shades = [brightness(style.shade(x)) for x in np.linspace(0, 1, 21)]
    assert shades == sorted(shades, reverse=True)


@pytest.mark.parametrize("site", sorted(PUBLISHED))
def test_drawing_names_every_block(result: SearchResult, site: str) -> None:
    winner = replace(result.winner, architecture=PUBLISHED[site])
    svg = architecture_svg(replace(result, winner=winner, winner_bands=216))
    blocks = len(winner.architecture.conv) + len(winner.architecture.fc) + 2
    assert svg.count('font-weight="600" fill="#fff"') == blocks
    assert "216 bands" in svg


def test_drawing_escapes_the_target(result: SearchResult) -> None:
    data = replace(result.data, target_name='<script>"', target_unit="</svg>")
    svg = architecture_svg(replace(result, data=data))
    assert "<script>" not in svg
    assert svg.count("</svg>") == 1
