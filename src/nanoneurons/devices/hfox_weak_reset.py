r"""Hafnium-oxide resistive memory under weak RESET pulses.

.. math::
    R(t) = R_0\, e^{w(t)}, \qquad
    w(t) = c_1 + m_1 \min(t, t^*) + m_2 \max(t - t^*, 0) + w_\mathrm{RTN} + w_{1/f}

After a SET to the low-resistance state, each weak RESET pulse raises the resistance a little: the
logarithm grows linearly with the number of pulses ``t``, fast (``m1``) up to a knee ``t*`` and slowly
(``m2``) beyond it. The five constants of a device are drawn once from truncated laws; telegraph noise and 1/f
noise add to the logarithm.

Not modelled: the SET back to the low-resistance state, retention, endurance, pulse amplitude and width.

Source: Majumdar et al., IEEE Trans. Electron Devices 68, 2021, arXiv:2107.06064; constants from the
authors' published program (repository Learning-with-memory-device-imperfections, MIT).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numba
import numpy as np
import torch

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import chip_shape, draw_key, start_of, uniform, uniform_at, words
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import MemoryDevice
from nanoneurons.physics import truncated
from nanoneurons.physics.flicker import flicker, flicker_at, layout

__all__ = ["HfOxWeakReset"]

_CODE = "authors' program to arXiv:2107.06064"
_SCALE = "scale factor of the authors' law; 1 is as measured"


def _law(default: float, unit: str, doc: str, low: float, high: float):
    return param(default, unit, doc=doc, source=_CODE, low=low, high=high)


def _spread(doc: str):
    return param(1.0, "1", doc=doc, source=_SCALE, low=0.0, high=1.5, imperfection="device_to_device", ideal=0.0)


@dataclass(frozen=True)
class HfOxWeakReset(MemoryDevice):
    """HfOx resistive memory driven by weak RESET pulses; the drive counts pulses and only raises R."""

    title: ClassVar[str] = "HfOx RRAM, weak RESET"
    citation: ClassVar[str] = (
        "@article{majumdar2021model, title={Model of the Weak Reset Process in HfOx Resistive Memory for Deep "
        "Learning Frameworks}, author={Majumdar, Atreya and Bocquet, Marc and Hirtzlin, Tifenn and Laborieux, Axel "
        "and Klein, Jacques-Olivier and Nowak, Etienne and Vianello, Elisa and Portal, Jean-Michel and Querlioz, "
        "Damien}, journal={IEEE Transactions on Electron Devices}, volume={68}, year={2021}, eprint={2107.06064}}"
    )
    not_modelled: ClassVar[str] = "SET back to low resistance, retention, endurance, pulse amplitude and width."
    read_unit: ClassVar = "ohm"
    directions: ClassVar[tuple[int, ...]] = (1,)
    renewed: ClassVar[tuple[str, ...]] = ("resistance",)
    drive_effect: ClassVar[int] = -1
    graded: ClassVar[bool] = True
    default_rule: ClassVar[str] = "pulsed-adam"
    identified: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "pulses": (
            "resistance", "resistance_sd", "fast_slope_scale", "knee", "knee_log_sd", "slow_slope_scale",
            "telegraph_amplitude", "telegraph_up", "telegraph_down", "flicker_amplitude",
        )
    }  # fmt: skip

    resistance: float = _law(6988.0, "ohm", "low-resistance state after SET, mean", 1.0, 1e9)
    resistance_sd: float = _law(381.7, "ohm", "low-resistance state, standard deviation", 0.0, 1e9)
    resistance_low: float = _law(6252.0, "ohm", "low-resistance state, lower truncation", 1.0, 1e9)
    resistance_high: float = _law(7897.0, "ohm", "low-resistance state, upper truncation", 1.0, 1e9)
    fast_slope_start: float = _law(3.7415768e-5, "1/pulse", "fast slope m1, start of its exponential law", 0.0, 1.0)
    fast_slope_scale: float = _law(6.564678e-4, "1/pulse", "fast slope m1, scale of its exponential law", 1e-9, 1.0)
    fast_slope_low: float = _law(3.74e-5, "1/pulse", "fast slope m1, lower truncation", 0.0, 1.0)
    fast_slope_high: float = _law(7.6e-3, "1/pulse", "fast slope m1, upper truncation", 0.0, 1.0)
    knee: float = _law(542.539, "pulse", "knee t*, median of its log-normal law", 1.0, 1e9)
    knee_log_sd: float = _law(0.80338, "1", "knee t*, standard deviation of ln t*", 0.0, 10.0)
    knee_low: float = _law(41.0, "pulse", "knee t*, lower truncation", 1.0, 1e9)
    knee_high: float = _law(2000.0, "pulse", "knee t*, upper truncation", 1.0, 1e9)
    offset: float = _law(5.29314e-3, "1", "offset c1 of ln(R/R0), mean", -10.0, 10.0)
    offset_sd: float = _law(0.0532080, "1", "offset c1 of ln(R/R0), standard deviation", 0.0, 10.0)
    offset_limit: float = _law(0.15, "1", "offset c1 of ln(R/R0), truncation to plus or minus this", 0.0, 10.0)
    slow_slope_scale: float = _law(2.8890517e-5, "1/pulse", "slow slope m2, scale of its exponential law", 1e-12, 1.0)
    slow_slope_high: float = _law(1.3e-4, "1/pulse", "slow slope m2, upper truncation", 0.0, 1.0)

    spread_resistance: float = _spread("device-to-device spread of the low-resistance state")
    spread_fast_slope: float = _spread("device-to-device spread of the fast slope m1")
    spread_knee: float = _spread("device-to-device spread of the knee t*")
    spread_offset: float = _spread("device-to-device spread of the offset c1")
    spread_slow_slope: float = _spread("device-to-device spread of the slow slope m2")
    spread_telegraph: float = _spread("device-to-device spread of the telegraph amplitude")

    telegraph_amplitude: float = param(
        0.5,
        "1",
        doc="telegraph noise: upper end of the uniform law of a device's amplitude in ln R",
        source=_CODE,
        low=0.0,
        high=5.0,
        imperfection="telegraph_noise",
        ideal=0.0,
    )
    telegraph_up: float = _law(8e-4, "1/pulse", "telegraph noise: probability per pulse of switching on", 1e-12, 1.0)
    telegraph_down: float = _law(2e-3, "1/pulse", "telegraph noise: probability per pulse of switching off", 1e-12, 1.0)
    flicker_amplitude: float = param(
        0.025,
        "1",
        doc="1/f noise: coefficient alpha of the filtered uniform numbers in ln R",
        source=_CODE,
        low=0.0,
        high=1.0,
        imperfection="flicker_noise",
        ideal=0.0,
    )
    flicker_register: int = param(
        126,
        "pulse",
        doc="1/f noise: length of the filter; the published fit used up to 126, the released program 15",
        source=_CODE,
        low=1,
        high=4096,
        integer=True,
    )

    def check(self) -> None:
        """Check that the truncations leave room and that the telegraph chain is a chain."""
        for law in ("resistance", "fast_slope", "knee"):
            low, high = getattr(self, f"{law}_low"), getattr(self, f"{law}_high")
            if low >= high:
                raise ParameterError(f"HfOxWeakReset: {law}_low = {low:g} must lie below {law}_high = {high:g}")
        if self.telegraph_up + self.telegraph_down > 1:
            raise ParameterError("HfOxWeakReset: telegraph_up + telegraph_down must not exceed 1 per pulse")

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Fresh devices after SET; state names: constants, ``pulses``, ``telegraph``, ``resistance``."""
        key = draw_key(generator)
        device = generator.device

        def drawn(draw: int, spread: float, law) -> torch.Tensor:
            grid = torch.linspace(0, 1, 100_001)[1:-1]
            centre = float(law(grid).double().mean())  # mean of the law: what a device without spread has
            if spread == 0:
                return torch.full(shape, centre, device=device)
            value = law(uniform(key, shape, draw, device))
            return value if spread == 1 else centre + spread * (value - centre)

        state = {
            "initial_resistance": drawn(
                0,
                self.spread_resistance,
                lambda u: truncated.normal(
                    u, self.resistance, self.resistance_sd, self.resistance_low, self.resistance_high
                ),
            ),
            "fast_slope": drawn(
                1,
                self.spread_fast_slope,
                lambda u: truncated.exponential(
                    u, self.fast_slope_start, self.fast_slope_scale, self.fast_slope_low, self.fast_slope_high
                ),
            ).clamp_(min=0),
            "knee": drawn(
                2,
                self.spread_knee,
                lambda u: truncated.lognormal(u, self.knee, self.knee_log_sd, self.knee_low, self.knee_high),
            ).clamp_(min=1),
            "offset": drawn(
                3,
                self.spread_offset,
                lambda u: truncated.normal(u, self.offset, self.offset_sd, -self.offset_limit, self.offset_limit),
            ),
            "slow_slope": drawn(
                4,
                self.spread_slow_slope,
                lambda u: truncated.exponential(u, 0.0, self.slow_slope_scale, 0.0, self.slow_slope_high),
            ).clamp_(min=0),
            "amplitude": self.telegraph_amplitude * drawn(5, self.spread_telegraph, lambda u: u).clamp_(min=0),
            "seed": words(key, shape, 6).to(device),
            "pulses": torch.zeros(shape, dtype=torch.int32, device=device),
        }
        on = self.telegraph_up / (self.telegraph_up + self.telegraph_down)  # stationary from the start
        state["telegraph"] = (uniform(key, shape, 7, device) < on).to(torch.uint8)
        excess = self._telegraph_excess(state["telegraph"], state["amplitude"], key, 8)
        state["resistance"] = self._resistance(state, state["pulses"], excess)
        return state

    def step(
        self, state: State, drive: torch.Tensor, dt: float = 0.0, generator: torch.Generator | None = None
    ) -> State:
        """Apply `drive` weak RESET pulses to each device (whole numbers, none negative).

        As in the authors' program, the size of a telegraph excess that is on is drawn anew at every update of the
        array, also where a device gets no pulse; its two states and the 1/f term move with the pulses only.
        """
        if generator is None:
            raise ParameterError("HfOxWeakReset.step needs a generator: its noise is drawn from it")
        pulses = (
            drive
            if drive.dtype == torch.int32
            else drive.round().to(torch.int32)
            if drive.is_floating_point()
            else drive.int()
        )
        if drive.is_floating_point() and not torch.isfinite(drive).all():
            raise ParameterError("HfOxWeakReset: the drive must be finite numbers of pulses")
        if pulses.numel() and int(pulses.min()) < 0:
            raise ParameterError("HfOxWeakReset takes weak RESET pulses only: the drive must not be negative")
        pulses = pulses.expand(state["pulses"].shape)
        key = draw_key(generator)
        if state["resistance"].device.type == "cpu":
            return self._step_fused(state, pulses, key)
        return self._step_plain(state, pulses, key)

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Resistance in ohm; all noise of this device moves with its pulses, so reading adds none."""
        return state["resistance"]

    def conductance_range(self) -> tuple[float, float]:
        """Conductance of the mean device after 2000 pulses, and fresh, in S."""
        fast, slow = self.fast_slope_start + self.fast_slope_scale, self.slow_slope_scale
        rise = fast * self.knee + slow * max(2000.0 - self.knee, 0.0)
        return math.exp(-rise) / self.resistance, 1 / self.resistance

    def conductance_step(self) -> float:
        """Conductance lost with the first pulses by the mean device, in S."""
        return (self.fast_slope_start + self.fast_slope_scale) / self.resistance

    def prices(self) -> Mapping[str, Price]:
        """Energy of one weak RESET pulse."""
        return {
            "write": Price(
                16e-12,
                "V I t with 1.5 V, 35 uA, 300 ns: middle of the range 3 to 75 pJ usual for weak RESET",
                "130 nm",
                verified=False,
            )
        }

    # -- one law, two engines -------------------------------------------------------------------------

    def _telegraph_excess(self, on: torch.Tensor, amplitude: torch.Tensor, key: int, draw: int) -> torch.Tensor:
        device = on.device
        return on * amplitude * uniform(key, on.shape, draw, device) * uniform(key, on.shape, draw + 1, device)

    def _resistance(self, state: State, pulses: torch.Tensor, excess: torch.Tensor) -> torch.Tensor:
        t = pulses.float()
        w = state["offset"] + state["fast_slope"] * torch.minimum(t, state["knee"])
        w = w + state["slow_slope"] * (t - state["knee"]).clamp(min=0) + excess
        if self.flicker_amplitude:
            w = w + self.flicker_amplitude * flicker(state["seed"], pulses, self.flicker_register)
        return state["initial_resistance"] * w.exp()

    def _step_plain(self, state: State, n: torch.Tensor, key: int) -> State:
        stay = (1 - self.telegraph_up - self.telegraph_down) ** n.float()
        share = self.telegraph_up / (self.telegraph_up + self.telegraph_down)
        on = state["telegraph"]
        flips = uniform(key, n.shape, 0, n.device) < torch.where(on > 0, (1 - share) * (1 - stay), share * (1 - stay))
        on_after = torch.where(flips, 1 - on, on)
        pulses = state["pulses"] + n
        resistance = self._resistance(state, pulses, self._telegraph_excess(on_after, state["amplitude"], key, 1))
        hit = n > 0
        return {
            **state,
            "pulses": pulses,
            "telegraph": torch.where(hit, on_after, on),
            "resistance": torch.where(hit | (on_after > 0), resistance, state["resistance"]),
        }

    def _step_fused(self, state: State, n: torch.Tensor, key: int) -> State:
        shape = state["pulses"].shape
        flat = chip_shape(tuple(shape))
        after = {name: state[name].clone() for name in ("pulses", "telegraph", "resistance")}
        table = layout(self.flicker_register) if self.flicker_amplitude else np.zeros((4, 0), np.float32)
        names = ("initial_resistance", "fast_slope", "knee", "offset", "slow_slope", "amplitude", "seed")
        _kernel(
            n.contiguous().reshape(flat).numpy(),
            *(state[name].reshape(flat).numpy() for name in names),
            *(after[name].view(flat).numpy() for name in ("pulses", "telegraph", "resistance")),
            np.float32(self.telegraph_up / (self.telegraph_up + self.telegraph_down)),
            np.float32(math.log(max(1 - self.telegraph_up - self.telegraph_down, 1e-30))),
            self.telegraph_amplitude > 0,
            np.float32(self.flicker_amplitude),
            table,
            np.uint64(key),
        )
        return {**state, **after}


@numba.njit(cache=True)
def _kernel(
    n,
    initial,
    fast,
    knee,
    offset,
    slow,
    amplitude,
    seed,
    pulses,
    telegraph,
    resistance,
    share,
    log_stay,
    noisy,
    alpha,
    table,
    key,
):  # pragma: no cover - compiled
    chips, cells = n.shape
    buffer = np.empty(table.shape[1] // 4, np.uint64)
    lanes = buffer.view(np.uint16)
    for chip in range(chips):
        flips, first, second = start_of(key, chip, 0), start_of(key, chip, 1), start_of(key, chip, 2)
        for i in range(cells):
            count = n[chip, i]
            if count <= 0 and not (noisy and telegraph[chip, i]):
                continue  # nothing moves but the size of an excess that is on
            total = pulses[chip, i] + count
            pulses[chip, i] = total
            t = np.float32(total)
            bend = knee[chip, i]
            w = offset[chip, i]
            if t < bend:
                w += fast[chip, i] * t
            else:
                w += fast[chip, i] * bend + slow[chip, i] * (t - bend)
            if noisy:
                moved = np.float32(1.0) - math.exp(np.float32(count) * log_stay)
                on = telegraph[chip, i]
                limit = (np.float32(1.0) - share) * moved if on else share * moved
                if uniform_at(flips, i) < limit:
                    on = np.uint8(1) - on
                    telegraph[chip, i] = on
                if on:
                    w += amplitude[chip, i] * uniform_at(first, i) * uniform_at(second, i)
            if buffer.shape[0] > 0:
                w += alpha * flicker_at(seed[chip, i], total, table, buffer, lanes)
            resistance[chip, i] = initial[chip, i] * math.exp(w)
