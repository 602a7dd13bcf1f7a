"""Equilibrium propagation on MNIST (Scellier and Bengio 2017)."""
