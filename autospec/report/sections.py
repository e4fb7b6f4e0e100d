"""The sections of report.html about the result: numbers, comparison, predictions, trust, winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import plotly.graph_objects as go

from autospec.evaluate.metrics import BOOTSTRAPS, METRICS, Comparison, Estimate
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.drawing import architecture_svg
from autospec.report.figures import models_figure, predictions_figure
from autospec.report.page import Figures, html_table
from autospec.report.style import model_colour
from autospec.report.trust_section import (
    TRUST_TITLE,
    IntervalRows,
    interval_caption,
    interval_figure,
    trust_table,
    trust_words,
    tuned_words,
)
from autospec.report.views import StudyView
from autospec.report.words import (
    MISSING,
    STOPPED,
    by_rmse,
    count,
    duration,
    escape,
    interval,
    measured,
    measured_interval,
    named_model,
    number,
    preprocessing_words,
    size,
    target_label,
    training_words,
    trial_counts,
    winner_model,
)
from autospec.search.cubes.result import CubeModel
from autospec.search.result import ModelResult, SearchResult

METRIC_NAMES = {"rmse": "RMSE", "me": "ME", "sde": "SDE", "ccc": "CCC", "r2": "R²", "rpiq": "RPIQ"}
METRIC_NOTES = {
    "ccc": "Lin's concordance, 1 is perfect",
    "r2": "1 − SSE/SST, never a squared correlation",
    "rpiq": "interquartile range over RMSE",
}
IN_UNIT = ("rmse", "me", "sde")
MODEL_FILE = "model.safetensors"  # the recommended model of a run's folder


def header_section(result: SearchResult) -> str:
    """Return the title, the verdict, and the way around the page."""
    links = (
        ("compared", "Compared with"),
        ("predictions", "Observed and predicted"),
        ("trust", TRUST_TITLE),
        ("architecture", "Best architecture"),
        ("search", "The search"),
        ("data", "The data"),
        ("honesty", "How far to trust it"),
        ("reproduce", "Reproduce"),
    )
    nav = "".join(f'<a href="#{key}">{word}</a>' for key, word in links)
    return (
        f"<header><div><h1>autospec report: {escape(result.name)}, "
        f'{escape(target_label(result.data))}</h1><p class="verdict">{escape(result.verdict)}</p>'
        f'<nav aria-label="Sections">{nav}</nav></div></header>'
    )


def cards_section(result: SearchResult, *, kept: bool = False) -> str:
    """Return the key numbers, and where the model is if it was `kept`."""
    scores, unit = winner_model(result).scores, result.data.target_unit
    cards = []
    if scores is not None:
        rmse = f"{number(scores.rmse.value)} <small>{escape(unit)}</small>"
        cards.append(card("Test RMSE", rmse, interval_note(scores.rmse), "main"))
        for name in ("ccc", "r2", "rpiq"):
            estimate: Estimate = getattr(scores, name)
            note = interval_note(estimate) or METRIC_NOTES[name]
            cards.append(card(METRIC_NAMES[name], number(estimate.value), note))
    rows = f"{count(result.n_train)} / {count(result.n_test)}"
    cards.append(card("Rows to train / test", rows, "test rows sealed until the end"))
    tally = trial_counts(result.trials)
    others = [f"{n} {state}" for state, n in tally.items() if state != "complete"]
    done = f"{tally['complete']} <small>complete</small>"
    cards.append(card("Trials", done, f"{', '.join(others)}; {STOPPED[result.stopped]}"))
    seconds = result.environment.seconds_search + result.environment.seconds_final
    note = f"on {result.environment.device}, {result.environment.threads} threads"
    cards.append(card("Time", duration(seconds), note))
    return (
        f'<section aria-label="Key numbers"><dl class="cards">{"".join(cards)}</dl>'
        f"{model_sentence() if kept else ''}</section>"
    )


def card(name: str, value: str, note: str, css: str = "") -> str:
    """Return a card; `value` is HTML, `name` and `note` are plain text."""
    return (
        f'<div class="card {css}"><dt>{escape(name)}</dt><dd><span class="value">{value}</span>'
        f'<span class="note">{escape(note)}</span></dd></div>'
    )


def model_sentence(file: str = "scans.csv", things: str = "scans") -> str:
    """Return where the kept model lies and how it is used on new `things`, as a paragraph."""
    command = escape(f"autospec predict THIS_FOLDER {file}")
    return (
        f'<p>The model is in <a href="{MODEL_FILE}">{MODEL_FILE}</a> beside this page; its card, '
        '<a href="MODEL.md">MODEL.md</a>, says which it is and when not to trust it. Predict new '
        f"{things}: <code>{command}</code></p>"
    )


def interval_note(estimate: Estimate) -> str:
    """Return the interval of an estimate as the note of a card, or why it has no value."""
    if estimate.value is None:
        return estimate.reason
    words = interval(estimate)
    return f"95 %: {words}" if words else ""


def compared_section(result: SearchResult, figures: Figures) -> str:
    """Return every model on the same sealed rows, as a table and a figure."""
    unit = result.data.target_unit
    head = models_head(unit, "PLSR")
    caption = (
        f"Every model on the same {count(result.n_test)} sealed test rows, lowest RMSE first. "
        f"Small print: 95 % intervals from {count(BOOTSTRAPS)} bootstrap draws of the rows, paired "
        "for the difference from PLSR."
    )
    rows = [model_row(model, model.versus_plsr, "PLSR") for model in by_rmse(result)]
    table = html_table(head, rows, caption)
    reason = "No model has an RMSE on the test rows, so there is nothing to compare."
    drawn = models_figure(result)
    words = "Dots are the RMSE on the test rows, bars the 95 % interval, the dotted line is PLSR."
    figure = figures.figure("models", drawn, ("Test RMSE by model", words if drawn else reason))
    return (
        '<section id="compared"><h2>What this is compared with</h2><p>A network that does not '
        "beat partial least squares (PLSR) beyond the noise of the test rows is not worth its "
        f"trouble. Overlapping intervals do not settle that; the paired difference does.</p>{table}"
        f"{figure}</section>"
    )


def models_head(unit: str, reference: str) -> list[str]:
    """Return the head of a table of models with all metrics, compared with `reference`."""
    head = ['<th scope="col">Model</th>']
    for name in METRICS:
        sub = f"<small>{escape(unit)}</small>" if name in IN_UNIT else "<small>&nbsp;</small>"
        head.append(f'<th scope="col" class="n">{METRIC_NAMES[name]}{sub}</th>')
    name = escape(reference).replace(" ", "<br>")  # a long name would push the table off the page
    against = f"Against {name}<small>RMSE difference</small>"
    head.append(f'<th scope="col" class="n">{against}</th>')
    head.append('<th scope="col" class="n">CV RMSE<small>tuned, optimistic</small></th>')
    return head


def model_row(model: ModelResult | CubeModel, versus: Comparison | None, reference: str) -> str:
    """Return one model's row under `models_head`."""
    dot = f'<span class="dot" style="background:{model_colour(model, reference)}"></span>'
    cells = [f'<th scope="row">{dot}{escape(model.name)}<small>{escape(model.detail)}</small></th>']
    if model.scores is None:
        cells.append(
            f'<td class="words" colspan="{len(METRICS) + 1}">not fitted: see on the left</td>'
        )
    else:
        cells += [estimate_cell(getattr(model.scores, name)) for name in METRICS]
        cells.append(_versus_cell(versus))
    cells.append(f'<td class="n">{number(model.cv_rmse)}</td>')
    css = ' class="winner"' if model.kind == "winner" else ""
    return f"<tr{css}>{''.join(cells)}</tr>"


