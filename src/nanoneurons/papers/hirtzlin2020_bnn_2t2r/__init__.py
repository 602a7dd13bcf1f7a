"""Bocquet et al. 2018, Hirtzlin et al. 2020: binarized networks in differential (2T2R) HfOx memory."""
