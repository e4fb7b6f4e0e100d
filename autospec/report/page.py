"""The frame of report.html: head, content security policy, figures and tables as HTML; no study.

Nothing on the page is fetched from a network: the policy forbids it, and Plotly lies beside it.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import plotly.graph_objects as go
import plotly.io
from plotly.offline import get_plotlyjs

from autospec.data.writing import write_once, write_text
from autospec.report.words import escape
from autospec.search.result import Environment

PLOTLY_ASSET = "assets/plotly.min.js"
_HERE = Path(__file__).parent
_JSON_ESCAPES = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028"}
_JSON_ESCAPES |= {"\u2029": "\\u2029"}


@dataclass(slots=True)
class Figures:
    """The figures of one page, each stored once as JSON and named in order."""

    blocks: list[str] = field(default_factory=list)

    def plot(self, name: str, figure: go.Figure) -> str:
        """Keep `figure` and return the ``<div>`` it will be drawn in.

        Parameters
        ----------
        name : str
            Ours, never from data: it becomes an id and a file name.
        """
        key = f"figure-{len(self.blocks) + 1}-{name}"
        self.blocks.append(
            f'<script type="application/json" id="{key}">{figure_json(figure)}</script>'
        )
        height = int(figure.layout.height or 400)
        return f'<div class="plot" data-figure="{key}" style="min-height:{height}px"></div>'

    def figure(
        self, name: str, figure: go.Figure | None, caption: tuple[str, str], css: str = ""
    ) -> str:
        """Return a ``<figure>``; where there is nothing to draw, the caption says why.

        Parameters
        ----------
        name : str
            Ours, as in `plot`.
        figure : go.Figure or None
            What to draw.
        caption : (str, str)
            A title and a sentence, both plain text; for None, the reason.
        css : str
            Class names.
        """
        title, sentence = escape(caption[0]), escape(caption[1])
        if figure is None:
            return f'<p class="nothing"><b>{title}.</b> {sentence}</p>'
        plot = self.plot(name, figure)
        plot = f'<div class="wide" tabindex="0">{plot}</div>' if css == "wide" else plot
        return (
            f'<figure class="{css}"><figcaption><b>{title}</b>{sentence}</figcaption>'
            f"{plot}</figure>"
        )


def figure_json(figure: go.Figure) -> str:
    """Return a figure as JSON that no HTML parser can leave: ``<``, ``>`` and ``&`` are escaped."""
    text = str(plotly.io.to_json(figure, validate=True, engine="json"))
    for sign, escaped in _JSON_ESCAPES.items():
        text = text.replace(sign, escaped)
    return text


def html_table(head: Sequence[str], rows: Sequence[str], caption: str) -> str:
    """Return a table that scrolls inside its own box.

    Parameters
    ----------
    head : sequence of str
        ``<th>`` elements.
    rows : sequence of str
        ``<tr>`` elements.
    caption : str
        Plain text.
    """
    name = escape(caption.split(".")[0])
    return (
        f'<div class="box"><p class="caption">{escape(caption)}</p>'
        f'<div class="scroll" tabindex="0" role="region" aria-label="{name}"><table>'
        f"<thead><tr>{''.join(head)}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )


def bullets(sentences: Sequence[str]) -> str:
    """Return plain sentences as a list; empty if there are none."""
    items = "".join(f"<li>{escape(sentence)}</li>" for sentence in sentences)
    return f'<ul class="plain">{items}</ul>' if items else ""


def facts(pairs: Sequence[tuple[str, str]]) -> str:
    """Return names and plain-text values as a definition list."""
    rows = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in pairs)
    return f'<dl class="facts">{rows}</dl>'


def report_body(header: str, sections: Sequence[str], version: str) -> str:
    """Return the body of a report: its header, its sections, and the footer of every report."""
    footer = (
        f"<footer><div>autospec {escape(version)}. This page loads nothing "
        "from a network.</div></footer>"
    )
    noscript = "<noscript><p>The figures need JavaScript; the tables do not.</p></noscript>"
    return f"{header}<main>{noscript}{''.join(sections)}</main>{footer}"


def honest_section(sentences: Iterable[str]) -> str:
    """Return the section that says how far a report can be trusted; the sentences are escaped."""
    return (
        '<section id="honesty"><div class="honest"><h2>How far to trust it</h2>'
        f"<ul>{''.join(f'<li>{escape(s)}</li>' for s in sentences)}</ul></div>"
        "</section>"
    )


def machine_facts(environment: Environment, seed: int) -> list[tuple[str, str]]:
    """Return seed, versions and machine as pairs for a table of facts."""
    env = environment
    packages = ", ".join(f"{name} {version}" for name, version in env.packages.items())
    return [
        ("Seed", str(seed)),
        ("autospec", env.autospec),
        ("Python", f"{env.python}; {packages}"),
        ("Machine", f"{env.platform}; {env.processor}, {env.cpu_count} cores"),
        ("Ran on", f"{env.device}, {env.threads} threads"),
    ]


def html_page(title: str, body: str, figures: Figures, *, plotly_js: str = "") -> str:
    """Return the whole page.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML: header, main and footer.
    figures : Figures
        Whose divs are in `body`.
    plotly_js : str
        Plotly's own source, to have it inside the page; by default it lies beside, once a folder.
    """
    css = (_HERE / "page.css").read_text(encoding="utf-8")
    script = (_HERE / "page.js").read_text(encoding="utf-8")
    sources = [_source(code) for code in (script, plotly_js) if code]
    plotly_tag = f'<script src="{PLOTLY_ASSET}"></script>'
    if plotly_js:
        plotly_tag = f"<script>{plotly_js}</script>"
    else:
        sources += ["'self'", "file:"]
    # Plotly sets style attributes. "file:" is for browsers in which 'self' does not match it.
    policy = (
        f"default-src 'none'; script-src {' '.join(sources)}; "
        "style-src 'unsafe-inline'; img-src data: blob:; connect-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>\n{css}</style>\n</head>\n<body>\n{body}\n"
        + "\n".join(figures.blocks)
        + f"\n{plotly_tag}\n<script>{script}</script>\n</body>\n</html>\n"
    )


def write_files(folder: Path, texts: Mapping[str, str]) -> tuple[Path, ...]:
    """Write Plotly's source, and then texts by name, each whole or not at all; return their paths.

    Raises
    ------
    OutputError
        If a file cannot be written.
    """
    write_once(folder / PLOTLY_ASSET, get_plotlyjs().encode())
    for name, text in texts.items():
        write_text(folder / name, text)
    return tuple(folder / name for name in texts)


def _source(code: str) -> str:
    """Return the policy's name for one inline script: its digest, so that no other can run."""
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return f"'sha256-{digest}'"
