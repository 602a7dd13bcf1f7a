r"""Spin-torque nano-oscillator: a magnetic tunnel junction that a dc current drives into oscillation.

With ``model = "auto-oscillator"`` the complex amplitude obeys the equation of Slavin and Tiberkevich,

.. math::
    \dot c = -i(\omega_0 + kI + Np)\,c - \Gamma_G(1 + Qp)\,c + \Gamma_G \tfrac{I}{I_{th}} (1 - p)\,c + f(t),
    \qquad p = |c|^2, \quad V = V_1\sqrt p

with thermal noise f. With ``model = "relaxation"`` only the voltage is simulated; it relaxes exponentially,

.. math:: V_n = V_\infty + (V_{n-1} - V_\infty)\,e^{-\Delta t/T}, \qquad
          V_\infty = V_1\sqrt{\frac{z - 1}{s z + Q}}, \quad z = I/I_{th}

which is exact in any step (s = 1 for a spin torque that saturates with amplitude, s = 0, Q = 1 for the
square-root fit).

Not modelled: internal modes and their hopping, frequency jumps, amplitude noise other than thermal, heating by the
current, the output circuit.

Source: Slavin and Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009); Torrejon et al., Nature 547, 428 (2017); Abreu Araujo
et al., Sci. Rep. 10, 328 (2020) for the relaxation model.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from scipy import constants as si

from nanoneurons.core.energy import Price
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.parameter import param
from nanoneurons.core.random import draw_key, normal
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import OscillatorDevice
from nanoneurons.devices._oscillation import SEED, noisy, ohmic, run, spread, spread_param
from nanoneurons.physics import relaxation
from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator

__all__ = ["SpinTorqueOscillator"]

_FIT = "third-party fit of vortex junctions after Abreu Araujo et al., Sci. Rep. 10, 328 (2020)"
_SURVEY = "survey of vortex oscillators in a third-party thesis: 200 to 500 MHz, threshold 3 to 4 mA, 200 to 500 ns"
_CHOICE = "choice of this project"


@dataclass(frozen=True)
class SpinTorqueOscillator(OscillatorDevice):
    """Spin-torque nano-oscillator; the defaults are a vortex junction, presets give other kinds.

    State, all float64: ``x``, ``y`` (real and imaginary part of c in the frame of the nominal frequency at the
    operating current; ``x`` is the voltage over V_1 in the relaxation model), and the devices' own ``frequency`` (Hz),
    ``threshold`` (A), ``damping`` (1/s) and ``voltage`` (V).
    """

    title: ClassVar[str] = "spin-torque nano-oscillator"
    citation: ClassVar[str] = """\
