"""The sections of a stack search's report that a training has not: design, search, repeating."""

from __future__ import annotations

import json
from dataclasses import asdict

from autospec.report.jobs import MAP_FILE
from autospec.report.map_search.tables import (
    UNIT,
    WATCHED,
    map_rows,
    map_study,
    training_sentence,
)
from autospec.report.maps.picture import synthetic_banner
from autospec.report.maps.sections import aims_words, page_title
from autospec.report.maps.sections_run import network_words
from autospec.report.page import Figures, facts, html_table, machine_facts
from autospec.report.sections import layers_table
from autospec.report.sections_search import SAMPLERS, study_parts, trials_words
from autospec.report.words import STOPPED, count, duration, escape, number, trial_counts
from autospec.search.maps.result import MapSearchResult
from autospec.search.maps.space import REFERENCE

LINKS = (
    ("compared", "Compared with"),
    ("architecture", "Best architecture"),
    ("search", "The search"),
    ("maps", "Maps"),
    ("seasons", "Seasons"),
    ("edges", "Edges of tiles"),
    ("learning", "Learning"),
    ("split", "The split"),
    ("data", "The data"),
    ("honesty", "How far to trust it"),
    ("reproduce", "Reproduce"),
)


def header_section(result: MapSearchResult) -> str:
    """Return the title, the verdict, warnings that no reader may miss, and the way around."""
    final = result.final
    nav = "".join(f'<a href="#{key}">{word}</a>' for key, word in LINKS)
    return (
        f"<header><div><h1>{escape(page_title(final))}, {escape(aims_words(final))}</h1>"
        f"{synthetic_banner(final.data.synthetic)}"
        f'<p class="verdict">{escape(final.verdict)}</p>'
        f'<nav aria-label="Sections">{nav}</nav></div></header>'
    )


def architecture_section(result: MapSearchResult) -> str:
    """Return the winner: words, and the table in the published columns."""
    final, trial = result.final, result.winner_trial
    label = next((t.label for t in result.trials if t.number == trial), "")
    found = f"It is the preset tiny (trial {trial})." if label else f"Trial {trial} found it."
    caption = f"Best architecture for {result.name}, one row a layer."
    return (
        f'<section id="architecture"><h2>Best architecture</h2><p>{escape(found)} It has '
        f"{count(final.n_parameters)} parameters.</p>"
        f"<p><b>Network.</b> {escape(network_words(result.final.settings))}.</p>"
        f"<p><b>Training.</b> {escape(training_sentence(result))}</p>"
        f"{layers_table(map_rows(result), caption)}"
        '<p><small>The same table: <a href="best_architecture.csv">CSV</a>, '
        '<a href="best_architecture.json">JSON</a></small></p></section>'
    )


def search_section(result: MapSearchResult, figures: Figures) -> str:
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
        f"{' after the preset tiny' if settings.published else ''}, each scored on the same "
        f"watched part of the stack; {STOPPED[result.stopped]}.{control}</p>{_watched(result)}"
        f"{study_parts(map_study(result), figures, WATCHED)}</section>"
    )


def _watched(result: MapSearchResult) -> str:
    """Return the simpler models on the part that the trials are scored on."""
    if not result.watched:
        return ""
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td class="n">{number(rmse)}</td></tr>'
        for name, rmse in sorted(result.watched.items(), key=lambda pair: pair[1])
    ]
    head = ['<th scope="col">Model</th>', f'<th scope="col" class="n">RMSE {escape(UNIT)}</th>']
    return html_table(head, rows, "Simpler models on the same watched part: what trials must beat.")


def search_notes(result: MapSearchResult) -> tuple[str, ...]:
    """Return what a search adds to how far its result can be trusted."""
    sentences = [
        "The watched part chose the design, its epochs and the network that is kept: its error is "
        "tuned, and so optimistic. Only the scores on what was sealed are reported as accuracy.",
        "Every design was trained once, from the same seed: a small difference between two trials "
        "may be the seed's.",
    ]
    if result.settings.published and any(m.name == REFERENCE for m in result.others):
        sentences.append(
            "The preset tiny stands beside the winner, on the same sealed cells and dates: what "
            "the search was worth is the difference between them."
        )
    if not result.control_trials:
        sentences.append(
            "No random search ran beside this one, so the report cannot say whether Bayesian "
            "optimisation was worth it here."
        )
    return (*sentences, *result.notes)


def reproduce_section(result: MapSearchResult, run_digest: str) -> str:
    """Return settings, seed, versions, hardware and digests.

    Parameters
    ----------
    run_digest : str
        SHA-256 of the map-run.json that this page was drawn from.
    """
    env, final = result.environment, result.final
    pairs = [
        *machine_facts(env, result.settings.seed),
        (
            "Started",
            f"{env.started}; search {duration(env.seconds_search)}, "
            f"final scores {duration(env.seconds_final)}",
        ),
        ("Stack SHA-256", final.data.digest),
        ("Split SHA-256", final.split.digest),
        ("Design SHA-256", result.winner.digest),
        (f"{MAP_FILE} SHA-256", run_digest),
    ]
    settings = json.dumps(asdict(result.settings), indent=1, ensure_ascii=False)
    return (
        '<section id="reproduce"><h2>How to reproduce it</h2><p>The same stack, settings, versions '
        "and processor give the same result. Everything on this page is a view of "
        f'<a href="{MAP_FILE}">{MAP_FILE}</a>.</p>{facts(pairs)}<h3>Settings</h3>'
        f'<pre tabindex="0"><code>{escape(settings)}</code></pre></section>'
    )
