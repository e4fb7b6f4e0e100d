"""The sections of report.html about how the result came to be: search, data, honesty, repeating."""

from __future__ import annotations

from autospec.report.figures import histogram_figure, spectra_figure
from autospec.report.page import (
    Figures,
    bullets,
    facts,
    honest_section,
    html_table,
    machine_facts,
)
from autospec.report.parallel import parallel_figure
from autospec.report.search_figures import (
    TOP_CURVES,
    TOP_IMPORTANCE,
    TOP_PARAMETERS,
    complete_trials,
    curves_figure,
    history_figure,
    importance_figure,
    slice_figures,
)
from autospec.report.views import BY_FOLDS, ScoreWords, StudyView
from autospec.report.words import (
    MISSING,
    UNIT_SIGNS,
    count,
    duration,
    escape,
    number,
    settings_toml,
    size,
    trial_counts,
)
from autospec.search.result import SearchResult, SpectraSummary, TrialRecord

SAMPLERS = {
    "tpe": "a tree-structured Parzen estimator (TPE)",
    "gp": "a Gaussian process",
    "random": "random search",
}
SHOWN_TRIALS = 8
TOO_FEW = "Fewer than two trials are complete, so there is nothing to set against each other."


def search_section(result: SearchResult, figures: Figures) -> str:
    """Return the search: history, leading trials, curves, importance, slices, parallel lines."""
    settings = result.settings
    tally = trial_counts(result.trials)
    states = ", ".join(f"{n} {state}" for state, n in tally.items())
    control = f" A random control ran beside it: {trials_words(len(result.control_trials))}."
    trials = trials_words(len(result.trials))
    return (
        f'<section id="search"><h2>The search</h2><p>{trials} ({states}), '
        f"proposed by {SAMPLERS[settings.sampler]}"
        f"{' after the published designs' if settings.published else ''}, each scored by "
        f"{settings.folds}-fold cross-validation"
        f"{f' repeated {settings.repeats} times' if settings.repeats > 1 else ''} on the training "
        f"rows.{control if result.control_trials else ' No random control was asked for.'}</p>"
        f"{study_parts(result, figures)}</section>"
    )


def study_parts(result: StudyView, figures: Figures, words: ScoreWords = BY_FOLDS) -> str:
    """Return what the trials of any search show: figures and tables, without a heading."""
    return (
        f"{_history(result, figures, words)}{_leaders(result, words)}"
        f"{_curves(result, figures, words)}{_importance(result, figures, words)}"
        f"{_slices(result, figures, words)}{_parallel(result, figures, words)}"
        f"{_lost_trials(result)}"
    )


def trials_words(n: int) -> str:
    """Return "1 trial" or "24 trials"."""
    return "1 trial" if n == 1 else f"{n} trials"


def _history(result: StudyView, figures: Figures, words: ScoreWords) -> str:
    drawn = history_figure(result, words)
    said = (
        f"Each point is {words.each}. Crosses were stopped early, "
        "at their last epoch. These numbers are tuned: they are not the accuracy."
    )
    said = said if drawn else "No trial is complete, so there is no history to draw."
    return figures.figure("history", drawn, ("Optimisation history", said))


def _leaders(result: StudyView, words: ScoreWords) -> str:
    done = sorted(complete_trials(result.trials), key=lambda pair: pair[1])[:SHOWN_TRIALS]
    if not done:
        return ""
    names = ("Trial", words.name, words.parts, "Best epoch", "Parameters", "Multiply–adds")
    head = [f'<th scope="col"{" class=n" if i != 2 else ""}>{n}</th>' for i, n in enumerate(names)]
    rows = []
    for trial, value in done:
        label = f"<small>{escape(trial.label)}</small>" if trial.label else ""
        css = ' class="winner"' if trial.number == result.winner_trial else ""
        rows.append(
            f'<tr{css}><td class="n">{trial.number}{label}</td><td class="n">{number(value)}</td>'
            f"<td>{' · '.join(number(v) for v in trial.fold_rmse) or MISSING}</td>"
            f'<td class="n">{count(trial.best_epoch)}</td><td class="n">{size(trial.n_parameters)}'
            f'</td><td class="n">{size(trial.multiply_adds)}</td></tr>'
        )
    caption = f"Leading trials. RMSE in {result.data.target_unit}, {words.where}."
    link = '<p><small>All trials: <a href="leaderboard.csv">leaderboard.csv</a></small></p>'
    return f"<h3>Leading trials</h3>{html_table(head, rows, caption)}{link}"


