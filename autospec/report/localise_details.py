"""The sections of a localisation's page about how it came to be: library, networks, data, trust."""

from __future__ import annotations

import shlex

from autospec.data.sites import SITES
from autospec.evaluate.metrics import BOOTSTRAPS
from autospec.localisation.result import AUTO, LocalisationResult, NetworkRecord
from autospec.localisation.settings import LocaliseSettings, draw_words
from autospec.nets.architecture import TABLE_COLUMNS
from autospec.report.figures import spectra_figure
from autospec.report.localise_sections import STOPPED_WORDS, best_strategy
from autospec.report.page import (
    Figures,
    bullets,
    facts,
    honest_section,
    html_table,
    machine_facts,
)
from autospec.report.sections_search import data_figures
from autospec.report.selection_figures import map_figure, score_figure, sources_figure
from autospec.report.words import (
    MISSING,
    UNIT_SIGNS,
    count,
    duration,
    escape,
    number,
    size,
)
from autospec.search.result import SpectraSummary
from autospec.transfer.alignment_result import Alignment, AlignmentRow, SetName, describe

SET_WORDS: dict[SetName, str] = {
    "library": "the whole library",
    "selection": "the selected rows",
    "random k": "as many random rows",
    "nearest k": "the nearest rows",
}
METHODS = {
    "random": "at random",
    "kennard-stone": "by Kennard–Stone within a random 80 % of the farm",
    "clhs": "by a conditioned Latin hypercube within a random 80 % of the farm",
    "kmeans": "by k-means within a random 80 % of the farm",
}


def library_section(result: LocalisationResult, figures: Figures) -> str:
    """Return what RS-Local selected, how alike it is to the farm, and whether draws agree."""
    selected = map_figure(result)
    words = (
        "Each point is a spectrum; what lies close looks alike. Rings mark the rows that RS-Local "
        "selected. It selects what predicts the farm well, which need not look like the farm."
    )
    parts = [figures.figure("map", selected, ("Library, selection and farm", words))]
    sources = sources_figure(result)
    words = "Where both bars are alike, the selection has no liking for the field."
    words = words if sources else "Nothing was selected."
    parts.append(figures.figure("sources", sources, ("Where the selected rows come from", words)))
    scores = score_figure(result)
    words = (
        "RS-Local drops the rows whose test models predict the farm's training rows worst, again "
        "and again. It lowers this error on purpose: a trace to look at, never an accuracy."
    )
    words = words if scores else "Nothing was selected, so there is no curve."
    title = "Score of the selection as rows are dropped (optimistic)"
    curve = figures.figure("scores", scores, (title, words))
    chosen = (
        '<p><small>Every selected row: <a href="selected_rows.csv">selected_rows.csv</a></small>'
        "</p>"
    )
    return (
        '<section id="library"><h2>What the library gave</h2><p>RS-Local picks from the library '
        "the rows whose models predict this farm's training rows best; its rows then join the "
        f'farm\'s own.</p><div class="pair">{"".join(parts)}</div>{curve}{chosen}'
        f"{_alignment(result.alignment)}{_stability(result)}</section>"
    )


def _alignment(alignment: Alignment | None) -> str:
    title = "<h3>How close the selected rows are to the farm</h3>"
    if alignment is None:
        return f'{title}<p class="nothing">It was not measured.</p>'
    unit = escape(alignment.target_unit)
    names = (
        ("Rows", ""),
        ("Distance", "energy distance"),
        ("Distance", "MMD², p"),
        ("Told apart", "AUC, 0.5 = no"),
        ("Lab values apart", unit),
        ("RMSE on the farm", unit),
        ("ME", unit),
        ("SDE", unit),
    )
    head = ['<th scope="col">A model of, or the spectra of</th>']
    head += [
        f'<th scope="col" class="n">{name}<small>{sub or "&nbsp;"}</small></th>'
        for name, sub in names
    ]
    r = alignment.reference
    own = [MISSING] * 4 + [number(v) for v in (r.rmse, r.me, r.sde)]
    rows = [_alignment_row(row) for row in alignment.rows]
    rows.append(_cells("the farm's own rows", [count(alignment.m), *own]))
    caption = (
        "Library rows beside the farm, in the first draw. For random rows: mean, and standard "
        f"deviation over {alignment.repeats} selections in small print."
    )
    return (
        f"{title}<p>{escape(describe(alignment))}</p>{html_table(head, rows, caption)}"
        f"{bullets((alignment.note, *alignment.notes))}"
    )


