"""Damage to sound files: a recipe of a few bytes says what is changed where; no tests here.

One recipe serves every driver: hypothesis draws and shrinks it, the campaign takes random bytes,
and atheris mutates it by what it reaches.
"""

from __future__ import annotations

import json
import re
from typing import Any

STEP = 6  # bytes of a recipe for one change
_WHOLE = (0, 1, 2, 7, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**31, 2**32 - 1)
_WIDE = (*_WHOLE, 2**33, 2**40, 2**47, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
TOKENS = (b"", b"0", b"-1", b"1e308", b"1e-320", b"nan", b"-inf", b"9" * 20, b"null", b"true",
          b"[]", b"{}", b'""', b'"', b"\x00", b"\xff\xfe", b"\r", b"\n\n", b",", b";", b"\t",
          b"=1+1", "\u0663".encode(), "\u202e".encode(), b"[[[[", b"2**99", b"../",
          b"1900-02-30")  # fmt: skip
VALUES = ("null", "true", "0", "-1", "2147483648", "1e30", "1.5", "1e308", '""', '"x"', '"nan"',
          '"-1"', '"../x"', '"<b>"', "[]", "[0]", "{}", '{"a": 1}', "[[[]]]", '"\\u0000"',
          "9" * 400)  # fmt: skip
_DIGITS = re.compile(rb"\d+")


def damaged(content: bytes, recipe: bytes) -> bytes:
    """Return the content with a change for every six bytes of the recipe."""
    out = bytearray(content)
    for start in range(0, len(recipe) - STEP + 1, STEP):
        kind, side, *rest = recipe[start : start + STEP]
        _change(out, kind % 10, _place(len(out), side, rest), rest)
    return bytes(out)


def _place(size: int, side: int, rest: list[int]) -> int:
    """Choose a place: in the first or last KiB as often as anywhere, for there are the headers."""
    at = int.from_bytes(rest[:2], "little") / 65536
    span = min(size, 1024)
    if side % 4 == 0:
        return int(at * span)
    if side % 4 == 1:
        return size - span + int(at * span)
    return int(at * size)


def _change(out: bytearray, kind: int, at: int, rest: list[int]) -> None:
    value = rest[3]
    if kind in (0, 1, 2):
        out[at : at + 1] = bytes([value]) if kind else bytes([(out[at : at + 1] or b"\0")[0] ^ 128])
    elif kind == 3:
        out[at : at + 4] = _WHOLE[value % len(_WHOLE)].to_bytes(4, "little")
    elif kind == 4:
        out[at : at + 8] = _WIDE[value % len(_WIDE)].to_bytes(8, "little")
    elif kind == 5:
        out[at : at + 4] = _WHOLE[value % len(_WHOLE)].to_bytes(4, "big")
    elif kind == 6:
        if value % 4:
            del out[at : at + value]
        else:
            del out[at:]
    elif kind == 7:
        out[at:at] = out[max(0, at - value) : at]
    elif kind == 8:
        out[at:at] = TOKENS[value % len(TOKENS)]
    elif found := _DIGITS.search(bytes(out[at : at + 4096])):
        out[at + found.start() : at + found.end()] = TOKENS[value % len(TOKENS)]


def damaged_footer(content: bytes, recipe: bytes) -> bytes:
    """Return a Parquet file in which a byte of the footer is another for every change."""
    out = bytearray(content)
    size = int.from_bytes(content[-8:-4], "little")
    for start in range(0, len(recipe) - STEP + 1, STEP):
        change = recipe[start : start + STEP]
        at = int.from_bytes(change[2:4], "little") % size
        out[len(out) - 8 - size + at] = change[5]
    return bytes(out)


def damaged_json(content: bytes, recipe: bytes) -> bytes:
    """Return JSON in which a value or a key is another for every six bytes of the recipe."""
    whole: Any = json.loads(content)
    for start in range(0, len(recipe) - STEP + 1, STEP):
        kind, _, *rest = recipe[start : start + STEP]
        _change_value(whole, kind, rest)
    return json.dumps(whole).encode()


def _change_value(whole: Any, kind: int, rest: list[int]) -> None:
    """Walk down to some place, and put something else there."""
    node, depth = whole, 0
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = keys[(rest[depth % 3] + 31 * depth) % len(keys)]
        inner = node[key]
        if not isinstance(inner, dict | list) or not inner or rest[depth % 3] * 7 % 5 == depth % 5:
            break
        node, depth = inner, depth + 1
    if kind % 4 == 0:
        del node[key]
    elif kind % 4 == 1 and isinstance(node, list):
        node.append(json.loads(json.dumps(inner)))
    elif kind % 4 == 1:
        node["x" + str(key)] = json.loads(json.dumps(inner))
    else:
        node[key] = json.loads(VALUES[rest[3] % len(VALUES)])
