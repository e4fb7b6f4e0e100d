"""The sections of a localisation's page about its models: verdicts, comparison, predictions, auto.

What the library gave, the networks and how far to trust it all are in
`autospec.report.localise_details`.
"""

from __future__ import annotations

from autospec.evaluate.metrics import METRICS
from autospec.localisation.result import (
    AUTO,
    LOCAL,
    PLSR_LOCAL,
    FinalModel,
    LocalisationResult,
    ModelRow,
    Paired,
    Stopped,
    Uses,
)
from autospec.report.localise_figures import (
    KIND_COLOURS,
    predictions_figure,
    reduction_figure,
    weights_figure,
)
from autospec.report.localise_tables import VERDICTS
from autospec.report.page import Figures, bullets, html_table
from autospec.report.sections import (
    IN_UNIT,
    METRIC_NAMES,
    METRIC_NOTES,
    card,
    estimate_cell,
    interval_note,
    model_sentence,
)
from autospec.report.trust_section import percent
from autospec.report.words import (
    MISSING,
    count,
    duration,
    escape,
    number,
    signed,
    target_label,
)

USES_WORDS: dict[Uses, str] = {
    "farm": "learns from the farm",
    "library": "learns from the library",
    "both": "learns from farm and library",
}
STOPPED_WORDS: dict[Stopped, str] = {
    "complete": "all was run",
    "budget": "the time budget ran out",
    "interrupt": "it was interrupted",
}
SHOWN_FINAL = 12


def find_model(result: LocalisationResult, name: str) -> ModelRow | None:
    """Return the model called `name`, or None if it was not reached."""
    return next((model for model in result.models if model.name == name), None)


def best_strategy(result: LocalisationResult) -> ModelRow | None:
    """Return the network strategy that cuts the RMSE of PLSR local most, on common draws."""
    rows = [m for m in result.models if m.kind == "strategy" and m.versus_plsr is not None]
    return max(rows, key=_reduction, default=None)


def _reduction(model: ModelRow) -> float:
    return model.versus_plsr.reduction_percent if model.versus_plsr else 0.0


def header_section(result: LocalisationResult) -> str:
    """Return the title, the two verdicts as cards, and the way around the page."""
    links = (
        ("reduction", "Is it better?"),
        ("compared", "All models"),
        ("predictions", "Observed and predicted"),
        ("trust", "Intervals"),
        ("auto", "The model you get"),
        ("library", "What the library gave"),
        ("networks", "The networks"),
        ("data", "The data"),
        ("honesty", "How far to trust it"),
        ("reproduce", "Reproduce"),
    )
    nav = "".join(f'<a href="#{key}">{word}</a>' for key, word in links)
    label = escape(target_label(result.farm))
    cards = card("How good is it on this farm?", escape(result.verdict), "", "main")
    cards += card("Did the library help?", escape(result.transfer_verdict), "")
    return (
        f"<header><div><h1>autospec localise: {escape(result.name)}, {label}</h1>"
        f'<dl class="cards verdicts">{cards}</dl>'
        f'<nav aria-label="Sections">{nav}</nav></div></header>'
    )


def cards_section(result: LocalisationResult) -> str:
    """Return the key numbers: four of auto, three of what it was made from."""
    unit, cards = result.farm.target_unit, []
    auto = find_model(result, AUTO)
    if auto is not None:
        if auto.rmse.value is not None:
            rmse = f"{number(auto.rmse.value)} <small>{escape(unit)}</small>"
            cards.append(card("Error of auto (test RMSE)", rmse, interval_note(auto.rmse), "main"))
        if auto.versus_plsr is not None:
            v = auto.versus_plsr
            note = f"{signed(v.low)} to {signed(v.high)} %; better in {v.wins} of {v.draws} draws"
            value = f"{signed(v.reduction_percent)} <small>%</small>"
            cards.append(card(f"RMSE cut against {PLSR_LOCAL}", value, note))
        for name in ("ccc", "rpiq"):
            estimate = getattr(auto, name)
            note = interval_note(estimate) or METRIC_NOTES[name]
            cards.append(card(METRIC_NAMES[name], number(estimate.value), note))
    if result.trust is not None:
        t = result.trust
        note = f"95 % interval {percent(t.covered_low)} to {percent(t.covered_high)}"
        words = f"{percent(t.level)} intervals hold"
        cards.append(card(words, f"{percent(t.covered)} <small>of lab values</small>", note))
    if result.draws:
        first = result.draws[0]
        numbers = f"{first.number} to {result.draws[-1].number}; " if first.number else ""
        note = f"{numbers}each: {len(first.train)} rows to train, {len(first.test)} to test"
        cards.append(card("Draws of training rows", count(len(result.draws)), note))
    fields = len(result.library_fields)
    note = f"from {fields} field{'s' if fields != 1 else ''}; the farm's own are left out"
    cards.append(card("Library rows", count(result.library_rows), note))
    seconds = result.environment.seconds_search + result.environment.seconds_final
    note = f"on {result.environment.device}; {STOPPED_WORDS[result.stopped]}"
    cards.append(card("Time", duration(seconds), note))
    return f'<section aria-label="Key numbers"><dl class="cards">{"".join(cards)}</dl></section>'