def _curves(result: StudyView, figures: Figures, words: ScoreWords) -> str:
    drawn = curves_figure(result, words)
    said = (
        f"{words.averaged} after each epoch, for the best {TOP_CURVES} trials. The "
        f"ring marks {words.ring}."
    )
    said = said if drawn else "No complete trial kept its learning curve."
    return figures.figure("curves", drawn, ("Learning curves", said))


def _importance(result: StudyView, figures: Figures, words: ScoreWords) -> str:
    drawn = importance_figure(result)
    shown = min(len(result.importance), TOP_IMPORTANCE)
    said = (
        f"fANOVA: the share of the variance of {words.name} that a parameter explains; the "
        f"{shown} highest of {len(result.importance)}. "
    )
    said = said if drawn else ""
    note = result.importance_note or ("" if drawn else "It could not be computed.")
    return figures.figure("importance", drawn, ("Parameter importance", said + note))


def _slices(result: StudyView, figures: Figures, words: ScoreWords) -> str:
    drawn = slice_figures(result, words)
    if not drawn:
        return figures.figure("slices", None, ("Parameter by parameter", TOO_FEW))
    which = "most important" if result.importance else "most usual"
    plots = "".join(figures.plot(f"slice-{i}", f) for i, f in enumerate(drawn.values(), start=1))
    return (
        "<figure><figcaption><b>Parameter by parameter</b>"
        f"The {min(len(drawn), TOP_PARAMETERS)} {which} parameters against {words.name}; the star "
        "is the winner. Pale rings: trials whose design has no such block, so the value was "
        "ignored."
        f'</figcaption><div class="slices">{plots}</div></figure>'
    )


def _parallel(result: StudyView, figures: Figures, words: ScoreWords) -> str:
    drawn = parallel_figure(result, words)
    said = "Each line is a complete trial, darker is better; ends are the lowest and highest."
    title = "Parameters together"
    return figures.figure("parallel", drawn, (title, said if drawn else TOO_FEW), "wide")


def _lost_trials(result: StudyView) -> str:
    """List why trials were infeasible or failed, if any were."""
    lost = [t for t in result.trials if t.state in ("infeasible", "failed")]
    if not lost:
        return ""
    tally: dict[tuple[str, str], list[TrialRecord]] = {}
    for trial in lost:
        tally.setdefault((trial.state, trial.reason or "no reason kept"), []).append(trial)
    rows = [
        f'<tr><td>{state}</td><td class="words">{escape(reason)}</td>'
        f'<td class="n">{len(trials)}</td>'
        f'<td class="words">{", ".join(str(t.number) for t in trials)}</td></tr>'
        for (state, reason), trials in tally.items()
    ]
    head = [f'<th scope="col">{name}</th>' for name in ("State", "Reason", "Trials", "Which")]
    head[2] = head[2].replace('scope="col"', 'scope="col" class="n"')
    table = html_table(head, rows, "Trials without a score.")
    summary = f"{trials_words(len(lost))} without a score, and why"
    return f"<details><summary>{summary}</summary>{table}</details>"


