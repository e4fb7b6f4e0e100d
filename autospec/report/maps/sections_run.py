"""The sections of a report on maps about how it came to be: maps, learning, split, data, trust."""

from __future__ import annotations

import json
from dataclasses import asdict

from autospec import __version__
from autospec.data.maps.times import say_step, say_time
from autospec.evaluate.map_frames import MapFrames
from autospec.evaluate.map_metrics import GROUPS
from autospec.evaluate.map_names import PERSISTENCE
from autospec.report.jobs import MAP_TRAIN_FILE
from autospec.report.maps.animation import still_figure
from autospec.report.maps.figures import dates_figure, loss_figure, roles_figure, watched_figure
from autospec.report.maps.picture import maps_words, median_date
from autospec.report.maps.sections import ENDED, aims_words
from autospec.report.page import Figures, bullets, facts, honest_section
from autospec.report.words import MISSING, count, duration, escape, number, scientific
from autospec.training.map_result import MapTraining
from autospec.training.map_settings import MapSettings

MAP_PAGE = "map.html"
KINDS = {
    "forward": "forward in time: learned from the past, tested on the latest dates",
    "blocks": "whole squares of the map, at all dates",
}
LEARNED_TOO = "Cells that were learned from are among the shown ones: only the tables are honest."


def maps_section(result: MapTraining, frames: MapFrames | None, figures: Figures) -> str:
    """Return one date as maps, and the way to all of them."""
    head = '<section id="maps"><h2>Maps</h2>'
    if frames is None or not frames.dates:
        why = "There are no maps to draw: those of the training were not kept."
        return f'{head}<p class="nothing">{why}</p></section>'
    place = median_date(frames)
    words = f"{maps_words(frames)} {LEARNED_TOO if result.split.kind == 'blocks' else ''}".strip()
    title = f"{say_time(frames.dates[place])}, the date whose error is the median"
    figure = figures.figure("still", still_figure(frames, place), (title, words), "wide")
    many = f"all {len(frames.dates)} dates" if len(frames.dates) > 1 else "the same"
    return (
        f'{head}{figure}<p>See them move: <a href="{MAP_PAGE}">{MAP_PAGE}</a> has {many}.</p>'
        "</section>"
    )


def learning_section(result: MapTraining, figures: Figures) -> str:
    """Return how the network learned."""
    none = "No epoch was run."
    loss, watched = loss_figure(result), watched_figure(result)
    pair = figures.figure(
        "loss", loss, ("Loss", "Of the tiles that were learned from." if loss else none)
    ) + figures.figure(
        "watched",
        watched,
        ("Watched error", "Decides which epoch is kept; never reported." if watched else none),
    )
    seconds = sum(epoch.seconds for epoch in result.epochs)
    terms = result.settings.terms
    named = [name for name in ("pinball", "weighted", "edge") if getattr(terms, name)]
    named += ["season"] if terms.season else []
    pairs = [
        ("Network", network_words(result.settings)),
        ("Parameters", count(result.n_parameters)),
        ("Loss", f"squared error{''.join(f', {name}' for name in named)}; gaps: {terms.gaps}"),
        ("Learning", _learning_words(result.settings)),
        ("Took", f"{count(result.steps)} steps, {duration(seconds)}; {ENDED[result.ended]}"),
    ]
    return (
        f'<section id="learning"><h2>Learning</h2><div class="pair">{pair}</div>{facts(pairs)}'
        '<p><small>The same as a table: <a href="epochs.csv">epochs.csv</a></small></p></section>'
    )


def network_words(settings: MapSettings) -> str:
    """Return the network in words."""
    sizes = settings.sizes
    parts = [
        f"CNN-Transformer, widths {', '.join(map(str, sizes.widths))}",
        f"embedding {sizes.embedding}, {sizes.depth} layers of {sizes.heads} heads",
        f"{'deformable' if sizes.deformable else 'plain'} convolutions",
    ]
    parts += ["edge-preserving refinement"] if sizes.refine else []
    parts += [] if sizes.static_stream else ["static channels join late"]
    parts += (
        ["says the change from the last value"] if sizes.change and settings.aims.horizon else []
    )
    parts += [f"ends in {sizes.final}"] if sizes.final != "none" else []
    return "; ".join(parts)


def _learning_words(settings: MapSettings) -> str:
    c = settings.config
    return (
        f"{ {'adam': 'Adam', 'adamw': 'AdamW'}[c.optimiser] }, learning rate "
        f"{scientific(c.learning_rate)}, {c.schedule} schedule, batches of {c.batch_size} tiles of "
        f"{settings.tile} × {settings.tile} cells and {settings.aims.length} dates"
    )