def estimate_cell(estimate: Estimate) -> str:
    """Return a table cell with the value, and its interval or the reason why there is none."""
    if estimate.value is None:
        return f'<td class="words">{MISSING}<small>{escape(estimate.reason)}</small></td>'
    return f'<td class="n">{number(estimate.value)}<small>{interval(estimate)}</small></td>'


def measured_cell(estimate: Estimate, like: float | None) -> str:
    """Return a cell in a unit of any size: as `estimate_cell`, but in powers of ten if need be.

    Parameters
    ----------
    estimate : Estimate
    like : float or None
        The RMSE that it stands beside (`autospec.report.words.measured`).
    """
    if estimate.value is None:
        return estimate_cell(estimate)
    value, spread = measured(estimate.value, like), measured_interval(estimate, like)
    return f'<td class="n">{value}<small>{spread}</small></td>'


def _versus_cell(versus: Comparison | None) -> str:
    if versus is None:
        return f'<td class="n">{MISSING}</td>'
    percent = versus.reduction_percent
    words = {"first": "better", "second": "worse", "cannot tell": "cannot tell"}[versus.better]
    head = number(versus.difference)
    if percent is not None:
        side = "lower" if percent >= 0 else "higher"
        head = f"{abs(percent):.1f} % {side}"
    spread = f"{number(versus.low)} to {number(versus.high)}"
    return (
        f'<td class="n">{head}<small>{number(versus.difference)}</small>'
        f"<small>{spread}</small><small>{words}</small></td>"
    )