def _alignment_row(row: AlignmentRow) -> str:
    names = ("energy", "mmd2", "auc", "target_distance", "rmse", "me", "sde")
    values = [number(getattr(row.figures, name)) for name in names]
    if row.sd is not None:
        spread = (f"<small>± {number(getattr(row.sd, name))}</small>" for name in names)
        values = [value + sd for value, sd in zip(values, spread, strict=True)]
    values[1] += f"<small>p {number(row.figures.mmd_p, 2)}</small>"
    return _cells(SET_WORDS[row.name], [count(row.n), *values])


def _cells(name: str, values: list[str]) -> str:
    """Return a table row: a plain-text name, and values as HTML."""
    cells = "".join(f'<td class="n">{value}</td>' for value in values)
    return f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'


def _stability(result: LocalisationResult) -> str:
    found = result.stability
    if found is None:
        return "<p>There were too few selections to say whether they agree.</p>"
    return (
        f"<h3>Whether the selections agree</h3><p>Two of the {found.selections} selections share "
        f"{100 * found.jaccard:.0f} % of the rows that are in either; random ones would share "
        f"{100 * found.jaccard_by_chance:.0f} %. {count(len(found.common))} library rows are in at "
        "least half of them. Each draw has other judges, so full agreement is not to be hoped for."
        "</p>"
    )


def networks_section(result: LocalisationResult) -> str:
    """Return what the network strategies did, or how to run them."""
    title = '<section id="networks"><h2>The networks</h2>'
    if not result.networks:
        return f'{title}<p class="nothing">{escape(_no_networks(result))}</p></section>'
    names = ("Strategy", "Draw", "Network", "Parameters", "Epochs", "Designs tried", "CV RMSE")
    head = [
        f'<th scope="col"{" class=n" if i not in (0, 2) else ""}>{name}</th>'
        for i, name in enumerate((*names, "Time"))
    ]
    seconds = {(m.name, o.draw): o.seconds for m in result.models for o in m.outcomes}
    first = result.settings.first_draw  # has the seconds of what was trained once
    rows = [
        _network_row(n, seconds.get((n.strategy, first if n.draw is None else n.draw)))
        for n in result.networks
    ]
    caption = (
        "Every network: what was trained, and what it cost. CV RMSE chose the design, so it is "
        f"optimistic; in {result.farm.target_unit}."
    )
    return (
        f"{title}<p>The strategies of the published study, each with its own network.</p>"
        f"{bullets(result.strategy_verdicts)}{html_table(head, rows, caption)}"
        '<p><small>Layer by layer: <a href="architectures.csv">CSV</a>, '
        f'<a href="architectures.md">Markdown</a></small></p>{_best_network(result)}</section>'
    )


def _no_networks(result: LocalisationResult) -> str:
    if result.settings.quick or result.settings.network_draws == 0:
        return (
            "No networks were trained: this was the quick way, which leaves them out. To compare "
            "the network strategies too, run the same command without --quick."
        )
    return (
        f"No network was finished ({STOPPED_WORDS[result.stopped]}). Run the same command again, "
        "with a larger --budget, to train them: what is finished is kept."
    )


