"""Laydevant et al. 2021: equilibrium propagation with binary weights, and with binary weights and neurons."""