def reduction_section(result: LocalisationResult, figures: Figures) -> str:
    """Return by how much each model cuts the RMSE of PLSR local, and of the Local network."""
    caption = (
        "Right of the line is better. Large points are means over the draws, bars their 95 % "
        "intervals, faint points the single draws. A bar that crosses the line settles nothing. "
        "What is off the axis sits on its left edge."
    )
    why = f"{PLSR_LOCAL} or the models beside it have no result, so there is nothing to compare."
    drawn = reduction_figure(result, PLSR_LOCAL)
    title = f"Against {PLSR_LOCAL}: partial least squares on the farm's own rows"
    parts = [figures.figure("reduction-plsr", drawn, (title, caption if drawn else why))]
    if result.networks:
        drawn = reduction_figure(result, LOCAL)
        title = f"Against {LOCAL}: a network trained on the farm's own rows"
        words = "The reference of the published study. Only the draws on which networks ran count."
        why = f"{LOCAL} has no result, so there is nothing to compare."
        parts.append(figures.figure("reduction-local", drawn, (title, words if drawn else why)))
    return (
        '<section id="reduction"><h2>Is it better?</h2><p>Each model is set against a reference '
        "on the same test rows: a cut of 10 % means that its error is a tenth lower than the "
        f"reference's, a negative one that it is higher.</p>{''.join(parts)}</section>"
    )


def compared_section(result: LocalisationResult) -> str:
    """Return every model as a table row, and why some draws have no result."""
    unit = result.farm.target_unit
    head = [
        '<th scope="col">Model</th>',
        '<th scope="col" class="n">Draws<small>&nbsp;</small></th>',
    ]
    for name in METRICS:
        sub = f"<small>{escape(unit)}</small>" if name in IN_UNIT else "<small>&nbsp;</small>"
        head.append(f'<th scope="col" class="n">{METRIC_NAMES[name]}{sub}</th>')
    references = (PLSR_LOCAL, LOCAL)[: 2 if result.networks else 1]
    head[3:3] = [
        f'<th scope="col" class="n">Against {name}<small>RMSE cut</small></th>'
        for name in references
    ]
    rows = [_model_row(result, model) for model in result.models]
    caption = (
        "Every model: means over its draws, with 95 % intervals in small print. A model with fewer "
        "draws stands on fewer test rows: compare it by the RMSE cut, which uses the draws that "
        "both models have. The intervals of the other columns are in the files."
    )
    failures = [f"{m.name}: {failure}" for m in result.models for failure in m.failures]
    lost = (
        f"<details><summary>{len(failures)} without a result, and why</summary>"
        f"{bullets(failures)}</details>"
        if failures
        else ""
    )
    links = ", ".join(
        f'<a href="{name}">{word}</a>'
        for name, word in (
            ("comparison.csv", "CSV"),
            ("comparison.md", "Markdown"),
            ("comparison.tex", "LaTeX"),
            ("comparison.json", "JSON"),
            ("draws.csv", "every draw"),
        )
    )
    return (
        f'<section id="compared"><h2>All models</h2>{html_table(head, rows, caption)}{lost}'
        f"<p><small>The same table: {links}</small></p></section>"
    )


def _model_row(result: LocalisationResult, model: ModelRow) -> str:
    dot = f'<span class="dot" style="background:{KIND_COLOURS[model.kind]}"></span>'
    about = f"<small>{escape(model.about)}; {USES_WORDS[model.uses]}</small>"
    cells = [f'<th scope="row" class="model">{dot}{escape(model.name)}{about}</th>']
    cells.append(f'<td class="n">{len(model.outcomes)}</td>')
    cells.append(estimate_cell(model.rmse))
    cells.append(_paired_cell(model.versus_plsr, model.name == PLSR_LOCAL))
    if result.networks:
        cells.append(_paired_cell(model.versus_local, model.name == LOCAL))
    rest = (getattr(model, name).value for name in METRICS if name != "rmse")
    cells += [f'<td class="n">{number(value)}</td>' for value in rest]
    css = ' class="winner"' if model.kind == "auto" and model.name == AUTO else ""
    return f"<tr{css}>{''.join(cells)}</tr>"


def _paired_cell(versus: Paired | None, itself: bool) -> str:
    if versus is None:
        return f'<td class="n">{"<small>the reference</small>" if itself else MISSING}</td>'
    spread = f"{signed(versus.low)} to {signed(versus.high)} %"
    wins = f"{versus.wins} of {versus.draws} draws"
    return (
        f'<td class="n">{signed(versus.reduction_percent)} %<small>{spread}</small>'
        f"<small>{wins}</small><small>{VERDICTS[versus.better]}</small></td>"
    )