def split_section(result: MapTraining, figures: Figures) -> str:
    """Return what was held out: a strip of time, or a map of squares."""
    split, settings = result.split, result.settings.split
    pairs = [("Held out", KINDS.get(split.kind, split.kind))]
    if split.kind == "forward":
        parts = (split.fit_dates, split.watch_dates, split.test_dates)
        names = ("Learned from", "Watched", "Sealed")
        pairs += [(name, _dates(dates)) for name, dates in zip(names, parts, strict=True)]
        pairs.append(("Buffer", f"{_plural(settings.buffer, 'step')} before held-out dates"))
        drawn, why = dates_figure(result), "There is no date."
        caption = ("The split in time", "Each mark is a date.")
    else:
        cells = (split.fit_cells, split.watch_cells, split.test_cells)
        names = ("Learned from", "Watched", "Sealed")
        pairs += [(name, f"{count(n)} cells") for name, n in zip(names, cells, strict=True)]
        pairs.append(("Squares", f"{split.block} × {split.block} cells"))
        pairs.append(("Buffer", f"{_plural(settings.buffer, 'cell')} around held-out squares"))
        drawn, why = roles_figure(result), "The map of the squares was not kept."
        caption = ("The split on the map", "North is up.")
    figure = figures.figure("split", drawn, caption if drawn else (caption[0], why))
    return (
        '<section id="split"><h2>The split</h2><p>Neighbouring cells and dates are alike. A model '
        "is only tested on what it does not know if nothing beside it was learned from."
        f"</p>{facts(pairs)}{figure}</section>"
    )


def _dates(dates: tuple[str, ...]) -> str:
    if not dates:
        return "no date"
    return f"{_plural(len(dates), 'date')}, {say_time(dates[0])} to {say_time(dates[-1])}"


def _plural(n: int, thing: str) -> str:
    return f"{count(n)} {thing}{'' if n == 1 else 's'}"


def data_section(result: MapTraining) -> str:
    """Return what the stack was, and where it came from."""
    data = result.data
    t, _, h, w = data.shape
    static = ", ".join(data.static_channels)
    pairs = [
        ("Raster", f"{count(h)} × {count(w)} cells of {data.cell[0]:.6g} × {data.cell[1]:.6g}"),
        ("Coordinates", data.crs),
        (
            "Dates",
            f"{count(t)}, {say_time(data.first_time)} to {say_time(data.last_time)}, a step "
            f"of {say_step(data.step_s)}",
        ),
        ("Gaps in time", f"{count(data.n_gaps)} steps without a date, {count(data.n_empty)} empty"),
        ("Inputs", ", ".join(data.inputs)),
        ("Do not change", static or MISSING),
        ("Targets", f"{', '.join(data.targets)}; {number(data.missing_percent)} % without a value"),
    ]
    if data.synthetic:
        pairs.insert(0, ("Origin", "SYNTHETIC: made up by a program, not measured"))
    return f'<section id="data"><h2>The data</h2>{facts(pairs)}{bullets(data.provenance)}</section>'


def honesty_section(result: MapTraining) -> str:
    """Return what the numbers mean and what they do not."""
    sentences = []
    if result.data.synthetic:
        sentences.append(
            "The data are synthetic. The scores say how the method does on this made-up task, and "
            "nothing of any real place."
        )
    sentences += [
        "The sealed cells and dates were set aside before anything was fitted, and opened when the "
        "training had ended. Watched ones decided only which epoch is kept.",
        "R² is 1 − SSE/SST over all sealed values at once, and so it counts differences between "
        "places and seasons that any map shows. The NSE is the same along time, cell by cell: it "
        "is the stricter one. Pearson's r² does not see bias, and is never called R² here.",
        f"Intervals draw whole {GROUPS[result.split.kind]}s, which is what was held out. Those "
        "beside each other still err alike, so that intervals are rather too narrow than too wide.",
        "They do not cover the choice of the split, nor that of the seed: train with other seeds "
        "before you believe a small difference.",
    ]
    if result.split.kind == "forward":
        sentences.append(
            "The accuracy is that of later dates in places that were learned from. Another region "
            "may be outside of what the network knows."
        )
    else:
        sentences.append(
            "The accuracy is that of squares of the same map at known dates. It says nothing of "
            "later dates, and little of another region."
        )
    if result.settings.aims.horizon and all(m.name != PERSISTENCE for m in result.models):
        sentences.append("Persistence does not stand beside this forecast: compare with it first.")
    return honest_section((*sentences, *result.notes))


def reproduce_section(result: MapTraining, run_digest: str) -> str:
    """Return settings, seed, versions and digests.

    Parameters
    ----------
    run_digest : str
        SHA-256 of the map-train.json that this page was drawn from; may be empty.
    """
    where = f"{result.device}, {result.precision}, processes: {result.processes}"
    pairs = [
        ("Asked for", aims_words(result)),
        ("Seed", str(result.settings.config.seed)),
        ("autospec", f"{__version__} drew this page"),
        ("torch", result.torch),
        ("Ran on", where),
        ("Stack SHA-256", result.data.digest),
        ("Split SHA-256", result.split.digest),
    ]
    if run_digest:
        pairs.append((f"{MAP_TRAIN_FILE} SHA-256", run_digest))
    settings = json.dumps(asdict(result.settings), indent=1, ensure_ascii=False)
    return (
        '<section id="reproduce"><h2>How to reproduce it</h2><p>The same stack, settings, versions '
        "and processor give the same result. Everything on this page is a view of "
        f'<a href="{MAP_TRAIN_FILE}">{MAP_TRAIN_FILE}</a>.</p>{facts(pairs)}<h3>Settings</h3>'
        f'<pre tabindex="0"><code>{escape(settings)}</code></pre></section>'
    )