@article{torrejon2017,
  author = {Torrejon, Jacob and Riou, Mathieu and Abreu Araujo, Flavio and Tsunegi, Sumito and Khalsa, Guru
    and Querlioz, Damien and Bortolotti, Paolo and Cros, Vincent and Yakushiji, Kay and Fukushima, Akio
    and Kubota, Hitoshi and Yuasa, Shinji and Stiles, Mark D. and Grollier, Julie},
  title = {Neuromorphic computing with nanoscale spintronic oscillators},
  journal = {Nature}, volume = {547}, pages = {428--431}, year = {2017}, doi = {10.1038/nature23011}}"""
    not_modelled: ClassVar[str] = (
        "internal modes and hopping between them, frequency jumps, heating by the current, the output circuit"
    )

    model: str = param(
        "auto-oscillator", doc="what is simulated", source=_CHOICE, choices=("auto-oscillator", "relaxation")
    )
    frequency_zero: float = param(
        300e6, "Hz", doc="frequency of vanishing amplitude, without current", source=_SURVEY, low=1e6, high=1e11
    )
    threshold: float = param(4e-3, "A", doc="threshold current I_th", source=_FIT, low=1e-7, high=1.0)
    linear_damping: float = param(
        1.63e6,
        "1/s",
        doc="linear damping rate Gamma_G, 1/[2 T (7/4 - 1)] with T = 410 ns",
        source=_FIT,
        low=1e3,
        high=1e11,
    )
    nonlinear_damping: float = param(
        2.0,
        "1",
        doc="nonlinear damping Q",
        source=_CHOICE + ", the value of Ross et al. 2023",
        low=0.0,
        high=100.0,
        verified=False,
    )
    saturation: float = param(
        1.0,
        "1",
        doc="s: 1 if the torque falls with the power, 0 if not (relaxation model)",
        source=_CHOICE,
        low=0.0,
        high=1.0,
    )
    shift: float = param(
        6.1e7, "rad/s", doc="nonlinear frequency shift N; gives sqrt(1 + nu^2) of about 10 at the operating current",
        source="locking ranges about ten times those of phase oscillators: Romera et al., Nat. Commun. 13, 883 (2022)",
        low=-1e12, high=1e12,
    )  # fmt: skip
    tuning: float = param(
        5e9,
        "Hz/A",
        doc="shift of the frequency by the current's own field",
        source=_CHOICE + ": 5 MHz per mA",
        low=-1e14,
        high=1e14,
        verified=False,
    )
    voltage_scale: float = param(
        0.0245,
        "V",
        doc="emitted voltage V_1 at unit power; gives the fit's 11 mV at the operating current",
        source=_FIT,
        low=1e-6,
        high=10.0,
    )
    time_constant: float = param(
        410e-9, "s", doc="relaxation time T (relaxation model)", source=_FIT, low=1e-12, high=1.0
    )
    operating_current: float = param(7e-3, "A", doc="operating point", source=_FIT, low=1e-7, high=1.0)
    breakdown: float = param(
        12e-3,
        "A",
        doc="current that destroys the tunnel barrier",
        source=_CHOICE + "; measurements reach 10 mA",
        low=1e-7,
        high=1.0,
        verified=False,
    )
    resistance: float = param(
        100.0,
        "ohm",
        doc="mean resistance, for the power",
        source="vortex set of a third-party thesis",
        low=1.0,
        high=1e7,
    )
    emission: float = param(
        1.23e-3, "1", doc="emitted power over p R I^2; gives what 11 mV in 50 ohm carry at the operating current",
        source=_FIT, low=0.0, high=100.0,
    )  # fmt: skip
    action: float = param(
        4.5e-27, "J s", doc="lambda, energy of unit power over its angular frequency; V M_0/gamma, twice if uniform",
        source="pi (187.5 nm)^2 6 nm of 1.2e6 A/m, size of the junctions of Torrejon et al. 2017; magnetisation chosen",
        low=1e-32, high=1e-20, verified=False,
    )  # fmt: skip
    temperature: float = param(
        300.0, "K", doc="temperature of the thermal noise (auto-oscillator model)", source="room temperature",
        low=0.0, high=1000.0, imperfection="thermal_noise", ideal=0.0,
    )  # fmt: skip
    amplitude_noise: float = param(
        0.02, "1", doc="standard deviation of the voltage over V_1, correlated over T (relaxation model)",
        source=_CHOICE, low=0.0, high=1.0, imperfection="thermal_noise", ideal=0.0, verified=False,
    )  # fmt: skip
    read_noise: float = param(
        0.0, "V", doc="standard deviation of a reading", source=_CHOICE, low=0.0, high=1.0, imperfection="read_noise",
        ideal=0.0, verified=False,
    )  # fmt: skip
    frequency_spread: float = spread_param(0.01, "relative spread of the frequency")
    threshold_spread: float = spread_param(0.03, "relative spread of the threshold current")
    damping_spread: float = spread_param(0.05, "relative spread of the damping rate, and so of the time constant")
    voltage_spread: float = spread_param(0.05, "relative spread of the voltage scale")

    def check(self) -> None:
        """Threshold, operating point and breakdown must be in order."""
        if not self.threshold < self.operating_current <= self.breakdown:
            raise ParameterError(
                f"operating_current = {self.operating_current:g} A must lie between threshold = {self.threshold:g} A "
                f"and breakdown = {self.breakdown:g} A"
            )
        share = self.emission * float(self._power(torch.tensor(self.breakdown, dtype=torch.float64), self.threshold))
        if share > 1:
            raise ParameterError(
                f"emission = {self.emission:g} would let it emit {share:.3g} times its dc power at breakdown; "
                f"give {self.emission / share:.3g} or less"
            )
        if self.model == "auto-oscillator" and self.saturation != 1:
            raise ParameterError(
                "saturation other than 1 is for model 'relaxation'; the auto-oscillator's torque saturates"
            )

    @property
    def simulates_phase(self) -> bool:
        """Unless the model is the relaxation of the voltage alone."""
        return self.model == "auto-oscillator"

    @property
    def default_current(self) -> float:
        """The operating point."""
        return self.operating_current

    def oscillator(self, state: State | None = None, noisy: bool = True) -> AutoOscillator:
        """Parameters of the equation: of the nominal device, or of those in `state`."""
        own = state or {}
        frequency, threshold = own.get("frequency", self.frequency_zero), own.get("threshold", self.threshold)
        damping = own.get("damping", self.linear_damping)
        return AutoOscillator(
            omega0=2 * math.pi * frequency,
            shift=self.shift,
            damping=damping,
            q=self.nonlinear_damping,
            sigma=damping / threshold,
            tuning=2 * math.pi * self.tuning,
            thermal=si.k * self.temperature / self.action if noisy else 0.0,
        )

    def threshold_current(self) -> float:
        """I_th in A."""
        return self.threshold

    def current_range(self) -> tuple[float, float]:
        """Threshold and breakdown in A."""
        return self.threshold, self.breakdown

    def frequency(self, current: torch.Tensor) -> torch.Tensor:
        """(omega0 + k I + N p0) / (2 pi) in Hz."""
        self.check_current(current)
        return (self.oscillator().angular_frequency(current.double()) / (2 * math.pi)).to(current.dtype)

    def amplitude(self, current: torch.Tensor) -> torch.Tensor:
        """V_1 sqrt(p0) in V, 0 below threshold."""
        self.check_current(current)
        return (self.voltage_scale * self._root_power(current.double(), self.threshold)).to(current.dtype)

    def linewidth(self, current: torch.Tensor) -> torch.Tensor:
        """Closed forms of `AutoOscillator.linewidth` in Hz, NaN where they do not hold and in the relaxation model."""
        self.check_current(current)
        if self.model == "relaxation":
            return torch.full_like(current, math.nan)
        return self.oscillator().linewidth(current.double()).to(current.dtype)

    def relaxation_time(self, current: torch.Tensor) -> torch.Tensor:
        """1/(2 Gamma_p) in s, or the time constant of the relaxation model."""
        self.check_current(current)
        if self.model == "relaxation":
            return torch.full_like(current, self.time_constant)
        return self.oscillator().relaxation_time(current.double()).to(current.dtype)

    def emitted_power(self, current: torch.Tensor, state: State | None = None) -> torch.Tensor:
        """``emission p R I^2`` in W, 0 at and below threshold; of given devices (threshold and gain their own).

        A device whose own gain would make it emit more than it takes emits what it takes.
        """
        self.check_current(current)
        share = self.emission * self._power(
            current, self.threshold if state is None else state["threshold"].to(current)
        )
        if state is not None:
            share = (share * (state["voltage"] / self.voltage_scale).to(current).square()).clamp(max=1.0)
        return share * self.resistance * current.square()

    def _power(self, current: torch.Tensor, threshold: float | torch.Tensor) -> torch.Tensor:
        """Stationary power, without the root of `_root_power`, whose slope at threshold is infinite."""
        z = (current / threshold).clamp_min(1.0)
        return (z - 1.0) / (self.saturation * z + self.nonlinear_damping)

    def _root_power(self, current: torch.Tensor, threshold: float | torch.Tensor) -> torch.Tensor:
        return relaxation.settled(current / threshold, self.saturation, self.nonlinear_damping)

    def init(self, shape: tuple[int, ...], generator: torch.Generator) -> State:
        """Devices at rest: thermal fluctuations, or a millionth of the amplitude where there is no noise."""
        key = draw_key(generator)
        nominal = (self.frequency_zero, self.threshold, self.linear_damping, self.voltage_scale)
        spreads = (self.frequency_spread, self.threshold_spread, self.damping_spread, self.voltage_spread)
        names = ("frequency", "threshold", "damping", "voltage")
        state = {
            n: spread(key, shape, v, s, d) for d, (n, v, s) in enumerate(zip(names, nominal, spreads, strict=True))
        }
        if self.model == "relaxation":
            return {"x": torch.zeros(shape, dtype=torch.float64), "y": torch.zeros(shape, dtype=torch.float64), **state}
        thermal = si.k * self.temperature / self.action / (2 * math.pi * state["frequency"])
        size = torch.clamp(torch.sqrt(thermal / 2), min=SEED)
        return {"x": size * normal(key, shape, 4).double(), "y": size * normal(key, shape, 5).double(), **state}

    def step(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> State:
        """Oscillate at the current `drive` (A) for `dt` seconds."""
        self.check_current(drive)
        key = draw_key(generator)
        if dt == 0:
            return dict(state)
        if self.model == "relaxation":
            return {**state, "x": self._relaxed(state, drive.double(), dt, key)}
        x, y = self._run(state, drive, dt, 1, key)
        return {**state, "x": x[-1], "y": y[-1]}

    def advance(self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator) -> State:
        """`n` steps of `dt` with the same current, at once."""
        return self.step(state, drive, n * dt, generator)

    def trace(
        self, state: State, drive: torch.Tensor, dt: float, n: int, generator: torch.Generator
    ) -> tuple[torch.Tensor, State]:
        """`n` steps at once, and the signal in V after each."""
        if self.model == "relaxation":
            return super().trace(state, drive, dt, n, generator)
        self.check_current(drive)
        x, y = self._run(state, drive, dt, n, draw_key(generator))
        signal = state["voltage"] * torch.complex(x, -y)  # c turns as exp(-i omega t); a signal as exp(i omega t)
        return signal, {**state, "x": x[-1], "y": y[-1]}

    def _run(
        self, state: State, drive: torch.Tensor, dt: float, records: int, key: int
    ) -> tuple[torch.Tensor, torch.Tensor]:
        current, own = drive.double(), self.oscillator(state)
        power = own.power(current)
        centre = own.angular_frequency(current)  # a frame in which only the transient turns
        x, y = state["x"], state["y"]
        rate = self._rate(own, current, torch.maximum(power, x * x + y * y))
        limit, typical = torch.tensor(self.breakdown, dtype=torch.float64), self.oscillator()
        nominal = self._rate(typical, limit, typical.power(limit))
        turn = typical.angular_frequency(self.operating_current) - centre  # c turns as exp(-i omega t)
        values = {name: torch.as_tensor(value) for name, value in own.parameters(centre).items()}
        noise = key if self.temperature > 0 else None
        return run(AUTO_OSCILLATOR, (x, y), values, current, dt, rate, nominal, turn, noise, records)

    def _rate(self, own: AutoOscillator, current: torch.Tensor, power: torch.Tensor) -> torch.Tensor:
        """Fastest rate of motion up to a power, in 1/s: the nonlinear turn and the damping of the power."""
        damping = 2 * own.damping * (own.supercriticality(current).abs() + 1 + self.nonlinear_damping)
        return abs(self.shift) * power + damping

    def _relaxed(self, state: State, current: torch.Tensor, dt: float, key: int) -> torch.Tensor:
        target = self._root_power(current, state["threshold"])
        decay = self._decay(state, dt)
        value = relaxation.relax(state["x"], target, decay)
        if self.amplitude_noise:
            kick = normal(key, tuple(value.shape)).double()
            value = value + self.amplitude_noise * torch.sqrt(1 - decay * decay) * kick
        return value

    def _decay(self, state: State, dt: float) -> torch.Tensor:
        return torch.exp(-dt / self.time_constant * (state["damping"] / self.linear_damping))

    def respond(self, state: State, drive: torch.Tensor, dt: float, generator: torch.Generator) -> torch.Tensor:
        """Readings after each interval of a train, by closed forms in the dtype of `drive`.

        Exact without noise; thermal noise of the auto-oscillator has its variance to half a per cent.
        """
        self.check_current(drive)
        own = {name: value.to(drive.dtype)[..., None] for name, value in state.items()}
        z, key = drive / own["threshold"], draw_key(generator)
        if self.model == "relaxation":
            decay, kick = self._decay(own, dt), None
            if self.amplitude_noise:
                size = self.amplitude_noise * torch.sqrt(1 - decay * decay)
                kick = size * normal(key, tuple(drive.shape)).to(drive.dtype)
            law = (self.saturation, self.nonlinear_damping)
            root = relaxation.follow(own["x"][..., 0], z, decay[..., 0], kick, law)
        else:
            start = state["x"] ** 2 + state["y"] ** 2
            omega = 2 * math.pi * state["frequency"]
            thermal, rate = si.k * self.temperature / self.action / omega, state["damping"] * dt
            bend = self.shift / omega
            root = relaxation.follow_power(start, z, self.nonlinear_damping, rate, thermal, bend, key)
        voltage = root.mul_(own["voltage"]) if not root.requires_grad else root * own["voltage"]
        return noisy(voltage, self.read_noise, generator)

    def read(self, state: State, generator: torch.Generator | None = None) -> torch.Tensor:
        """Emitted voltage amplitude in V."""
        root = state["x"] if self.model == "relaxation" else torch.hypot(state["x"], state["y"])
        voltage = state["voltage"] * root
        return noisy(voltage, self.read_noise, generator)

    def prices(self) -> Mapping[str, Price]:
        """Ohmic power at the operating point, as energy per second of oscillation."""
        return ohmic(self.resistance, self.operating_current)
