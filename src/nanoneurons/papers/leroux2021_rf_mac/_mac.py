r"""Two spin diodes in series multiply the powers of two tones by weights and add.

.. math:: V = \sum_i W_i P_i, \qquad e = V - K\,(w_1 P_1 + w_2 P_2)

over a grid of powers and weights. The wanted weight :math:`w_i` sets the detuning of diode *i* from its own tone. What
is wrong with V depends on what it is compared with, so three errors are measured, each as r.m.s. over the grid in
percent of the full range of the ideal sum (its largest minus its smallest value):

- ``designed``: weights as each diode alone would have them; the other diode's tail (crosstalk) is then an error,
- ``tuned``: the same, after the resonances were corrected until the weights measured tone by tone are the wanted ones,
- ``calibrated``: the product is taken with weights measured tone by tone at full power; what is left is noise and
  whatever is not linear in power.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from nanoneurons.circuits.rf_chain import RfChain
from nanoneurons.core.random import generator_for
from nanoneurons.devices.spin_diode import SpinDiode
from nanoneurons.layers.spin_diode import SpinDiodeLinear

if TYPE_CHECKING:
    from .experiment import Config

__all__ = ["WIRINGS", "closed_form", "devices_of", "experiment", "measure"]

WIRINGS = ("head-to-tail", "head-to-head")
_CORRECTIONS = 30  # rounds of measuring the weights and correcting the resonances
_LIMIT = 0.999  # of the largest weight: the line is flat at its extremes


def devices_of(config: Config) -> dict[str, SpinDiode]:
    """The device of each condition: one thing wrong at a time."""
    ideal = SpinDiode(damping=config.damping).ideal()
    noisy = ideal.replace(temperature=300.0)
    passive = ideal.nominal_sensitivity * ideal.threshold / config.passive_sensitivity
    spread = {n: getattr(SpinDiode(), n) for n in ("damping_spread", "sensitivity_spread", "tuning_error")}
    return {
        "ideal": ideal,
        "noise": noisy,
        "noise-passive": noisy.replace(threshold=passive),
        "compression": ideal.replace(compression=config.compression / config.full_power),
        "power-law": ideal.replace(exponent=config.exponent, reference_power=config.full_power),
        "spread": ideal.replace(resonance_spread=config.resonance_spread, **spread),
    }


def experiment(config: Config, seed: int) -> dict[str, Any]:
    """Errors of every condition at the configured tones, and against their distance for the ideal device."""
    answer: dict[str, Any] = {}
    for name, device in devices_of(config).items():
        for wiring in WIRINGS:
            answer[f"{name}/{wiring}"] = measure(config, device, config.mac_distance, wiring, seed)
    ideal = devices_of(config)["ideal"]
    for wiring in WIRINGS:
        rows = [measure(config, ideal, n, wiring, seed) for n in config.mac_distances]
        answer[f"distance/{wiring}"] = {kind: [row[kind] for row in rows] for kind in ("designed", "tuned")}
    answer["points"] = _points(config)
    return answer


def measure(config: Config, device: SpinDiode, distance: float, wiring: str, seed: int) -> dict[str, float]:
    """The three errors in percent of the full range.

    Args:
        distance: of the tones in full linewidths 2 alpha f of the lower one.
    """
    layer = _layer(config, device, distance, wiring, seed)
    wanted = _weights(config)
    ideal = _powers(config) @ (device.nominal_sensitivity * wanted).T  # (powers, weights)
    full = float(ideal.max() - ideal.min())

    def error(target: torch.Tensor) -> float:
        return 100 * float((layer.weigh(_powers(config)).detach() - target).square().mean().sqrt()) / full

    _aim(layer, wanted, seed)
    designed = error(ideal)
    calibrated = error(_powers(config) @ _measured(config, layer).transpose(-2, -1))
    _correct(config, layer, wanted, seed)
    return {"designed": designed, "calibrated": calibrated, "tuned": error(ideal)}


def closed_form(config: Config, distance: float, wiring: str) -> float:
    r"""Error of the ideal device as designed, from the tails :math:`2\alpha f_r/\Delta f` alone, in percent.

    Tails of both diodes add head to tail and subtract head to head; powers are independent and uniform on the grid.
    """
    low, high = _tones(config, distance)
    gap = high - low
    first, second = 2 * config.damping * high / gap, 2 * config.damping * low / gap
    levels = torch.linspace(0, 1, config.mac_powers, dtype=torch.float64)
    square, mean = float((levels**2).mean()), float(levels.mean())
    sign = 1 if wiring == "head-to-tail" else -1
    rms = math.sqrt((first**2 + second**2) * square + 2 * sign * first * second * mean**2)
    return 100 * rms / (4 * config.largest_weight)


def _tones(config: Config, distance: float) -> tuple[float, float]:
    return config.mac_tone, config.mac_tone * (1 + 2 * config.damping * distance)


def _weights(config: Config) -> torch.Tensor:
    """All pairs of weights, ``(pairs, 2)``, over the sensitivity."""
    levels = torch.linspace(-1, 1, config.mac_weights, dtype=torch.float64) * config.largest_weight
    return torch.cartesian_prod(levels, levels)


def _powers(config: Config) -> torch.Tensor:
    """All pairs of powers, ``(pairs, 2)``, W."""
    levels = torch.linspace(0, config.full_power, config.mac_powers, dtype=torch.float64)
    return torch.cartesian_prod(levels, levels)


def _layer(config: Config, device: SpinDiode, distance: float, wiring: str, seed: int) -> SpinDiodeLinear:
    """One chain per pair of weights; chips side by side if devices spread."""
    tones = torch.tensor(_tones(config, distance), dtype=torch.float64)
    chips = config.mac_chips if device.resonance_spread else None
    circuit = RfChain(device, wiring=wiring)
    layer = SpinDiodeLinear(2, config.mac_weights**2, bias=False, circuit=circuit, chips=chips, seed=seed, tones=tones)
    layer.fabricate(generator_for(seed, "mac chips"))
    return layer.double()


def _aim(layer: SpinDiodeLinear, weights: torch.Tensor, seed: int) -> None:
    """Tune each resonance to the detuning at which the diode alone has its weight, seen in its spectrum or not."""
    layer.program(_resonance(layer, weights), generator_for(seed, "aim"))


def _resonance(layer: SpinDiodeLinear, weights: torch.Tensor) -> torch.Tensor:
    """Resonance in Hz at which a nominal diode, with its sign in the chain, gives its tone this weight over K."""
    chain = layer.chain
    w = (weights * chain.sign(2, weights)).clamp(-_LIMIT, _LIMIT)
    detuning = w / (1 + torch.sqrt(1 - w * w))  # half linewidths, the solution of 2 x / (1 + x^2) = w nearer to 0
    target = layer.centres.double() / (1 + chain.device.nominal_damping * detuning)
    return target.expand(layer.resonance.shape)


def _measured(config: Config, layer: SpinDiodeLinear) -> torch.Tensor:
    """Weights in V/W of each chain, from one tone at full power at a time; averaged long enough to be free of noise."""
    layer.noisy_reads = False
    found = layer.weigh(torch.eye(2, dtype=torch.float64) * config.full_power).detach() / config.full_power
    layer.noisy_reads = True
    return found.transpose(-2, -1)


def _correct(config: Config, layer: SpinDiodeLinear, wanted: torch.Tensor, seed: int) -> None:
    """Correct resonances: first by their spectra, then until the measured weights are the wanted ones."""
    draw = generator_for(seed, "correct")
    device = layer.chain.device
    off = device.read(layer.state).double() - layer.resonance.detach()  # what fabrication did, seen in the spectrum
    aim = wanted.expand(layer.resonance.shape).clone()
    for _ in range(_CORRECTIONS):
        layer.program(_resonance(layer, aim) - off, draw)
        aim += 0.5 * (wanted - _measured(config, layer) / device.nominal_sensitivity)
        aim.clamp_(-1, 1)
    layer.program(_resonance(layer, aim) - off, draw)


def _points(config: Config) -> dict[str, list[list[float]]]:
    """Ideal sum and voltage in mV of the ideal device, at the configured distance and at a near one."""
    device = devices_of(config)["ideal"]
    found = {}
    for name, distance in (("near", config.near_distance), ("far", config.mac_distance)):
        layer = _layer(config, device, distance, WIRINGS[0], 0)
        _aim(layer, _weights(config), 0)
        ideal = _powers(config) @ (device.nominal_sensitivity * _weights(config)).T
        voltage = layer.weigh(_powers(config)).detach()
        pick = np.random.default_rng(0).choice(ideal.numel(), min(800, ideal.numel()), replace=False)
        found[name] = [(1e3 * t.flatten()[pick]).tolist() for t in (ideal, voltage)]
    return found
