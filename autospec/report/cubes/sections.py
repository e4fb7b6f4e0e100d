"""The sections of a cube search's report about the result: numbers, models, trust, the winner."""

from __future__ import annotations

import numpy as np

from autospec.data.cubes.splits import LEAKAGE_WARNING
from autospec.evaluate.metrics import BOOTSTRAPS
from autospec.report.cubes.drawing import cube_boxes
from autospec.report.cubes.tables import arriving_shape, preprocessing, training
from autospec.report.drawing import network_svg
from autospec.report.figures import TestRows, agreement_figure, models_figure
from autospec.report.page import Figures, html_table
from autospec.report.sections import (
    METRIC_NAMES,
    METRIC_NOTES,
    card,
    estimate_cell,
    interval_note,
    layers_table,
    model_row,
    model_sentence,
    models_head,
    origin_words,
)
from autospec.report.trust_section import (
    TRUST_TITLE,
    IntervalRows,
    interval_caption,
    interval_figure,
    interval_words,
    trust_table,
    tuned_words,
)
from autospec.report.words import (
    STOPPED,
    by_rmse,
    count,
    duration,
    escape,
    number,
    size,
    target_label,
    trial_counts,
    winner_model,
)
from autospec.search.cubes.result import CubeModel, CubeResult

SYNTHETIC = (
    "data: made up by a program, not measured. Nothing on this page says anything "
    "about a real place."
)
LEAKS = f"{LEAKAGE_WARNING[:1].upper()}{LEAKAGE_WARNING[1:]}. Split by blocks instead."
LINKS = (
    ("compared", "Compared with"),
    ("predictions", "Observed and predicted"),
    ("maps", "Maps"),
    ("split", "The split"),
    ("leakage", "Leakage"),
    ("trust", TRUST_TITLE),
    ("architecture", "Best architecture"),
    ("search", "The search"),
    ("data", "The data"),
    ("honesty", "How far to trust it"),
    ("reproduce", "Reproduce"),
)


def header_section(result: CubeResult) -> str:
    """Return the title, the verdict, warnings that no reader may miss, and the way around."""
    links = [link for link in LINKS if link[0] != "leakage" or result.leakage]
    nav = "".join(f'<a href="#{key}">{word}</a>' for key, word in links)
    synthetic = " (synthetic)" if result.data.synthetic else ""
    warnings = ""
    if result.data.synthetic:
        warnings += f'<p class="warning synthetic"><b>SYNTHETIC</b> {escape(SYNTHETIC)}</p>'
    if result.split.kind == "random":
        warnings += f'<p class="warning"><b>LEAKAGE</b> {escape(LEAKS)}</p>'
    return (
        f"<header><div><h1>autospec report: {escape(result.name)}{synthetic}, "
        f"{escape(target_label(result.data))} from cubes</h1>{warnings}"
        f'<p class="verdict">{escape(result.verdict)}</p>'
        f'<nav aria-label="Sections">{nav}</nav></div></header>'
    )


def cards_section(result: CubeResult, *, kept: bool = False) -> str:
    """Return the key numbers, and where the model is if it was `kept`."""
    scores, unit = winner_model(result).scores, result.data.target_unit
    cards = []
    if scores is not None:
        rmse = f"{number(scores.rmse.value)} <small>{escape(unit)}</small>"
        cards.append(card("Test RMSE", rmse, interval_note(scores.rmse), "main"))
        for name in ("ccc", "r2", "rpiq"):
            estimate = getattr(scores, name)
            note = interval_note(estimate) or METRIC_NOTES[name]
            cards.append(card(METRIC_NAMES[name], number(estimate.value), note))
    split = result.split
    rows = f"{count(split.n_train)} / {count(split.n_test)}"
    dropped = f"{count(split.n_dropped)} left out between; test sealed until the end"
    cards.append(card("Samples to train / test", rows, dropped))
    tally = trial_counts(result.trials)
    others = [f"{n} {state}" for state, n in tally.items() if state != "complete"]
    done = f"{tally['complete']} <small>complete</small>"
    cards.append(card("Trials", done, f"{', '.join(others)}; {STOPPED[result.stopped]}"))
    env = result.environment
    note = f"on {env.device}, {env.threads} threads"
    cards.append(card("Time", duration(env.seconds_search + env.seconds_final), note))
    return (
        f'<section aria-label="Key numbers"><dl class="cards">{"".join(cards)}</dl>'
        f"{model_sentence('samples.npz', 'samples') if kept else ''}</section>"
    )


def compared_section(result: CubeResult, figures: Figures) -> str:
    """Return every model on the same sealed samples, as a table and a figure."""
    reference = result.baseline
    caption = (
        f"Every model on the same {count(result.split.n_test)} sealed test samples, lowest RMSE "
        f"first. Small print: 95 % intervals from {count(BOOTSTRAPS)} bootstrap draws of the "
        f"samples, paired for the difference from {reference}."
    )
    rows = [model_row(model, model.versus_baseline, reference) for model in by_rmse(result)]
    table = html_table(models_head(result.data.target_unit, reference), rows, caption)
    drawn = models_figure(result, reference)
    words = (
        f"Dots are the RMSE on the test samples, bars the 95 % interval, the dotted line is "
        f"{reference}."
        if drawn
        else "No model has an RMSE on the test samples, so there is nothing to compare."
    )
    figure = figures.figure("models", drawn, ("Test RMSE by model", words))
    return (
        '<section id="compared"><h2>What this is compared with</h2><p>A network that does not beat '
        f"{escape(reference)}, the baseline with the lowest RMSE in the inner cross-validation, "
        "beyond the noise of the test samples is not worth its trouble; one that does not beat the "
        "mean has learned nothing. Overlapping intervals do not settle that; the paired difference "
        f"does.</p>{table}{_more_measures(result)}{figure}</section>"
    )


