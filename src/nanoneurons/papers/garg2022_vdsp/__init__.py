"""Unsupervised learning of digits by voltage-dependent synaptic plasticity (Garg et al. 2022)."""