def predictions_section(result: LocalisationResult, figures: Figures) -> str:
    """Return observed against predicted: auto, PLSR on the farm's rows, the best strategy."""
    wanted = (find_model(result, AUTO), find_model(result, PLSR_LOCAL), best_strategy(result))
    shown = tuple(dict.fromkeys(m.name for m in wanted if m is not None))
    models = tuple(result.model(name) for name in shown)
    parts = []
    for i, model in enumerate(models, start=1):
        drawn = predictions_figure(result, model, models)
        words = (
            f"RMSE {number(model.rmse.value)} {result.farm.target_unit}, CCC "
            f"{number(model.ccc.value)} over {len(model.outcomes)} draws."
        )
        words = words if drawn else "It has no result in any draw."
        parts.append(figures.figure(f"predictions-{i}", drawn, (model.name, words)))
    return (
        '<section id="predictions"><h2>Observed and predicted</h2><p>Each solid point is a sample '
        "of the farm: the mean of what the draws that tested it predict. Faint points are the "
        "single draws, the dashed line is perfect agreement, and all panels have the same axes."
        f'</p><div class="panels">{"".join(parts)}</div><p><small>Every test row of every draw '
        'and model: <a href="predictions.csv">predictions.csv</a></small></p></section>'
    )


def auto_section(result: LocalisationResult, figures: Figures, *, kept: bool = False) -> str:
    """Return what the final model is made of, where it is if it was `kept`, what it predicts."""
    drawn = weights_figure(result)
    words = "How much each member counts in the final model."
    words = words if drawn else "The final model was not reached."
    weights = figures.figure("weights", drawn, ("Members of auto", words))
    return (
        '<section id="auto"><h2>The model you get</h2><p>auto fits several models on the farm\'s '
        "rows and the library and weighs them by how they did inside the training rows, never by "
        "the test rows. The final one is fitted on all "
        f"{count(len(result.farm_ids))} rows of the farm that have a lab value: "
        f"{escape(result.final.detail or 'not reached')}.</p>"
        f"{model_sentence() if kept else ''}{weights}{_auto_draws(result)}"
        f"{_final_rows(result)}</section>"
    )


def _auto_draws(result: LocalisationResult) -> str:
    auto = find_model(result, AUTO)
    if auto is None or not auto.outcomes:
        return ""
    head = [
        '<th scope="col" class="n">Draw</th>',
        '<th scope="col" class="n">Test RMSE</th>',
        '<th scope="col" class="n">Inner RMSE</th>',
        '<th scope="col">Made of</th>',
    ]
    rows = [
        f'<tr><td class="n">{o.draw}</td><td class="n">{number(o.rmse)}</td>'
        f'<td class="n">{number(o.inner_rmse)}</td><td class="words">{escape(o.detail)}</td></tr>'
        for o in auto.outcomes
    ]
    caption = f"auto draw by draw, RMSE in {result.farm.target_unit}; inner RMSE is optimistic."
    table = html_table(head, rows, caption)
    return f"<details><summary>auto in each draw</summary>{table}</details>"


def _final_row(final: FinalModel, i: int) -> str:
    cells = [f'<td class="n">{number(final.predicted[i])}</td>']
    if final.lower:
        cells.append(f'<td class="n">{number(final.lower[i])} to {number(final.upper[i])}</td>')
    if final.inside:
        why = f"outside<small>{escape(final.reasons[i])}</small>"
        cells.append(f'<td class="words">{"inside" if final.inside[i] else why}</td>')
    return f'<tr><th scope="row">{escape(final.ids[i])}</th>{"".join(cells)}</tr>'


def _final_rows(result: LocalisationResult) -> str:
    final = result.final
    n = len(final.ids)
    if not n:
        return "<p>Every row of the farm has a lab value, so there was nothing more to predict.</p>"
    label = escape(target_label(result.farm))
    head = ['<th scope="col">Sample</th>', f'<th scope="col" class="n">Predicted {label}</th>']
    if final.lower and final.level is not None:
        head.append(f'<th scope="col" class="n">{percent(final.level)} interval</th>')
    if final.inside:
        head.append('<th scope="col">Domain</th>')
    rows = [_final_row(final, i) for i in range(min(n, SHOWN_FINAL))]
    shown = f"; the first {SHOWN_FINAL} of {count(n)}" if n > SHOWN_FINAL else ""
    outside = n - sum(final.inside)
    words = f" {count(outside)} of {count(n)} lie outside the domain." if final.inside else ""
    caption = f"Rows of the farm without a lab value{shown}.{words}"
    return (
        f"<h3>Predicted for your farm</h3>{html_table(head, rows, caption)}<p><small>All: "
        '<a href="final_predictions.csv">final_predictions.csv</a></small></p>'
    )
