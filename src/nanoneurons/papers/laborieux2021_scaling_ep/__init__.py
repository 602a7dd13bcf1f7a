"""Laborieux et al. 2021: equilibrium propagation in deep convolutional networks, by a less biased estimate."""
