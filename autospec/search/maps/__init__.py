"""Search of networks of maps over time: space, objective, the job, its result."""
