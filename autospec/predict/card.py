"""`MODEL.md`: a kept model in words for whoever finds its file; nothing is computed here."""

from __future__ import annotations

from autospec.data.spectra import AXIS_NAMES
from autospec.evaluate.conformal import DEFAULT_LEVEL, highest_level
from autospec.predict.card_text import safe, span, table
from autospec.predict.cube_card import Sections, cube_sections
from autospec.predict.document import (
    Accuracy,
    Bundle,
    CubeBundle,
    MapBundle,
    ModelBundle,
    PointBundle,
)
from autospec.predict.document_text import document_digest
from autospec.predict.map_card import map_sections
from autospec.predict.nodes import KernelExpansion, parts

JOBS = {
    "search": "`autospec search`",
    "localise": "`autospec localise`",
    "train": "`autospec train`",
    "api": "the Python interface",
}
IN_PRACTICE: dict[type, str] = {
    ModelBundle: (
        "; in practice it is about the level: those of `autospec localise` held 91 % on average "
        "over the 15 embedded farms, 89 to 95 % on single farms (docs/results.md)."
    ),
    CubeBundle: (
        ". The rows were held out as whole squares or dates, unless the limits below say not, "
        "so the intervals are made for places or dates that are as far away."
    ),
}


def card_name(stem: str) -> str:
    """Return the name of the card of the model file ``stem.safetensors``."""
    return "MODEL.md" if stem == "model" else f"MODEL-{stem}.md"


def model_card(bundle: Bundle, file_name: str = "model.safetensors") -> str:
    """Return the card of a model as Markdown.

    Parameters
    ----------
    bundle : ModelBundle, CubeBundle or MapBundle
    file_name : str
        Of its file, for the examples.
    """
    if isinstance(bundle, MapBundle):
        sections = _of_maps(bundle, file_name)
    else:
        sections = _of_samples(bundle, file_name)
    lines = [f"# {bundle.name}"]
    for title, text in sections.items():
        lines += ["", f"## {title}", "", *text]
    return "\n".join(lines) + "\n"


def _of_samples(bundle: PointBundle, file_name: str) -> dict[str, list[str]]:
    if isinstance(bundle, CubeBundle):
        what, data, domain, limits, use, inside = cube_sections(bundle, file_name)
    else:
        what, data, domain, limits, use, inside = _spectra_sections(bundle, file_name)
    return {
        "What it predicts": what,
        "How it was made": _how(bundle),
        "The data": [*data, *_sources(bundle)],
        "Accuracy": _accuracy(bundle),
        "Intervals": _intervals(bundle),
        "Domain": [*domain, *_counted(bundle)],
        "When not to trust it": [*_limits(bundle), *limits, *_told(bundle)],
        "How to use it": use,
        "What is inside": inside,
        "Versions": _versions(bundle),
    }


def _of_maps(bundle: MapBundle, file_name: str) -> dict[str, list[str]]:
    own = map_sections(bundle, file_name)
    return {
        "What it predicts": own["What it predicts"],
        "How it was made": _how(bundle),
        "The data": [*own["The data"], *_sources(bundle)],
        "Accuracy": _accuracy(bundle),
        "When not to trust it": [*own["When not to trust it"], *_told(bundle)],
        "How to use it": own["How to use it"],
        "What is inside": own["What is inside"],
        "Versions": _versions(bundle),
    }


def _spectra_sections(bundle: ModelBundle, file_name: str) -> Sections:
    limits = [
        "- On another instrument, another way of drying and grinding, other soils: a few samples "
        "with lab values will tell."
    ]
    return (
        _what(bundle),
        _data(bundle),
        _domain(bundle),
        limits,
        _use(file_name),
        _inside(bundle),
    )


def _what(bundle: ModelBundle) -> list[str]:
    axis = bundle.axis
    return [
        f"**{safe(bundle.target_name)}** in **{safe(bundle.target_unit) or 'no unit'}**, from "
        f"{bundle.quantity} spectra at {len(axis)} bands, {AXIS_NAMES[bundle.axis_unit]} "
        f"{axis[0]:g} to {axis[-1]:g}. Spectra on other bands of that range are brought onto "
        "these by value."
    ]


def _how(bundle: Bundle) -> list[str]:
    provenance = bundle.provenance
    lines = [f"{safe(bundle.model_kind)}. Made by {JOBS[provenance.job]} on {bundle.made}."]
    return lines + [f"Run `{safe(run)}`." for run in provenance.runs]


def _data(bundle: ModelBundle) -> list[str]:
    provenance, lab = bundle.provenance, bundle.lab
    fields = ", ".join(f"{safe(name)} ({n})" for name, n in provenance.fields.items())
    return [
        f"It learned from {bundle.n_train} rows of {fields or 'no named field'}. Their lab values "
        f"run from {lab.lowest:.4g} to {lab.highest:.4g} {safe(bundle.target_unit)}, the median "
        f"is {lab.median:.4g}."
    ]


def _sources(bundle: Bundle) -> list[str]:
    provenance, what = bundle.provenance, "stack" if isinstance(bundle, MapBundle) else "rows"
    return [
        "",
        *(f"- {safe(sentence)}" for sentence in provenance.sources),
        f"- SHA-256 of the {what}: `{provenance.data_digest}`",
    ]


