"""Multiply-and-accumulate on radio-frequency signals by spin diodes (Leroux et al. 2021)."""