def _more_measures(result: CubeResult) -> str:
    """Return MAE and squared correlation of every model; nothing where a run has none."""
    rows = [model for model in by_rmse(result) if model.mae and model.pearson_r2]
    if not rows:
        return ""
    unit = escape(result.data.target_unit)
    head = [
        '<th scope="col">Model</th>',
        f'<th scope="col" class="n">MAE<small>{unit}</small></th>',
        '<th scope="col" class="n">Pearson r²<small>blind to bias</small></th>',
    ]
    lines = []
    for model in rows:
        cells = "".join(estimate_cell(e) for e in (model.mae, model.pearson_r2) if e)
        lines.append(f'<tr><th scope="row">{escape(model.name)}</th>{cells}</tr>')
    caption = "Mean absolute error and squared correlation of the same predictions."
    return html_table(head, lines, caption)


def predictions_section(result: CubeResult, figures: Figures) -> str:
    """Return observed against predicted: the winner, and the best baseline beside it."""
    shown = [winner_model(result), result.model(result.baseline)]
    rows = TestRows(
        ids=result.test_ids,
        groups=tuple("" for _ in result.test_ids),
        observed=result.observed,
        label=target_label(result.data),
    )
    drawn = []
    for key, model in zip(("winner", "baseline"), shown, strict=True):
        figure = None
        if model.predicted:
            figure = agreement_figure(rows, model.predicted, [m.predicted for m in shown])
        words = _scores_words(result, model) if figure else model.detail
        drawn.append(figures.figure(f"predictions-{key}", figure, (model.name, words)))
    return (
        '<section id="predictions"><h2>Observed and predicted</h2><p>Each point is a sealed test '
        "sample, the dashed line is perfect agreement, and both figures have the same axes. Point "
        f'at one for its id.</p><div class="pair">{"".join(drawn)}</div><p><small>The predictions '
        'of every model: <a href="predictions.csv">predictions.csv</a></small></p></section>'
    )


def _scores_words(result: CubeResult, model: CubeModel) -> str:
    if model.scores is None:
        return "Its scores could not be computed."
    s = model.scores
    return (
        f"RMSE {number(s.rmse.value)} {result.data.target_unit}, CCC {number(s.ccc.value)}, "
        f"R² {number(s.r2.value)}."
    )


def trust_section(result: CubeResult, figures: Figures) -> str:
    """Return what intervals and domain mean for cubes, and how they did on sealed samples."""
    head = f'<section id="trust"><h2>{TRUST_TITLE}</h2>'
    rows = [(model.name, model.trust) for model in result.models if model.trust is not None]
    if not rows:
        why = "No model has intervals: the notes at the end of the page say why."
        return f'{head}<p class="nothing">{why}</p></section>'
    caption = (
        f"Intervals and domain on the {count(result.split.n_test)} sealed test samples. Small "
        "print: the 95 % interval of the share, which the number of test samples sets."
    )
    winner = winner_model(result)
    drawn, words = None, f"{winner.name} has no intervals."
    if winner.trust is not None:
        lines = IntervalRows(
            ids=result.test_ids,
            observed=np.array(result.observed),
            predicted=np.array(winner.predicted),
            lower=np.array(winner.lower),
            upper=np.array(winner.upper),
            inside=np.array(result.in_domain),
        )
        drawn = interval_figure(lines, target_label(result.data))
        words = interval_caption(result.split.n_test)
    tuned = tuned_words(winner.name) if winner.trust is not None else ""
    figure = figures.figure("intervals", drawn, (f"Intervals of the {winner.name}", words))
    domain = (
        "<p>The applicability domain says whether a window is like those that the model learned "
        "from, judged by its channels over time and not by its place on the map. Do not rely on a "
        "prediction outside, or on its interval: have the sample measured.</p>"
    )
    table = trust_table(rows, result.data.target_unit, caption)
    return f"{head}{interval_words(rows[0][1].level)}{tuned}{domain}{table}{figure}</section>"


def architecture_section(result: CubeResult) -> str:
    """Return the winner: the table in the published columns, the drawing, and words."""
    architecture, shape = result.winner.architecture, arriving_shape(result)
    caption = f"Best architecture for {result.name}, one row a layer."
    target = f"{result.data.target_name}, {result.data.target_unit}"
    boxes = cube_boxes(architecture, shape, target)
    return (
        f'<section id="architecture"><h2>Best architecture</h2><p>{origin_words(result)} It has '
        f"{count(architecture.n_parameters(shape))} parameters and takes "
        f"{size(architecture.multiply_adds(shape))} multiply–adds a sample.</p>"
        f"<p><b>Preprocessing.</b> {escape(preprocessing(result))}</p>"
        f"<p><b>Training.</b> {escape(training(result))}</p>"
        f"{layers_table(architecture.table_rows(site=result.name), caption)}"
        '<p><small>The same table: <a href="best_architecture.csv">CSV</a>, '
        '<a href="best_architecture.json">JSON</a></small></p>'
        '<figure class="drawing"><figcaption><b>The network, from cube to prediction</b>'
        "Above each block is the shape that leaves it: high for its cells, deep for its "
        "dates, wide for its filters, all on log scales.</figcaption>"
        f'<div class="broad">{network_svg(boxes)}</div>'
        f'<div class="narrow" aria-hidden="true">{network_svg(boxes, per_row=2)}</div>'
        "</figure></section>"
    )