def _accuracy(bundle: Bundle) -> list[str]:
    if not bundle.accuracy:
        known = (
            "Compare its maps with values that it did not learn from"
            if isinstance(bundle, MapBundle)
            else "Predict samples that you have lab values of"
        )
        return [f"Not measured. {known} before you rely on it."]
    return table(
        ("number", "value", "95 % interval", "measured on"), [_record(r) for r in bundle.accuracy]
    )


def _record(record: Accuracy) -> tuple[str, ...]:
    interval = "" if record.low is None or record.high is None else span(record.low, record.high)
    unit = f" {safe(record.unit)}" if record.unit else ""
    return safe(record.what), f"{record.value:.3g}{unit}", interval, safe(record.rows)


def _intervals(bundle: PointBundle) -> list[str]:
    n = bundle.calibration.n
    most = int(highest_level(n) * 1000) / 10
    lines = [
        f"Intervals are CV+ (https://doi.org/10.1214/20-AOS1965) from {n} rows and "
        f"{len(bundle.twins)} twins of the model, each of which missed a part of them. They "
        "are made to hold about the level of new samples of the same kind. What is proven for CV+ "
        "is 1 − 2·(1 − level), 80 % for 90 %, and less with few folds"
        f"{IN_PRACTICE[type(bundle)]} Levels up to {most:g} % can be "
        f"asked for; the usual one is {100 * DEFAULT_LEVEL:g} %."
    ]
    trust = bundle.trust
    if trust is not None:
        told = f": {safe(bundle.trust_rows)}" if bundle.trust_rows else ""
        share = span(100 * trust.covered_low, 100 * trust.covered_high)
        lines += [
            "",
            f"Counted on {trust.rows} rows{told}. Intervals made to hold "
            f"{100 * trust.level:g} % of lab values held {100 * trust.covered:.3g} % (95 % "
            f"interval {share} %); their mean width was "
            f"{trust.mean_width:.3g} {safe(bundle.target_unit)}.",
        ]
    return lines


def _domain(bundle: ModelBundle) -> list[str]:
    return [
        "A spectrum is out of the domain if it is unlike those that the model learned from. Three "
        "distances say so: Q, T² and the distance to the nearest training spectrum. Limits: "
        + ", ".join(
            f"{name} {limit:.3g}"
            for name, limit in zip(("Q", "T²", "nearest"), bundle.domain.limits, strict=True)
        )
        + ". About 5 % of new samples of the same kind are out of it too."
    ]


def _counted(bundle: PointBundle) -> list[str]:
    trust = bundle.trust
    if trust is None:
        return []
    unit = safe(bundle.target_unit)
    parts = (
        ("inside", trust.inside, trust.rmse_inside),
        ("outside", trust.rows - trust.inside, trust.rmse_outside),
    )
    told = [f"{n} {word}: RMSE {rmse:.3g} {unit}" for word, n, rmse in parts if rmse is not None]
    return ["", f"Of the {trust.rows} rows that intervals were counted on: {'; '.join(told)}."]


def _limits(bundle: PointBundle) -> list[str]:
    lab = bundle.lab
    return [
        "- Where `in_domain` is no: neither the prediction nor its interval is to be relied on.",
        f"- Beyond lab values of {span(lab.lowest, lab.highest)} {safe(bundle.target_unit)}: it "
        "learned nothing there.",
    ]


def _told(bundle: Bundle) -> list[str]:
    return [f"- {safe(sentence)}" for sentence in bundle.limits]


def _use(file_name: str) -> list[str]:
    return [
        "```bash",
        "pip install autospec-soil",
        f"autospec predict {file_name} scans.csv -o predictions.csv",
        "```",
        "",
        "```python",
        "import autospec",
        "",
        f'model = autospec.load_model("{file_name}")',
        'scans = autospec.read_spectra("scans.csv", autospec.ReadOptions(need_target=False))',
        "found = autospec.predict(model, scans)",
        "found.predicted, found.lower, found.upper, found.in_domain",
        "```",
    ]


def _inside(bundle: ModelBundle) -> list[str]:
    kernels = any(isinstance(part, KernelExpansion) for part in parts(bundle.model))
    whole = ", and preprocessed spectra of some (its kernel model reads them)" if kernels else ""
    return [
        f"The file holds the model's numbers, {bundle.calibration.n} lab values of rows that it "
        "learned from, and these rows' spectra in compressed form: scores of "
        f"{len(bundle.domain.space.sd)} principal components{whole}. Pass it on only to whom you "
        "would show these. It holds no sample names and no code, and nothing in it is ever run."
    ]


def _versions(bundle: Bundle) -> list[str]:
    provenance = bundle.provenance
    packages = ", ".join(f"{safe(k)} {safe(v)}" for k, v in provenance.packages.items())
    return [
        f"autospec {safe(provenance.autospec)}, Python {safe(provenance.python)}, {packages}; "
        f"schema {bundle.schema_version}. SHA-256 of the document: `{document_digest(bundle)}`"
    ]
