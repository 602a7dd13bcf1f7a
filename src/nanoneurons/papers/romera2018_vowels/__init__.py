"""Vowel recognition with four coupled spin-torque nano-oscillators (Romera et al. 2018)."""
