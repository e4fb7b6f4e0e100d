"""What ``autospec search`` can search on, and which of its options belong to which."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from autospec.errors import UsageError

Kind = Literal["spectra", "cubes", "stacks"]
NAMED_BY: dict[Kind, str] = {
    "spectra": "--site NAME or a FILE",
    "cubes": "--cube samples.npz",
    "stacks": "--stack stack.npz",
}
OF_SPECTRA = (
    "file",
    "site",
    "study",
    "target_unit",
    "id_column",
    "group",
    "field",
    "quantity",
    "axis_unit",
    "allow_negative",
    "lab",
    "replicates",
    "repeats",
)
OF_CUBES = ("buffer_km", "block_km", "show_leakage")
OF_STACKS = ("horizon", "length", "tile", "buffer", "block")
BELONG: dict[str, tuple[Kind, ...]] = {
    "folds": ("spectra", "cubes"),
    "split": ("cubes", "stacks"),
    **dict.fromkeys(OF_SPECTRA, ("spectra",)),
    **dict.fromkeys(OF_CUBES, ("cubes",)),
    **dict.fromkeys(OF_STACKS, ("stacks",)),
}
TargetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--target",
        help="Lab value: a column name, or soc, clay, ph. Stacks: a channel, once for each.",
    ),
]


def kind_of(*, cubes: bool, stacks: bool) -> Kind:
    """Return what is searched on.

    Raises
    ------
    UsageError
        If both are named.
    """
    if cubes and stacks:
        raise UsageError(
            "--cube and --stack: want one of them. Samples with lab values are --cube; maps over "
            "time, from which maps are predicted, are --stack."
        )
    if cubes:
        return "cubes"
    return "stacks" if stacks else "spectra"


def refuse_mixed(ctx: typer.Context, kind: Kind) -> None:
    """Refuse options that have no meaning for what is searched on, by name.

    Raises
    ------
    UsageError
        If there are any.
    """
    wrong = [
        parameter
        for parameter in ctx.command.params
        if kind not in BELONG.get(parameter.name or "", (kind,)) and _was_given(ctx, parameter.name)
    ]
    if not wrong:
        return
    names = [p.opts[0] if p.param_type_name == "option" else "FILE" for p in wrong]
    theirs = [k for k in NAMED_BY if any(k in BELONG[p.name or ""] for p in wrong)]
    said = f"{', '.join(names)}: for {' or '.join(theirs)}"
    if kind == "spectra":
        raise UsageError(f"{said}. Name {NAMED_BY[theirs[0]]}, or leave them out.")
    ours = NAMED_BY[kind].split()[0]
    raise UsageError(f"{said}, not for {kind}. Leave them out, or leave out {ours}.")


def one_target(targets: list[str] | None) -> str | None:
    """Return the lab value of spectra or cubes, of which there is one.

    Raises
    ------
    UsageError
        If several are named.
    """
    if targets and len(targets) > 1:
        raise UsageError(
            f"--target {' --target '.join(targets)}: several are for stacks. Name one, and search "
            "once for each."
        )
    return targets[0] if targets else None


def _was_given(ctx: typer.Context, name: str | None) -> bool:
    source = ctx.get_parameter_source(name or "")
    return source is not None and source.name == "COMMANDLINE"
