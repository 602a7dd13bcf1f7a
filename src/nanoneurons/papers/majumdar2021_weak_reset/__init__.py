"""Majumdar et al. 2021: learning with weak RESET in HfOx resistive memory."""
