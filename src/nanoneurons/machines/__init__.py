"""Finished architectures and what turns data into them and them into hardware: the Bayesian machine."""
