"""The names of the models that maps stand beside, as results and reports have them."""

from __future__ import annotations

MEAN, PERSISTENCE, RIDGE = "mean", "persistence", "ridge"
PATCH_RIDGE, PATCH_FOREST = "ridge on patches", "random forest on patches"
