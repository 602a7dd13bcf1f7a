"""Drouhin et al. 2022: many behaviours of spiking neurons in one NbOx device."""
