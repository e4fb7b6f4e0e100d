"""Each figure of a localisation shows the right numbers, or is None where there are none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from autospec.report.localise_figures import (
    SHOWN_PERCENT,
    draw_reductions,
    predictions_figure,
    reduction_figure,
    sample_predictions,
    weights_figure,
)
from autospec.report.selection_figures import (
    library_sources,
    map_figure,
    score_figure,
    sources_figure,
)
from autospec.transfer.result import LOCAL, PLSR_LOCAL, LocalisationResult
from tests.report.made_localisation import LIBRARY


def traces(figure: object, name: str) -> list[object]:
    return [trace for trace in figure.data if trace.name == name]  # type: ignore[attr-defined]


@pytest.mark.parametrize("reference", [PLSR_LOCAL, LOCAL])
def test_means_of_the_reductions_are_the_paired_ones(
    localisation: LocalisationResult, reference: str
) -> None:
    figure = reduction_figure(localisation, reference)
    [means] = [t for t in traces(figure, "network strategies") if t.error_x.array is not None]
    shown = dict(zip(means.y, means.x, strict=True))
    paired = localisation.model("DTL-I_g")
    versus = paired.versus_plsr if reference == PLSR_LOCAL else paired.versus_local
    assert versus is not None
    assert shown["DTL-I_g"] == pytest.approx(versus.reduction_percent)
    i = list(means.y).index("DTL-I_g")
    assert means.x[i] + means.error_x.array[i] == pytest.approx(versus.high)
    assert means.x[i] - means.error_x.arrayminus[i] == pytest.approx(
        max(versus.low, -SHOWN_PERCENT)
    )


def test_the_reference_itself_is_the_line_at_zero(localisation: LocalisationResult) -> None:
    figure = reduction_figure(localisation, PLSR_LOCAL)
    assert figure is not None
    assert [shape.x0 for shape in figure.layout.shapes] == [0]
    assert PLSR_LOCAL not in figure.layout.yaxis.categoryarray
    assert len(figure.layout.yaxis.categoryarray) == len(localisation.models) - 1


def test_best_models_stand_on_top(localisation: LocalisationResult) -> None:
    figure = reduction_figure(localisation, PLSR_LOCAL)
    assert figure is not None
    order = [name.replace("<br>", " ") for name in figure.layout.yaxis.categoryarray]
    cuts = [
        m.versus_plsr.reduction_percent
        for name in order
        if (m := localisation.model(name)).versus_plsr is not None
    ]
    assert cuts == sorted(cuts, reverse=True)
    bottom, top = figure.layout.yaxis.range
    assert bottom > len(order) - 1 and top < 0


def test_every_draw_is_a_faint_point(localisation: LocalisationResult) -> None:
    figure = reduction_figure(localisation, PLSR_LOCAL)
    [points] = traces(figure, "auto, one draw")
    mine = draw_reductions(localisation, localisation.model("auto"), PLSR_LOCAL)
    shown = [x for x, y in zip(points.x, points.y, strict=True) if y == "auto"]
    assert shown == list(mine.values())
    assert points.marker.opacity < 0.5


def test_reductions_of_a_draw_are_those_of_its_rmses(localisation: LocalisationResult) -> None:
    auto, plsr = localisation.model("auto").outcomes[4], localisation.model(PLSR_LOCAL).outcomes[4]
    found = draw_reductions(localisation, localisation.model("auto"), PLSR_LOCAL)
    assert found[4] == pytest.approx(100 * (plsr.rmse - auto.rmse) / plsr.rmse)


def test_what_is_far_off_sits_on_the_edge(localisation: LocalisationResult) -> None:
    figure = reduction_figure(localisation, PLSR_LOCAL)
    assert figure is not None
    for trace in figure.data:
        assert min(trace.x) >= -SHOWN_PERCENT
    [means] = [t for t in traces(figure, "baselines") if t.error_x.array is not None]
    i = list(means.y).index("mean")
    assert (means.x[i], means.marker.symbol[i]) == (-SHOWN_PERCENT, "triangle-left")
    assert means.error_x.array[i] == means.error_x.arrayminus[i] == 0
    assert "−174 %" in means.customdata[i]


def test_nothing_to_compare_is_no_figure(quick: LocalisationResult) -> None:
    assert reduction_figure(quick, LOCAL) is None
    assert reduction_figure(replace(quick, models=quick.models[:0]), PLSR_LOCAL) is None


def test_a_sample_has_a_prediction_of_every_draw_that_tested_it(
    localisation: LocalisationResult,
) -> None:
    found = sample_predictions(localisation, localisation.model("MBL"))
    row = 17
    wanted = [
        o.predicted[d.test.index(row)]
        for d, o in zip(localisation.draws, localisation.model("MBL").outcomes, strict=True)
        if row in d.test
    ]
    assert found[row] == tuple(wanted)


def test_predictions_show_every_draw_and_the_mean_of_each_sample(
    localisation: LocalisationResult,
) -> None:
    model = localisation.model("auto")
    figure = predictions_figure(localisation, model, (model,))
    assert figure is not None
    _, faint, solid = figure.data
    assert len(faint.x) == sum(len(o.predicted) for o in model.outcomes)
    found = sample_predictions(localisation, model)
    np.testing.assert_allclose(solid.y, [np.mean(p) for p in found.values()])
    assert list(solid.x) == [localisation.observed[i] for i in found]
    assert solid.customdata[0].startswith("&lt;script&gt;")


def test_panels_share_their_axes(localisation: LocalisationResult) -> None:
    shown = (localisation.model("auto"), localisation.model("mean"))
    ranges = []
    for model in shown:
        figure = predictions_figure(localisation, model, shown)
        assert figure is not None
        ranges += [figure.layout.xaxis.range, figure.layout.yaxis.range]
    assert len(set(ranges)) == 1


def test_a_model_without_outcomes_has_no_predictions(localisation: LocalisationResult) -> None:
    model = replace(localisation.model("auto"), outcomes=())
    assert predictions_figure(localisation, model, (model,)) is None


def test_weights_are_shares_largest_first(localisation: LocalisationResult) -> None:
    figure = weights_figure(localisation)
    assert figure is not None
    assert list(figure.data[0].y) == ["PLSR spiked", "MBL", "ridge"]
    assert sum(figure.data[0].x) == pytest.approx(100)
    assert (
        weights_figure(replace(localisation, final=replace(localisation.final, weights={}))) is None
    )


def test_map_shows_every_point_once(localisation: LocalisationResult) -> None:
    figure = map_figure(localisation)
    assert figure is not None
    sizes = {trace.name: len(trace.x) for trace in figure.data}
    drawn = localisation.spectra_map
    assert sizes["selected rows"] == len(drawn.selected)
    assert sizes["the farm"] == len(drawn.farm)
    assert sizes["library: SSP.460"] == drawn.library_fields.count("SSP.460")
    assert sum(n for name, n in sizes.items() if "library" in name) == len(drawn.library)
    assert "81 %" in figure.layout.xaxis.title.text


def test_map_puts_small_fields_together(localisation: LocalisationResult) -> None:
    fields = tuple(f"field {i % 12}" for i in range(len(localisation.spectra_map.library)))
    many = replace(localisation.spectra_map, library_fields=fields)
    figure = map_figure(replace(localisation, spectra_map=many))
    assert figure is not None
    names = [trace.name for trace in figure.data if trace.name.startswith("library")]
    assert len(names) == 7
    assert names[-1] == "library: other fields"


def test_an_empty_map_is_no_figure(localisation: LocalisationResult) -> None:
    empty = replace(localisation.spectra_map, library=(), farm=())
    assert map_figure(replace(localisation, spectra_map=empty)) is None


def test_score_curve_is_said_to_be_optimistic(localisation: LocalisationResult) -> None:
    figure = score_figure(localisation)
    assert figure is not None
    assert "optimistic" in figure.layout.yaxis.title.text
    assert len(figure.data) == len(localisation.selections)
    trace = localisation.selections[0].trace
    assert list(figure.data[0].y) == [g.error_mean for g in trace]
    assert list(figure.data[0].x) == [g.size for g in trace]
    first, last = figure.layout.xaxis.range
    assert first > last  # from the whole library down to the selection
    assert sum(bool(t.showlegend) for t in figure.data) == 2


def test_country_selections_have_their_own_lines(localisation: LocalisationResult) -> None:
    record = replace(localisation.selections[0], library="country")
    figure = score_figure(replace(localisation, selections=(*localisation.selections, record)))
    assert figure is not None
    assert [t.name for t in figure.data][-1] == "each draw, country library"


def test_nothing_selected_is_no_figure(localisation: LocalisationResult) -> None:
    bare = replace(localisation, selections=())
    assert score_figure(bare) is None
    assert sources_figure(bare) is None


def test_sources_are_shares_of_the_draws_and_of_the_library(
    localisation: LocalisationResult,
) -> None:
    sources = {s.name: s for s in library_sources(localisation)}
    assert sum(s.share for s in sources.values()) == pytest.approx(1)
    assert sources["SSP.460"].library_share == pytest.approx(460 / 1002)
    drawn = [r for r in localisation.selections if r.draw is not None]
    assert sources["SSP.460"].selected == sum(r.sources["SSP.460"] for r in drawn)
    figure = sources_figure(localisation)
    assert figure is not None
    np.testing.assert_allclose(figure.data[0].x, [100 * s.share for s in sources.values()])


def test_small_sources_are_put_together(localisation: LocalisationResult) -> None:
    fields = LIBRARY | {f"tiny {i}": 1 for i in range(40)}
    sources = library_sources(replace(localisation, library_fields=fields))
    assert sources[-1].name == "31 other fields"
    assert sum(s.available for s in sources) == 1042