def predictions_section(result: SearchResult, figures: Figures) -> str:
    """Return observed against predicted: the winner, and PLSR beside it."""
    winner, plsr = winner_model(result), named_model(result, "PLSR")
    drawn = []
    for key, model in (("winner", winner), ("plsr", plsr)):
        if model is not None:
            words = "RMSE and the rest stand in the table above."
            if model.scores is not None:
                s = model.scores
                words = (
                    f"RMSE {number(s.rmse.value)} {result.data.target_unit}, CCC "
                    f"{number(s.ccc.value)}, R² {number(s.r2.value)}."
                )
            figure = predictions_figure(result, model)
            words = words if figure else f"It predicts no test rows: {model.detail}"
            drawn.append(figures.figure(f"predictions-{key}", figure, (model.name, words)))
    return (
        '<section id="predictions"><h2>Observed and predicted</h2><p>Each point is a sealed test '
        "row, the dashed line is perfect agreement, and both figures have the same axes. Point at "
        f'one for its id.</p><div class="pair">{"".join(drawn)}</div><p><small>The predictions of '
        'every model: <a href="predictions.csv">predictions.csv</a></small></p></section>'
    )


def trust_section(result: SearchResult, figures: Figures) -> str:
    """Return what intervals and domain mean, and how they did on the sealed test rows."""
    head = f'<section id="trust"><h2>{TRUST_TITLE}</h2>'
    rows = [(model.name, model.trust) for model in result.models if model.trust is not None]
    if not rows:
        why = "No model has intervals: the notes at the end of the page say why."
        return f'{head}<p class="nothing">{why}</p></section>'
    caption = (
        f"Intervals and domain on the {count(result.n_test)} sealed test rows. Small print: the "
        "95 % interval of the share, which the number of test rows sets."
    )
    table = trust_table(rows, result.data.target_unit, caption)
    winner = winner_model(result)
    drawn, words = None, f"{winner.name} has no intervals."
    if winner.trust is not None:
        drawn, words = _winner_intervals(result, winner), interval_caption(result.n_test)
    tuned = tuned_words(winner.name) if winner.trust is not None else ""
    figure = figures.figure("intervals", drawn, (f"Intervals of the {winner.name}", words))
    return f"{head}{trust_words(rows[0][1].level)}{tuned}{table}{figure}</section>"


def _winner_intervals(result: SearchResult, winner: ModelResult) -> go.Figure | None:
    rows = IntervalRows(
        ids=result.test_ids,
        observed=np.array(result.observed),
        predicted=np.array(winner.predicted),
        lower=np.array(winner.lower),
        upper=np.array(winner.upper),
        inside=np.array(result.in_domain),
    )
    return interval_figure(rows, target_label(result.data))


def architecture_section(result: SearchResult) -> str:
    """Return the winner: the table in the published columns, the drawing, and words."""
    architecture, bands = result.winner.architecture, result.winner_bands
    caption = f"Best architecture for {result.name}, in the columns of Shen et al. 2022."
    files = ", ".join(
        f'<a href="best_architecture.{end}">{word}</a>'
        for end, word in (("csv", "CSV"), ("md", "Markdown"), ("tex", "LaTeX"), ("json", "JSON"))
    )
    return (
        f'<section id="architecture"><h2>Best architecture</h2><p>{origin_words(result)} It has '
        f"{count(architecture.n_parameters(bands))} parameters and takes "
        f"{size(architecture.multiply_adds(bands))} multiply–adds a spectrum.</p>"
        f"<p><b>Preprocessing.</b> {escape(preprocessing_words(result))}</p>"
        f"<p><b>Training.</b> {escape(_training_words(result))}</p>"
        f"{layers_table(architecture.table_rows(site=result.name), caption)}"
        f"<p><small>The same table: {files}</small></p>"
        '<figure class="drawing"><figcaption><b>The network, from spectrum to prediction</b>'
        "Above each block is the shape that leaves it: its height is the length, its width the "
        "filters, both on log scales.</figcaption>"
        f'<div class="broad">{architecture_svg(result)}</div>'
        f'<div class="narrow" aria-hidden="true">{architecture_svg(result, per_row=2)}</div>'
        "</figure></section>"
    )


def layers_table(layers: Sequence[Mapping[str, str]], caption: str) -> str:
    """Return the rows of an architecture, in the published columns, as HTML."""
    numbers = {"Kernel/Pool size", "Filters/Nodes", "Strides"}
    head = [
        f'<th scope="col"{" class=n" if name in numbers else ""}>{name}</th>'
        for name in TABLE_COLUMNS
    ]
    rows = []
    for row in layers:
        cells = (
            f"<td{' class=n' if name in numbers else ''}>{escape(row[name]) or MISSING}</td>"
            for name in TABLE_COLUMNS
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return html_table(head, rows, caption)


def _training_words(result: SearchResult) -> str:
    return training_words(result.winner.training, result.winner_epochs, result.settings.members)


def origin_words(result: StudyView) -> str:
    """Return the sentence that says which trial found the winner; HTML."""
    trial = next((t for t in result.trials if t.number == result.winner_trial), None)
    if trial is not None and trial.label:
        return (
            f"The best design is not a searched one: it is trial {result.winner_trial}, "
            f"{escape(trial.label)}."
        )
    return f"The best design was found in trial {result.winner_trial}."
