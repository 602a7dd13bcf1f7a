"""Amplitude, frequency and linewidth of many oscillators against current: one call, one figure."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import OscillatorDevice

from .drawing import BLUE, INK, ORANGE, TEAL, Picture, is_narrow
from .emission import ampere, draw_emission

__all__ = ["CurrentSweep", "current_sweep", "sweep_picture"]

SETTLE = 20  # relaxation times before the recording begins
PER_TIME = 6  # samples in the shortest relaxation time
SAMPLES = 4096


@dataclass(frozen=True, eq=False)
class CurrentSweep:
    """What was measured; arrays over (currents, devices), and what the closed forms of the nominal device say.

    Attributes:
        current: A, shape ``(currents,)``.
        amplitude: emitted voltage, root mean square of its envelope over the recording, in V.
        frequency: mean frequency in Hz.
        linewidth: full width at half maximum in Hz from the decay of the signal's autocorrelation; NaN where the record
            is too short to tell, and for a device that does not simulate its phase.
        nominal_amplitude, nominal_frequency, nominal_linewidth: closed forms, shape ``(currents,)``.
        emitted, nominal_emitted: power in W given to a matched load, by closed forms of each device and of the nominal.
        dc_power: power taken from the supply in W, NaN where the device declares no resistance.
        resolution: smallest linewidth in Hz that the record can tell.
    """

    name: str
    current: np.ndarray
    amplitude: np.ndarray
    frequency: np.ndarray
    linewidth: np.ndarray
    nominal_amplitude: np.ndarray
    nominal_frequency: np.ndarray
    nominal_linewidth: np.ndarray
    emitted: np.ndarray
    nominal_emitted: np.ndarray
    dc_power: np.ndarray
    resolution: float


def current_sweep(
    device: OscillatorDevice,
    *,
    devices: int = 50,
    currents: torch.Tensor | None = None,
    seed: int = 0,
    samples: int = SAMPLES,
    name: str = "",
    progress: Callable[[float], None] | None = None,
) -> CurrentSweep:
    """Simulate `devices` oscillators, with their spread and noise, at each current.

    Args:
        currents: in A; 16 from a fifth of the threshold to breakdown if not given. The same devices see them all.
        samples: length of the recording; a longer one resolves narrower lines.

    Raises:
        ParameterError: a current is NaN or beyond breakdown, or there is no device.
    """
    if devices < 1 or samples < 16:
        raise ParameterError(f"a current sweep needs at least 1 device and 16 samples, not {devices} and {samples}")
    if currents is None:
        low, high = 0.2 * device.threshold_current(), device.current_range()[1]
        currents = torch.linspace(low, high, 16, dtype=torch.float64).clamp(max=high)
    currents = torch.as_tensor(currents, dtype=torch.float64).reshape(-1)
    device.check_current(currents)
    times = device.relaxation_time(currents)
    longest = float(times[torch.isfinite(times)].max())
    dt = float(times.min()) / PER_TIME
    width = devices
    made = device.init((1, width), generator_for(seed, "sweep", "devices"))
    state = {n: v.expand(len(currents), *v.shape[1:]).clone() for n, v in made.items()}
    drive = currents[:, None].expand(-1, width)
    state = device.step(state, drive, SETTLE * longest, generator_for(seed, "sweep", "settle"))
    generator = generator_for(seed, "sweep", "record")
    parts = []
    pieces = 8
    for piece in range(pieces):
        signal, state = device.trace(state, drive, dt, samples // pieces, generator)
        parts.append(signal)
        if progress is not None:
            progress((piece + 1) / pieces)
    signal = torch.cat(parts).numpy()
    reference = float(device.frequency(torch.tensor(device.default_current, dtype=torch.float64)))
    expected = device.frequency(currents).numpy()
    frequency = _frequencies(signal, dt, expected - reference) + reference
    phased = device.simulates_phase
    return CurrentSweep(
        name=name or type(device).__name__,
        current=currents.numpy(),
        amplitude=np.sqrt((np.abs(signal) ** 2).mean(0)),
        frequency=frequency if phased else np.repeat(expected[:, None], width, 1),
        linewidth=_linewidths(signal, dt) if phased else np.full(frequency.shape, np.nan),
        nominal_amplitude=device.amplitude(currents).numpy(),
        nominal_frequency=expected,
        nominal_linewidth=device.linewidth(currents).numpy(),
        emitted=device.emitted_power(drive, state).numpy(),
        nominal_emitted=device.emitted_power(currents).numpy(),
        dc_power=device.dc_power(currents).numpy(),
        resolution=_narrowest(len(signal), dt),
    )


def _frequencies(signal: np.ndarray, dt: float, expected: np.ndarray) -> np.ndarray:
    """Mean frequency beyond the clock: the argument of the autocorrelation at one sample, near the expected one."""
    clock = np.exp(-2j * np.pi * expected[None, :, None] * dt)
    turn = np.angle((signal[1:] * signal[:-1].conj()).mean(0) * clock[0])
    return expected[:, None] + turn / (2 * np.pi * dt)


def _narrowest(samples: int, dt: float) -> float:
    """A linewidth whose coherence time is a tenth of the record: one device then scatters by a third."""
    return 10 / (math.pi * samples * dt)


def _linewidths(signal: np.ndarray, dt: float) -> np.ndarray:
    """1/(pi tau) with tau where the modulus of the autocorrelation falls to 1/e (exact for a Lorentzian line)."""
    count = len(signal)
    spectrum = np.fft.fft(signal, 2 * count, axis=0)
    correlation = np.abs(np.fft.ifft(np.abs(spectrum) ** 2, axis=0)[: count // 4])
    correlation *= (count / (count - np.arange(count // 4)))[:, None, None]
    level = correlation / correlation[0]
    under = level < math.exp(-1)
    first = under.argmax(0)
    found = np.full(first.shape, np.nan)
    for place in zip(*np.nonzero(under.any(0)), strict=True):
        k = first[place]
        before, after = np.log(level[k - 1][place]), np.log(level[k][place])
        lag = k - 1 + (before + 1) / (before - after)
        found[place] = 1 / (math.pi * lag * dt)
    found[found < _narrowest(count, dt)] = np.nan
    return found


def sweep_picture(sweep: CurrentSweep) -> Picture:
    """Four panels over current: every device, the median and the closed form; and the power emitted and taken."""

    def draw(figure: Figure) -> None:
        narrow = is_narrow(figure)
        panels = figure.subplots(4, 1, sharex=True)
        step = 1e9 if sweep.nominal_frequency.max() > 2e9 else 1e6
        rows = (
            (sweep.amplitude, sweep.nominal_amplitude, 1e-3, "amplitude (mV)", BLUE),
            (sweep.frequency, sweep.nominal_frequency, step, f"frequency ({'GHz' if step == 1e9 else 'MHz'})", TEAL),
            (sweep.linewidth, sweep.nominal_linewidth, 1e6, "linewidth (MHz)", ORANGE),
        )
        unit, ampere_name = ampere(float(sweep.current.max()))
        x = sweep.current / unit
        for ax, (measured, nominal, unit, label, colour) in zip(panels[:3], rows, strict=True):
            ax.plot(x, measured / unit, color=colour, linewidth=0.6, alpha=0.35)
            if np.isfinite(measured).any():
                with np.errstate(all="ignore"):
                    some = np.isfinite(measured).sum(1) > measured.shape[1] // 2
                    middle = np.full(len(x), np.nan)
                    middle[some] = np.nanmedian(measured[some], axis=1)
                ax.plot(x, middle / unit, color=colour, linewidth=2.2, label="median of the devices")
            ax.plot(x, nominal / unit, color=INK, linewidth=1.2, linestyle="--", label="closed form, nominal device")
            ax.set_ylabel(label)
        panels[2].set_yscale("log")
        for which in (panels[2].yaxis.set_major_formatter, panels[2].yaxis.set_minor_formatter):
            which(FuncFormatter(lambda v, _: f"{v:g}" if f"{v:e}"[0] in "125" else ""))
        if not np.isfinite(sweep.linewidth).any() and not np.isfinite(sweep.nominal_linewidth).any():
            panels[2].text(0.5, 0.5, "this model has no phase", ha="center", transform=panels[2].transAxes)
            panels[2].set_yticks([])
        taken = sweep.dc_power if np.isfinite(sweep.dc_power).all() else None
        draw_emission(panels[3], x, np.atleast_2d(sweep.emitted.T), sweep.nominal_emitted, taken)
        panels[3].legend(loc="lower right", fontsize=8 if narrow else 9)
        panels[3].set_xlabel(f"dc current ({ampere_name})")
        panels[0].legend(loc="upper left", fontsize=8 if narrow else 9)

    count = sweep.amplitude.shape[1]
    return Picture(
        "current-sweep",
        f"{sweep.name}: {count} devices against current",
        f"{count} devices with their spread and noise (thin), their median (thick) and the closed form of the nominal "
        "device (dashed) where it is valid. The linewidth is taken from the decay of the signal's autocorrelation; "
        f"lines narrower than {sweep.resolution / 1e6:.2g} MHz are not resolved by this recording and left out. "
        "Lowest panel: power given to a matched load by the closed forms, and dc power taken.",
        draw,
        height=9.0,
        narrow_height=9.0,
    )
