"""The search space of networks of maps: every range in one place, as Optuna distributions.

It holds the preset tiny, and is *static*, as those of spectra and cubes: all parameters are always
suggested, and one that a design has no use for is ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated

from annotated_types import Ge, Le, Len
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.search.maps.design import MapDesign, MapSeen
from autospec.search.space import FloatRange, IntRange, Params, can_propose, whole
from autospec.training.map_settings import MAP_FIT, Gaps, MapTerms

REFERENCE = "preset: tiny"
Switch = Annotated[tuple[bool, ...], Len(1)]
BOTH = (False, True)
AS_PRESET = (True,)  # a switch without a meaning stays as the presets have it
_PLAIN = MapTerms()


@dataclass(frozen=True, slots=True, kw_only=True)
class MapSpace:
    """Ranges (low, high, both included) and choices of a search for networks of maps.

    Parameters
    ----------
    base, embedding, heads : tuple of int
        Choices: filters of the encoder's first level, of which the others have 2, 4 and 8 times as
        many; width of the transformer; its heads. Every width is a multiple of twice every heads.
    depth : (int, int)
        Layers of the transformer.
    dropout : (float, float)
    deformable, static_stream, change : tuple of bool
        As in `CNNTransformerSizes`.
    gaps : tuple of str
    pinball, weighted, edge : tuple of bool
        Terms of the loss (`MapTerms`).
    tau, gamma : (float, float)
        Their numbers; tau is looked at with `pinball` or `weighted`, gamma with `weighted`.
    learning_rate, weight_decay : (float, float)
        Searched on a log scale.
    max_epochs, patience, batch_size : int
        Not searched: the number of epochs is read off the watched curve of each trial.
    """

    base: Annotated[tuple[int, ...], Len(1)] = (8, 16, 24, 32)
    embedding: Annotated[tuple[int, ...], Len(1)] = (64, 128, 256)
    depth: IntRange = (1, 6)
    heads: Annotated[tuple[int, ...], Len(1)] = (2, 4, 8)
    dropout: FloatRange = (0.0, 0.4)
    deformable: Switch = BOTH
    static_stream: Switch = BOTH
    change: Switch = BOTH
    gaps: Annotated[tuple[Gaps, ...], Len(1)] = ("mask", "sentinel")
    pinball: Switch = BOTH
    weighted: Switch = BOTH
    edge: Switch = BOTH
    tau: FloatRange = (0.5, 0.65)
    gamma: FloatRange = (0.0, 4.0)
    learning_rate: FloatRange = (1e-4, 3e-3)
    weight_decay: FloatRange = (1e-6, 1e-2)
    max_epochs: Annotated[int, Ge(1), Le(10_000)] = MAP_FIT.max_epochs
    patience: Annotated[int, Ge(1)] = MAP_FIT.patience
    batch_size: Annotated[int, Ge(1)] = MAP_FIT.batch_size

    def __post_init__(self) -> None:
        """Refuse ranges that hold nothing, and widths that heads cannot share."""
        for name in ("depth", "dropout", "tau", "gamma", "learning_rate", "weight_decay"):
            low, high = getattr(self, name)
            if low > high:
                raise ValueError(f"{name} = {(low, high)}; want (low, high)")
        for name in ("base", "embedding", "heads", "depth"):
            if min(getattr(self, name)) < 1:
                raise ValueError(f"{name} = {getattr(self, name)}; want at least 1")
        if not 0 <= self.dropout[0] <= self.dropout[1] < 1:
            raise ValueError(f"dropout = {self.dropout}; want 0 to below 1")
        if not 0 < self.tau[0] <= self.tau[1] < 1 or self.gamma[0] < 0:
            raise ValueError("want tau between 0 and 1, gamma at least 0")
        if min(self.learning_rate[0], self.weight_decay[0]) <= 0:
            raise ValueError("want learning_rate and weight_decay above 0")
        apart = [(e, n) for e in self.embedding for n in self.heads if e % (2 * n)]
        if apart:
            e, n = apart[0]
            raise ValueError(f"embedding = {e}; want a multiple of twice the heads, {2 * n}")

    def distributions(self) -> dict[str, BaseDistribution]:
        """Return every parameter of the space, used by a design or not, for ``study.ask``."""
        choices = ("base", "embedding", "heads", "deformable", "static_stream", "change", "gaps")
        d: dict[str, BaseDistribution] = {
            name: CategoricalDistribution(getattr(self, name))
            for name in (*choices, "pinball", "weighted", "edge")
        }
        return d | {
            "depth": IntDistribution(*self.depth),
            "dropout": FloatDistribution(*self.dropout),
            "tau": FloatDistribution(*self.tau),
            "gamma": FloatDistribution(*self.gamma),
            "learning_rate": FloatDistribution(*self.learning_rate, log=True),
            "weight_decay": FloatDistribution(*self.weight_decay, log=True),
        }

    def decode(self, params: Mapping[str, object]) -> MapDesign:
        """Turn a trial's parameters into the design they stand for."""
        p: dict[str, object] = dict(params)
        base = whole(p["base"])
        return MapDesign(
            sizes=CNNTransformerSizes(
                widths=(base, 2 * base, 4 * base, 8 * base),
                embedding=whole(p["embedding"]),
                depth=whole(p["depth"]),
                heads=whole(p["heads"]),
                dropout=_number(p["dropout"]),
                deformable=bool(p["deformable"]),
                static_stream=bool(p["static_stream"]),
                change=bool(p["change"]),
            ),
            terms=_terms(p),
            config=replace(
                MAP_FIT,
                learning_rate=_number(p["learning_rate"]),
                weight_decay=_number(p["weight_decay"]),
                max_epochs=self.max_epochs,
                patience=self.patience,
                batch_size=self.batch_size,
                accumulate_to=self.batch_size,
            ),
        )

    def encode(self, design: MapDesign) -> Params:
        """Turn a design into parameters.

        A number that it has no use for is the default, or else the low end of its range.
        ``decode(encode(design)) == design`` for every design within the ranges.
        """
        sizes, terms, config = design.sizes, design.terms, design.config
        return {
            "base": sizes.widths[0],
            "embedding": sizes.embedding,
            "heads": sizes.heads,
            "depth": sizes.depth,
            "dropout": sizes.dropout,
            "deformable": sizes.deformable,
            "static_stream": sizes.static_stream,
            "change": sizes.change,
            "gaps": terms.gaps,
            "pinball": terms.pinball,
            "weighted": terms.weighted,
            "edge": terms.edge,
            "tau": _within(self.tau, terms.tau, used=terms.pinball or terms.weighted),
            "gamma": _within(self.gamma, terms.gamma, used=terms.weighted),
            "learning_rate": config.learning_rate,
            "weight_decay": config.weight_decay,
        }

    def holds(self, design: MapDesign) -> bool:
        """Say whether the space can propose `design`."""
        params = self.encode(design)
        return can_propose(self.distributions(), params) and self.decode(params) == design

    def references(self, seen: MapSeen) -> dict[str, MapDesign]:
        """Return what is tried first, by label: the preset tiny, for stacks of any kind."""
        return {REFERENCE: self.reference_design()}

    def reference_design(self) -> MapDesign:
        """Return the preset tiny as ``autospec train`` would train it."""
        config = replace(
            MAP_FIT,
            max_epochs=self.max_epochs,
            patience=self.patience,
            batch_size=self.batch_size,
            accumulate_to=self.batch_size,
        )
        return MapDesign(sizes=PRESETS["tiny"], terms=_PLAIN, config=config)

    def narrowed(self, seen: MapSeen, *, horizon: int) -> MapSpace:
        """Return the space without choices that make no difference on a stack.

        Parameters
        ----------
        seen : MapSeen
            Without static channels or gaps there is nothing to choose about them.
        horizon : int
            0 leaves nothing to change from.
        """
        space = self
        if not seen.shape.static_channels and AS_PRESET[0] in space.static_stream:
            space = replace(space, static_stream=AS_PRESET)
        if not horizon and AS_PRESET[0] in space.change:
            space = replace(space, change=AS_PRESET)
        if not seen.gappy and _PLAIN.gaps in space.gaps:
            space = replace(space, gaps=(_PLAIN.gaps,))
        return space


def _terms(p: dict[str, object]) -> MapTerms:
    """Return the terms; a number that none of them has a use for is the default."""
    pinball, weighted = bool(p["pinball"]), bool(p["weighted"])
    return MapTerms(
        pinball=pinball,
        weighted=weighted,
        edge=bool(p["edge"]),
        gaps=p["gaps"],  # type: ignore[arg-type]
        tau=_number(p["tau"]) if pinball or weighted else _PLAIN.tau,
        gamma=_number(p["gamma"]) if weighted else _PLAIN.gamma,
    )


def _within(bounds: FloatRange, value: float, *, used: bool) -> float:
    return value if used or bounds[0] <= value <= bounds[1] else bounds[0]


def _number(value: object) -> float:
    assert isinstance(value, int | float)
    return float(value)