def _network_row(record: NetworkRecord, seconds: float | None) -> str:
    architecture, recipe = record.design.architecture, record.design.preprocessing
    blocks = f"{len(architecture.conv)} conv, {len(architecture.fc)} FC"
    draw = "all" if record.draw is None else str(record.draw)
    took = MISSING if seconds is None else duration(seconds)
    return (
        f'<tr><th scope="row">{escape(record.strategy)}</th><td class="n">{draw}</td>'
        f'<td class="words">{blocks}<small>{escape(recipe.describe())}</small></td>'
        f'<td class="n">{size(architecture.n_parameters(record.bands))}</td>'
        f'<td class="n">{record.epochs}</td><td class="n">{record.trials or "given"}</td>'
        f'<td class="n">{number(record.cv_rmse)}</td><td class="n">{took}</td></tr>'
    )


def _best_network(result: LocalisationResult) -> str:
    """Return the published table of the best strategy's network, of its first draw."""
    best = best_strategy(result)
    found = [n for n in result.networks if best is not None and n.strategy == best.name]
    if not found:
        return ""
    record = found[0]
    numbers = {"Kernel/Pool size", "Filters/Nodes", "Strides"}
    head = [f'<th scope="col"{" class=n" if n in numbers else ""}>{n}</th>' for n in TABLE_COLUMNS]
    rows = []
    for row in record.design.architecture.table_rows(result.name):
        cells = (
            f"<td{' class=n' if n in numbers else ''}>{escape(row[n]) or MISSING}</td>"
            for n in TABLE_COLUMNS
        )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    where = "" if record.draw is None else f", draw {record.draw}"
    caption = f"The network of {record.strategy}{where}, in the columns of Shen et al. 2022."
    return html_table(head, rows, caption)


def data_section(result: LocalisationResult, figures: Figures) -> str:
    """Return farm and library: what they are, how they were brought together, and figures."""
    steps = (f"Shared bands: {result.aligned}", f"Purge: {result.purged}")
    spectra = spectra_figure(result.library)
    words = f"The {len(result.library.examples)} thin lines are examples."
    words = words if spectra else "There are fewer than two bands to draw."
    library = figures.figure("library-spectra", spectra, ("Spectra of the library", words))
    farm = data_figures(result.farm, figures, rows="farm's rows that have one")
    return (
        f'<section id="data"><h2>The data</h2><h3>The farm</h3>{_table_facts(result.farm)}'
        f"{bullets(result.farm.provenance)}<h3>The library</h3>{_table_facts(result.library)}"
        f"{bullets(result.library.provenance)}<h3>Brought together</h3>{bullets(steps)}"
        f"<p>{_usable(result)}</p>{farm}{library}</section>"
    )


def _table_facts(data: SpectraSummary) -> str:
    extra = f", {count(data.n_unlabelled)} more without a lab value" if data.n_unlabelled else ""
    span = f"{data.axis_low:g} to {data.axis_high:g} {UNIT_SIGNS[data.axis_unit]}"
    return facts(
        [
            ("Samples", f"{count(data.n)} rows with a lab value{extra}"),
            ("Spectra", f"{data.quantity}, {count(data.b)} bands, {span}"),
            ("Fields", _tally(data.fields)),
        ]
    )


def _tally(fields: dict[str, int]) -> str:
    return ", ".join(f"{name} ({count(n)})" for name, n in fields.items())


def _usable(result: LocalisationResult) -> str:
    left = escape(_tally(result.library_fields)) or "none"
    return f"Usable library rows: {count(result.library_rows)}, from {left}."


