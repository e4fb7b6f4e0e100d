"""The search for a 3D-CNN on cubes: space, score, final evaluation and result."""
