"""Cubes: windows of gridded data over space and time, and the raster stacks they are cut from."""
