"""Rasters over time as a question to a network: sequences, splits, tiles, scaling."""
