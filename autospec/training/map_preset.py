"""`map_preset`: which network of maps, and which loss, a name or parsed JSON asks for."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from autospec.nets.map_sizes import PRESETS, CNNTransformerSizes
from autospec.training.map_settings import MapTerms

PARTS = ("sizes", "terms")
EXAMPLE = "docs/maps.md has an example"
T = TypeVar("T", bound=CNNTransformerSizes | MapTerms)


@dataclass(frozen=True, slots=True, kw_only=True)
class MapPreset:
    """A network, and what it minimises."""

    sizes: CNNTransformerSizes
    terms: MapTerms = field(default_factory=MapTerms)


def map_preset(data: Any) -> MapPreset:  # noqa: ANN401 (parsed JSON)
    """Return what a name or parsed JSON asks for.

    Parameters
    ----------
    data : str or parsed JSON
        "tiny", "small" or "v8"; an object with "sizes", one of these names or the fields of
        `CNNTransformerSizes`, and "terms", fields of `MapTerms`, either of which may be left out;
        or a map-train.json, whose settings have both, or a search's best_architecture.json.

    Raises
    ------
    ValueError
        If a name, a field or a value is unknown or impossible; says which.
    """
    if isinstance(data, str):
        return MapPreset(sizes=_sizes(data))
    if not isinstance(data, dict):
        raise ValueError(f"want an object with {' and '.join(PARTS)}; {EXAMPLE}")
    for key in ("settings", "design"):
        if isinstance(data.get(key), dict):
            data = {part: data[key].get(part, {}) for part in PARTS}
    unknown = sorted(set(data) - set(PARTS))
    if unknown or not data:
        what = f"{unknown[0]!r}: no such part" if unknown else "nothing in it"
        raise ValueError(f"{what}; want {' and '.join(PARTS)}; {EXAMPLE}")
    return MapPreset(
        sizes=_sizes(data.get("sizes", "tiny")),
        terms=_checked(MapTerms, data.get("terms", {}), "terms"),
    )


def _sizes(data: Any) -> CNNTransformerSizes:  # noqa: ANN401 (parsed JSON)
    if isinstance(data, str):
        if data not in PRESETS:
            raise ValueError(f"{data!r}: no such preset; want {', '.join(PRESETS)}")
        return PRESETS[data]
    return _checked(CNNTransformerSizes, data, "sizes")


def _checked(kind: type[T], data: Any, part: str) -> T:  # noqa: ANN401 (parsed JSON)
    names = [field.name for field in fields(kind)]
    unknown = [name for name in data if name not in names] if isinstance(data, dict) else []
    if unknown:
        raise ValueError(f"{part}.{unknown[0]}: no such field; want {', '.join(names)}; {EXAMPLE}")
    try:
        checked: T = TypeAdapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join((part, *(str(place) for place in first["loc"])))
        raise ValueError(f"{where}: {first['msg']}; {EXAMPLE}") from error
    return checked
