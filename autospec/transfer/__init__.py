"""Ways to move knowledge from a library to a farm; the study that runs them is `localisation`.

Which rows: `purge`, `rs_local` with `selection`, `draws`, `rotation`, `pls`, `tuning`, `selector`;
what the selection is like: `alignment`, `alignment_result`, `two_sample`, `provenance`. Networks:
`strategies`, `networks`, `fine_tuning`, `network_settings`. Cheaper ways: `spiking`, `memory`,
`library_prior`.
"""