def honesty_section(result: LocalisationResult) -> str:
    """Return what the numbers mean and what they do not."""
    n = len(result.draws[0].train) if result.draws else result.settings.n
    draws = draw_words([draw.number for draw in result.draws])
    strategies = [m for m in result.models if m.kind == "strategy"]
    sentences = [
        f"Each of the {draws} took {n} rows of the farm to train on, "
        f"{METHODS[result.settings.method]}; all its other rows with a lab value were its test "
        "rows. They were sealed: nothing was fitted, selected or chosen on them, and every model "
        "of a draw was scored on the same ones.",
        f"The intervals are bootstrap intervals over draws and farm rows ({count(BOOTSTRAPS)} "
        "times). The draws share one farm and overlap, so they are not independent trials: the "
        "intervals speak of this farm, not of others.",
        f"{AUTO} was named before any test row was opened. Whoever picks the best of all "
        f"{len(result.models)} models afterwards picks luck too, and gets an optimistic error.",
        "The error on the rows that judged a selection, the inner RMSE and the CV RMSE were "
        "lowered by choosing: they are optimistic, and none is reported as an accuracy.",
        f"Before anything else the farm's own rows were looked for: {result.purged}.",
        "The final model learns from every labelled row, so no row is left to test it on: expect "
        f"about the error that auto has here with {n} training rows. Its intervals are made the "
        "same way as those that were tested on the draws.",
        "RS-Local is built from its publication; the network strategies (DTL-I, DTL-R, DTL-IR) "
        "are our reconstruction from the literature, not the published code.",
    ]
    if strategies and max(len(m.outcomes) for m in strategies) < len(result.draws):
        ran = max(len(m.outcomes) for m in strategies)
        sentences.insert(
            2,
            f"The networks ran on the first {ran} draws only: they are compared with a reference "
            "on those, and their verdicts stand on fewer test rows.",
        )
    if result.stopped != "complete":
        sentences.append(f"Not all was run: {STOPPED_WORDS[result.stopped]}.")
    return honest_section((*sentences, *result.notes))


def reproduce_section(result: LocalisationResult, digest: str) -> str:
    """Return the command, settings, seed, versions, hardware and digests.

    Parameters
    ----------
    result : LocalisationResult
        What to show.
    digest : str
        SHA-256 of the localisation.json that this page was drawn from.
    """
    env = result.environment
    pairs = [
        *machine_facts(env, result.settings.seed),
        ("Started", env.started),
        ("Inputs SHA-256", result.inputs_digest),
        ("Farm SHA-256", result.farm.digest),
        ("Usable library SHA-256", result.library.digest),
        ("localisation.json SHA-256", digest),
    ]
    return (
        '<section id="reproduce"><h2>How to reproduce it</h2><p>The same data, settings, versions '
        "and processor give the same result, unless the time budget ended it. Everything on this "
        'page is a view of <a href="localisation.json">localisation.json</a>.</p>'
        f'{facts(pairs)}<h3>Command</h3><pre tabindex="0"><code>'
        f"{escape(command_words(result))}</code></pre></section>"
    )


def command_words(result: LocalisationResult) -> str:
    """Return the command with every setting written out; files stand for themselves."""
    own = {f.dataset for s in SITES if s.name == result.name for f in s.fields}
    named = bool(own) and set(result.farm.fields) <= own
    data = f"--site {result.name}" if named else "--global LIBRARY --local FARM"
    country = "" if result.country is None else f" --country {shlex.quote(result.country)}"
    target = f"--target {shlex.quote(result.farm.target_name)}{country}"
    return f"autospec localise {data} {target} {settings_words(result.settings)}"


def settings_words(settings: LocaliseSettings) -> str:
    """Return settings as options of ``autospec localise``."""
    options = {
        "n": settings.n,
        "draws": settings.draws,
        "first-draw": settings.first_draw or None,
        "network-draws": settings.network_draws,
        "trust-draws": settings.trust_draws,
        "method": settings.method,
        "k": settings.k,
        "b": settings.b,
        "r": settings.r,
        "trials": settings.trials,
        "architecture": None if settings.architecture == "searched" else settings.architecture,
        "budget": f"{settings.budget_s:g}s",
        "seed": settings.seed,
    }
    words = [f"--{name} {value}" for name, value in options.items() if value is not None]
    return " ".join([*words, *(["--quick"] if settings.quick else [])])
