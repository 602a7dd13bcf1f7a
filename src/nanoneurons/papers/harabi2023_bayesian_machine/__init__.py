"""A Bayesian machine with memristors and its logarithmic successor (Harabi et al. 2023, Turck et al. 2025)."""
