"""Vodenicarevic et al. 2017: synchronisation patterns of weakly coupled oscillators as classes."""
