"""Ernoult et al. 2019: updates of equilibrium propagation match gradients of backpropagation through time."""
