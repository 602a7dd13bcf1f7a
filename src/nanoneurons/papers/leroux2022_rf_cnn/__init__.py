"""Leroux et al. 2022: convolutional networks of radio-frequency spintronic devices."""
