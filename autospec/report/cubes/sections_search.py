"""The sections of a cube search's report about how it came to be: search, data, honesty."""

from __future__ import annotations

from autospec.report.figures import histogram_figure
from autospec.report.page import (
    Figures,
    bullets,
    facts,
    honest_section,
    html_table,
    machine_facts,
)
from autospec.report.sections_search import SAMPLERS, study_parts, trials_words
from autospec.report.words import count, duration, escape, number, settings_toml, trial_counts
from autospec.search.cubes.result import CubeResult


def search_section(result: CubeResult, figures: Figures) -> str:
    """Return the search: history, leading trials, curves, importance, slices, parallel lines."""
    settings = result.settings
    states = ", ".join(f"{n} {state}" for state, n in trial_counts(result.trials).items())
    control = (
        f" A random control ran beside it: {trials_words(len(result.control_trials))}."
        if result.control_trials
        else " No random control was asked for."
    )
    return (
        f'<section id="search"><h2>The search</h2><p>{trials_words(len(result.trials))} '
        f"({states}), proposed by {SAMPLERS[settings.sampler]}"
        f"{' after Small3DCNN' if settings.published else ''}, each scored on the "
        f"{len(result.split.dropped_in_folds)} inner folds of the training samples.{control}</p>"
        f"{study_parts(result, figures)}</section>"
    )


def data_section(result: CubeResult, figures: Figures) -> str:
    """Return the data: what they are, where from, their channels, and the lab values."""
    data = result.data
    c, h, w, steps = data.shape
    extra = f", {count(data.n_unlabelled)} more without a lab value" if data.n_unlabelled else ""
    ends = (data.first_time, data.last_time)
    pairs = [
        ("Samples", f"{count(len(result.places))} with a lab value{extra}"),
        ("Window", f"{h} × {w} cells, {steps} dates, {c} channels"),
        ("Dates", " to ".join(date.removesuffix("T00:00:00") for date in ends)),
        ("Coordinates", data.crs),
    ]
    if data.synthetic:
        pairs.insert(0, ("Origin", "SYNTHETIC: made up by a program, not measured"))
    drawn = histogram_figure(data)
    words = "Lab values of the training samples; no test sample is in it."
    words = words if drawn else "There are no samples to draw."
    histogram = figures.figure("target", drawn, ("Lab values", words))
    return (
        f'<section id="data"><h2>The data</h2>{facts(pairs)}{bullets(data.provenance)}'
        f"{_channels(result)}{histogram}</section>"
    )


def _channels(result: CubeResult) -> str:
    data = result.data
    head = ['<th scope="col">Channel</th>']
    for name in ("Mean", "Standard deviation", "Without a value"):
        head.append(f'<th scope="col" class="n">{name}</th>')
    rows = []
    table = zip(data.channels, data.mean, data.sd, data.invalid_percent, strict=True)
    for name, mean, sd, invalid in table:
        cells = (number(mean), number(sd), f"{number(invalid)} %")
        figures = "".join(f'<td class="n">{cell}</td>' for cell in cells)
        rows.append(f'<tr><th scope="row">{escape(name)}</th>{figures}</tr>')
    return html_table(head, rows, "The channels, over the cells of the training samples.")


def honesty_section(result: CubeResult) -> str:
    """Return what the numbers mean and what they do not."""
    n_test = count(result.split.n_test)
    sentences = []
    if result.data.synthetic:
        sentences.append(
            "The data are synthetic. The scores say how the method does on this made-up task, and "
            "nothing of any soil."
        )
    if result.split.kind == "random":
        sentences.append(
            "The split is random and leaks: the scores are those of places between known samples."
        )
    sentences += [
        f"The {n_test} test samples were sealed before anything was fitted or chosen. They are "
        "opened at the end of each run of this command; its choices never see them.",
        "CV RMSE is what the search minimised over many trials: it is tuned, and so optimistic. "
        "Only the test numbers are reported as accuracy.",
        "R² is 1 − SSE/SST, which others call the Nash–Sutcliffe efficiency (NSE): a model worse "
        "than the mean of the test samples has one below 0. Pearson's r² has a column of its own; "
        "it does not see bias, and is never called R² here.",
        f"With {n_test} test samples the intervals are as wide as they look, and they take samples "
        "as independent: those of one square are not quite. They do not cover the choice of the "
        "split or the seed.",
        "The number of epochs was read off the fold-averaged curve of the training samples. The "
        "test samples had no part in it.",
    ]
    return honest_section((*sentences, *_reach(result), *result.notes))


def _reach(result: CubeResult) -> list[str]:
    """Return what the scores stand for, and what they cannot tell."""
    sentences = []
    if any(model.kind == "published" for model in result.models):
        sentences.append(
            "Small3DCNN has its published layers, but is not trained as published: its learning "
            "rate is five times as high, for fewer epochs. Its score here is no verdict on the "
            "publication."
        )
    if result.split.kind == "blocks":
        sentences.append(
            "The accuracy is that of places at least the buffer away from any training sample, in "
            "the same region and dates. Another region may be outside of what the model knows."
        )
    if not result.control_trials:
        sentences.append(
            "No random search ran beside this one, so the report cannot say whether Bayesian "
            "optimisation was worth it here."
        )
    return sentences


def reproduce_section(result: CubeResult, run_digest: str) -> str:
    """Return settings, seed, versions, hardware and digests.

    Parameters
    ----------
    run_digest : str
        SHA-256 of the cube-run.json that this page was drawn from.
    """
    env = result.environment
    pairs = [
        *machine_facts(env, result.settings.seed),
        (
            "Started",
            f"{env.started}; search {duration(env.seconds_search)}, "
            f"final models {duration(env.seconds_final)}",
        ),
        ("Cubes SHA-256", result.data.digest),
        ("Split SHA-256", result.split.digest),
        ("Design SHA-256", result.winner.digest),
        ("cube-run.json SHA-256", run_digest),
    ]
    return (
        '<section id="reproduce"><h2>How to reproduce it</h2><p>The same cubes, settings, versions '
        "and processor give the same result. Everything on this page is a view of "
        '<a href="cube-run.json">cube-run.json</a>; the scores alone are in '
        '<a href="metrics.json">metrics.json</a>.</p>'
        f"{facts(pairs)}<h3>Settings</h3>"
        f'<pre tabindex="0"><code>{escape(settings_toml(result.settings))}</code></pre></section>'
    )
