"""Spike-driven equilibrium propagation on MNIST (Martin et al. 2021)."""
