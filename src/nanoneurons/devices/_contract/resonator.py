"""What a resonator must keep besides: the line it declares, tuning within its range, a detector's power law."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._kinds import ResonatorDevice

from ._common import ContractError, fresh, require, same, stepped

__all__ = ["RESONATOR"]

CELLS = (2, 3)
TENSORS = ("nominal", "deviation", "shift", "damping", "sensitivity")
ROUNDING = 1e-5  # relative, of resonances in single precision over a line of one per cent


def declares_its_band(device: ResonatorDevice) -> None:
    """Driven and read in Hz; band, tuning, damping and sensitivity are ordered and positive."""
    require((device.drive_unit, device.read_unit) == ("Hz", "Hz"), device, "must be driven and read in Hz")
    low, high = device.frequency_range()
    require(0 < low < high < math.inf, device, f"frequency range ({low}, {high}) Hz is not ordered")
    require(0 < device.tuning_range < 1, device, f"tuning range {device.tuning_range} is no share of the resonance")
    require(0 < device.nominal_damping < 1, device, f"damping {device.nominal_damping} is no share of the resonance")
    require(0 < device.nominal_sensitivity < math.inf, device, "sensitivity must be positive")
    require(0 <= device.noise_voltage() < math.inf, device, "noise voltage must not be negative")
    require(bool(device.default_rule), device, "needs a default rule")


def state_has_what_circuits_need(device: ResonatorDevice) -> None:
    """The five tensors of a resonator are there, with positive resonance, damping and sensitivity."""
    for held in (fresh(device), stepped(device, fresh(device))):
        missing = [name for name in TENSORS if name not in held]
        require(not missing, device, f"a state lacks {', '.join(missing)}")
        for name in ("nominal", "damping", "sensitivity"):
            require(bool((held[name] > 0).all()), device, f"{name} is not positive")
        require(bool((device.resonance(held) > 0).all()), device, "a resonance is not positive")


def line_has_its_shape(device: ResonatorDevice) -> None:
    """Zero but for the symmetric line at resonance; without that line, +-1 at one half linewidth, odd, 2/x far away."""
    ideal = device.ideal()
    state = fresh(ideal, CELLS)
    f, h = ideal.resonance(state).double(), state["damping"].double()
    power = torch.full(CELLS, 1e-9, dtype=torch.float64)
    unit = state["sensitivity"].double() * ideal.detected(power)

    def at(x: float) -> torch.Tensor:
        return ideal.rectify({n: v.double() for n, v in state.items()}, power, f * (1 + h * x)) / unit

    s = ideal.symmetric_share
    for x in (-3.0, -1.0, 0.0, 1.0, 3.0, 50.0):
        wanted = (2 * x + s) / (1 + x * x)
        error = float((at(x) - wanted).abs().max())
        require(error < ROUNDING, device, f"responds {wanted + error:.4g} at {x:g} half linewidths, not {wanted:.4g}")


def tuning_stays_in_range(device: ResonatorDevice) -> None:
    """A drive shifts the resonance by itself, a huge one by the tuning range, none not at all."""
    ideal = device.ideal()
    state = fresh(ideal, CELLS)
    small = 0.2 * ideal.tuning_range * state["nominal"]
    moved = ideal.step(state, small, 0.0, generator_for(31))
    error = ((ideal.read(moved) - ideal.read(state)) / small - 1).abs().max()
    require(float(error) < 1e-2, device, "a shift within the tuning range is not carried out")
    for version in (device, ideal):
        far = version.step(fresh(version, CELLS), 1e3 * small, 0.0, generator_for(32))
        beyond = (far["shift"].abs() > (1 + ROUNDING) * version.tuning_range * far["nominal"]).any()
        require(not bool(beyond), device, "a resonance can be shifted beyond the tuning range")
        still = version.step(state, torch.zeros(CELLS), 0.0, generator_for(33))
        require(same(state, still), device, "a shift of 0 Hz changes the state")


def detector_is_monotonic(device: ResonatorDevice) -> None:
    """No power, no voltage; more power, more voltage; never negative."""
    for version in (device, device.ideal()):
        power = torch.linspace(0.0, 1e-5, 50, dtype=torch.float64)
        found = version.detected(power)
        require(float(found[0]) == 0.0, device, "detects power where there is none")
        require(bool((found.diff() > 0).all()), device, "detected power does not grow with power")


def bad_drives_are_refused(device: ResonatorDevice) -> None:
    """A shift that is not finite is refused before any number is drawn."""
    state = fresh(device, CELLS)
    for value in (math.nan, math.inf):
        generator = generator_for(34)
        before = generator.get_state()
        try:
            device.step(state, torch.full(CELLS, value), 0.0, generator)
        except ParameterError:
            require(torch.equal(generator.get_state(), before), device, "step drew numbers before it refused")
        else:
            raise ContractError(f"{type(device).__name__}: a shift of {value} Hz must be refused")


RESONATOR: tuple[Callable[[ResonatorDevice], None], ...] = (
    declares_its_band,
    state_has_what_circuits_need,
    line_has_its_shape,
    tuning_stays_in_range,
    detector_is_monotonic,
    bad_drives_are_refused,
)
