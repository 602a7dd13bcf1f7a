"""Two-layer network of magnetic tunnel junctions with radio-frequency connections (Ross et al. 2023)."""
