"""Laborieux and Zenke 2022: holomorphic equilibrium propagation, and what noise in the neurons costs each estimator."""
