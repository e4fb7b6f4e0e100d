"""The study design on one farm: every way to move a library's knowledge, on the same rows.

In the order of the flow: `settings`, `preparation` (tables to rows), `protocol` (draws, sealed test
rows), `members` and `auto` (baselines of a draw), `baseline_draw` and `network_draw` (one draw),
`pieces` (what survives a stop), `comparison` (rows and verdicts), `final_model`, `result`, `job`.
"""
