"""Equations without a named device: noise laws, distributions, error rates."""
