"""The study design on one farm: every way to move a library's knowledge, on the same rows.

In the order of the flow: `settings`; `preparation` (tables to rows), `farm`, `protocol` (draws,
sealed test rows); `candidates`, `members`, `auto` (the baselines); `baseline_draw`, `network_draw`,
`network_stage` (draw by draw), `pieces` (what survives a stop); `comparison` (rows and verdicts),
`final_model`, `remarks`, `result`; `job` runs it all.
"""