def data_section(result: SearchResult, figures: Figures) -> str:
    """Return the data: what they are, where from, how split, and two figures."""
    data = result.data
    unit = UNIT_SIGNS[data.axis_unit]
    extra = f", {count(data.n_unlabelled)} more without a lab value" if data.n_unlabelled else ""
    pairs = [
        ("Samples", f"{count(data.n)} rows with a lab value{extra}"),
        ("Groups", f"{count(data.n_groups)}: a fold keeps each whole"),
        (
            "Spectra",
            f"{data.quantity}, {count(data.b)} bands, {data.axis_low:g} to "
            f"{data.axis_high:g} {unit}",
        ),
        ("Fields", ", ".join(f"{name} ({count(n)})" for name, n in data.fields.items())),
        (
            "Split",
            f"{count(result.n_train)} rows to train and choose, {count(result.n_test)} sealed "
            f"for the test; {result.settings.folds} inner folds",
        ),
    ]
    return (
        f'<section id="data"><h2>The data</h2>{facts(pairs)}{bullets(data.provenance)}'
        f"{data_figures(data, figures)}</section>"
    )


def data_figures(
    data: SpectraSummary, figures: Figures, *, rows: str = "training rows; no test row is in it"
) -> str:
    """Return the figures of spectra and lab values; `rows` says whose lab values are drawn."""
    spectra, histogram = spectra_figure(data), histogram_figure(data)
    words = f"The {len(data.examples)} thin lines are examples, darker the higher their lab value."
    why = "There are fewer than two bands to draw."
    first = figures.figure("spectra", spectra, ("Spectra", words if spectra else why))
    words = f"Lab values of the {rows}."
    why = "There are no rows to draw."
    second = figures.figure("target", histogram, ("Lab values", words if histogram else why))
    return first + second


def honesty_section(result: SearchResult) -> str:
    """Return what the numbers mean and what they do not."""
    settings = result.settings
    sentences = [
        f"The {count(result.n_test)} test rows were sealed before anything was fitted or chosen. "
        "They are opened at the end of each run of this command; its choices never see them.",
        "CV RMSE is what the search minimised over many trials: it is tuned, and so optimistic. "
        "Only the test numbers are reported as accuracy.",
        "The number of epochs was read off the fold-averaged curve of the training rows, at the "
        "epoch where the CV RMSE is read too: one more reason why that number is optimistic. The "
        "test rows had no part in it.",
        f"With {count(result.n_test)} test rows the intervals are as wide as they look. They cover "
        "the choice of test rows, not the choice of the split or the seed.",
        "The twins behind the intervals of the winner have its design and its number of epochs, "
        "which were chosen on all training rows. They are single networks, which err a little more "
        "than the mean of several does.",
        "The search space shen-like-1 is our reconstruction from the literature, not the published "
        "one; it contains every published architecture.",
    ]
    if settings.published:
        sentences.append(
            "The published architectures are rebuilt from their table. Their preprocessing and "
            "training numbers are not known to us and are ours, and they were made for other "
            "soils: their scores here are no verdict on the publication."
        )
    if not result.control_trials:
        sentences.append(
            "No random search ran beside this one, so the report cannot say whether Bayesian "
            "optimisation was worth it here."
        )
    return honest_section((*sentences, *result.notes))


def reproduce_section(result: SearchResult, run_digest: str) -> str:
    """Return settings, seed, versions, hardware and digests.

    Parameters
    ----------
    run_digest : str
        SHA-256 of the run.json that this page was drawn from.
    """
    env = result.environment
    pairs = [
        *machine_facts(env, result.settings.seed),
        (
            "Started",
            f"{env.started}; search {duration(env.seconds_search)}, "
            f"final models {duration(env.seconds_final)}",
        ),
        ("Spectra SHA-256", result.data.digest),
        ("Split SHA-256", result.split_digest),
        ("Design SHA-256", result.winner.digest),
        ("run.json SHA-256", run_digest),
    ]
    return (
        '<section id="reproduce"><h2>How to reproduce it</h2><p>The same spectra, settings, '
        "versions and processor give the same result. Everything on this page is a view of "
        '<a href="run.json">run.json</a>; the scores alone are in '
        '<a href="metrics.json">metrics.json</a>.</p>'
        f"{facts(pairs)}<h3>Settings, as a study file</h3>"
        f'<pre tabindex="0"><code>{escape(settings_toml(result.settings))}</code></pre></section>'
    )
