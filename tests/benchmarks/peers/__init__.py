"""What `bench_peer_sites.py` runs beside autospec, and what it makes of it."""
