"""Parameters, random streams, registry, energy counts, errors: what everything else stands on."""
