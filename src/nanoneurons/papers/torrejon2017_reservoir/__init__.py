"""Torrejon et al. 2017: one magnetic oscillator as a reservoir; see `experiment`."""
