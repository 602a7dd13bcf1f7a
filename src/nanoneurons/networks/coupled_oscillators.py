r"""Auto-oscillators that feel each other and injected tones; their answer is which of them follows which tone.

.. math::
    \dot c_i = -i\,\omega_i(I_i, p_i)\,c_i - \big[\Gamma_+(p_i) - \sigma_i I_i (1 - p_i)\big] c_i
               + \sum_X g_i F_X e^{-i \omega_X t} + \sum_{j \ne i} K_{ij} c_j + \text{thermal noise}

The equation is that of `physics.auto_oscillator`, :math:`\omega_i = \omega_{0,i} + k_i I_i + N_i p_i`. It is solved
in a frame that turns with the oscillators, so steps of about 1 ns do. Beside the full solution stands the surrogate: an
oscillator is locked to the nearest tone if that is within Adler's range.

Shapes: samples x chips x oscillators. A chip is one set of oscillators with its own parameters.

Not modelled: delays of the coupling (only its phase), noise of the current, more than one mode per oscillator.

Source: Slavin and Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009); Romera et al., Nature 563, 230 (2018).
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Literal

import torch

from nanoneurons.core import random
from nanoneurons.core.errors import ParameterError
from nanoneurons.physics.auto_oscillator import AUTO_OSCILLATOR, AutoOscillator
from nanoneurons.solvers import Tones, integrate

from .locking_readout import Emission, Readout, read

__all__ = ["CoupledOscillators"]

TAU = 2 * math.pi
_BATCH = 4096  # oscillators solved at once: some tens of MB of records
_PHASES = 1  # draw of the initial phases
Value = float | torch.Tensor


@dataclass(frozen=True)
class CoupledOscillators:
    """A network of `count` oscillators, on one or more chips.

    Attributes:
        oscillator: parameters, numbers or tensors that broadcast to ``(chips, count)``, float64.
        count: number of oscillators.
        chips: number of chips.
        coupling: K, complex, rad/s, ``(count, count)`` or ``(chips, count, count)``; None without.
        injection: g, share of the injected amplitude that reaches each oscillator, alike.
        range_factor: locking range of the full solution as a part of Adler's; the surrogate takes it
            (`calibrated` measures it, tones that lock over some MHz are not quite weak).

    Raises:
        ParameterError: a shape does not fit, or a value is not finite.
    """

    oscillator: AutoOscillator
    count: int
    chips: int = 1
    coupling: torch.Tensor | None = None
    injection: Value = 1.0
    range_factor: float = 1.0

    def __post_init__(self) -> None:
        named = {**vars(self.oscillator), "injection": self.injection}
        for name, value in named.items():
            tensor = torch.as_tensor(value, dtype=torch.float64)
            if not bool(torch.isfinite(tensor.detach()).all()):
                raise ParameterError(f"coupled oscillators: {name} is NaN or infinite")
            if tensor.ndim > 2 or (tensor.ndim and tensor.shape[-1] not in (1, self.count)):
                raise ParameterError(
                    f"coupled oscillators: {name} has shape {tuple(tensor.shape)}; "
                    f"give a number or (chips, {self.count})"
                )
            if tensor.ndim == 2 and tensor.shape[0] not in (1, self.chips):
                raise ParameterError(f"coupled oscillators: {name} is for {tensor.shape[0]} chips, not {self.chips}")
        if self.coupling is not None:
            square = (self.count, self.count)
            if tuple(self.coupling.shape) not in (square, (self.chips, *square)):
                raise ParameterError(
                    f"coupled oscillators: coupling has shape {tuple(self.coupling.shape)}; "
                    f"give {square} or {(self.chips, *square)}"
                )
            if not bool(torch.isfinite(torch.view_as_real(self.coupling.to(torch.complex128))).all()):
                raise ParameterError("coupled oscillators: coupling is NaN or infinite")

    # -- closed forms -------------------------------------------------------------------------------

    def natural_frequency(self, currents: torch.Tensor) -> torch.Tensor:
        """Frequency in Hz of each free oscillator at `currents` (A, ``(chips | 1, count)``)."""
        return self.oscillator.angular_frequency(currents) / TAU

    def slope(self, currents: torch.Tensor) -> torch.Tensor:
        """Change of the natural frequency with the current, Hz/A."""
        step = 1e-4 * currents.abs().clamp(min=1e-9)
        return (self.natural_frequency(currents + step) - self.natural_frequency(currents - step)) / (2 * step)

    def currents_for(self, frequency: torch.Tensor, low: float, high: float) -> torch.Tensor:
        """Currents in A, between `low` and `high`, at which the free oscillators have these frequencies (Hz).

        The frequency must rise with the current; out of reach gives the nearest end.
        """
        floor = torch.full_like(frequency, low)
        ceiling = torch.full_like(frequency, high)
        for _ in range(60):  # bisection down to rounding
            middle = 0.5 * (floor + ceiling)
            below = self.natural_frequency(middle) < frequency
            floor, ceiling = torch.where(below, middle, floor), torch.where(below, ceiling, middle)
        return 0.5 * (floor + ceiling)

    def locking_range(self, currents: torch.Tensor, force: float) -> torch.Tensor:
        """Half range in Hz over which a tone of amplitude `force` (rad/s) locks each oscillator."""
        return self.range_factor * self.oscillator.locking_range(currents, force) * self.injection / TAU

    def surrogate(self, currents: torch.Tensor, tones: torch.Tensor, force: float) -> torch.Tensor:
        """Pattern ``(samples, chips, count)`` by Adler's range alone: locked to the nearest tone if within it.

        Mutual coupling and noise are left out.

        Args:
            tones: Hz, ``(samples, tones)``.
        """
        distance = self._distance(currents, tones)
        nearest = distance.argmin(-1)
        within = distance.amin(-1) < self.locking_range(currents, force)
        return torch.where(within, nearest + 1, 0)

    def locking_probability(
        self, currents: torch.Tensor, tones: torch.Tensor, force: float, width: float
    ) -> torch.Tensor:
        """The surrogate with soft edges, differentiable: ``(samples, chips, count, 1 + tones)``, free first.

        Args:
            tones: Hz, ``(samples, tones)``, or ``(samples, chips, tones)`` if every chip has its own.
            width: softness of the edges in Hz; at 0 it would be `surrogate`.
        """
        distance = self._distance(currents, tones)
        edge = (self.locking_range(currents, force)[..., None] - distance) / width
        free = torch.sigmoid(-edge).prod(-1, keepdim=True)
        return torch.cat([free, (1 - free) * torch.softmax(-distance / width, -1)], -1)

    def _distance(self, currents: torch.Tensor, tones: torch.Tensor) -> torch.Tensor:
        natural = self.natural_frequency(currents)
        each = tones[:, None, None, :] if tones.ndim == 2 else tones[:, :, None, :]
        return (natural.unsqueeze(-1) - each).abs()

    # -- full solution ------------------------------------------------------------------------------

    def simulate(
        self,
        currents: torch.Tensor,
        tones: torch.Tensor,
        force: float,
        *,
        key: int,
        first_sample: int = 0,
        transient: float = 1e-6,
        window: float = 2e-6,
        dt: float = 0.5e-9,
    ) -> Emission:
        """Solve the equation from random phases and record what is emitted after the transient.

        Args:
            currents: A, ``(chips | 1, count)``.
            tones: injected frequencies in Hz, ``(samples, tones)``; all of amplitude `force` (rad/s).
            key: random key of initial phases and noise; those of a sample do not depend on how samples are split.
            transient, window: times in s; slips slower than 1 / window cannot be seen.
            dt: time step in s; Heun's method, stochastic where the oscillators have noise.

        Raises:
            ParameterError: shapes or values are wrong, a current is not above threshold.
            UnstableError: `dt` is too large.
        """
        currents, tones = self._checked(currents, tones)
        samples = len(tones)
        natural = self.natural_frequency(currents)
        frame = float(natural.mean())
        far = max(float((natural - frame).abs().max()), float((tones - frame).abs().max()))
        every = max(1, int(0.2 / (far * dt)))  # five records per turn of the fastest phase, so none is missed
        lanes = samples * self.chips

        def spread(value: Value) -> torch.Tensor:
            tensor = torch.as_tensor(value, dtype=torch.float64)
            return tensor.broadcast_to(self.chips, self.count).repeat(samples, 1)

        parameters = {k: spread(v) for k, v in self.oscillator.parameters(TAU * frame).items()}
        noisy = bool((parameters["thermal"] > 0).any())
        first = first_sample * self.chips
        phases = TAU * random.uniform(key, (first + lanes, self.count), draw=_PHASES)[first:].double()
        size = torch.sqrt(spread(self.oscillator.power(currents)))
        y0 = torch.stack([size * torch.cos(phases), size * torch.sin(phases)], -1)
        omega = (TAU * (tones - frame)).repeat_interleave(self.chips, 0)[:, None, :]
        amplitude = (force * spread(self.injection))[..., None].expand(-1, -1, tones.shape[1])
        coupling = self.coupling
        if coupling is not None and coupling.ndim == 3:
            coupling = coupling.repeat(samples, 1, 1)
        run = integrate(
            AUTO_OSCILLATOR, y0, parameters, dt=dt, steps=every * math.ceil((transient + window) / (dt * every)),
            method="stochastic-heun" if noisy else "heun", every=every,
            drive={"current": spread(currents), ("fx", "fy"): Tones(amplitude, omega)},
            coupling=coupling, key=key if noisy else None, first_chip=first,
        )  # fmt: skip
        keep = run.y[-(math.ceil(window / (dt * every)) + 1) :]
        signal = torch.view_as_complex(keep.contiguous()).reshape(len(keep), samples, self.chips, self.count)
        return Emission(signal, dt * every, frame, tones)

    def synchronisation(
        self, emission: Emission, method: Literal["slip", "spectrum"] = "slip", tolerance: float = 1e6
    ) -> Readout:
        """Which tone each oscillator follows: the nearest one, if its frequency is within `tolerance` (Hz).

        Args:
            method: how the frequency is measured, ``slip``: by the mean advance of the phase over the window, or
                ``spectrum``: by the highest peak of the emitted spectrum.

        Raises:
            ParameterError: an unknown method.
        """
        return read(emission, method, tolerance)

    def observe(
        self,
        currents: torch.Tensor,
        tones: torch.Tensor,
        force: float,
        *,
        key: int,
        method: Literal["slip", "spectrum"] = "slip",
        tolerance: float = 1e6,
        **times: float,
    ) -> Readout:
        """Simulate and read many samples, some at a time to bound the memory; arguments as in both methods."""
        batch = max(1, _BATCH // (self.chips * self.count))
        parts = []
        for first in range(0, len(tones), batch):
            some = tones[first : first + batch]
            emission = self.simulate(currents, some, force, key=key, first_sample=first, **times)
            parts.append(self.synchronisation(emission, method, tolerance))
        return Readout(torch.cat([p.pattern for p in parts]), torch.cat([p.frequency for p in parts]))

    def calibrated(self, currents: torch.Tensor, force: float, *, key: int = 0) -> CoupledOscillators:
        """The network with `range_factor` measured: one oscillator alone, a tone swept over its locking range.

        Args:
            currents: A, ``(points,)``; the factor is the mean over them, both sides of the range.
        """
        points = len(currents)
        alone = dataclasses.replace(
            self, count=points, chips=1, coupling=None, range_factor=1.0, injection=_first(self.injection),
            oscillator=AutoOscillator(**{k: _first(v) for k, v in vars(self.oscillator).items()} | {"thermal": 0.0}),
        )  # fmt: skip
        operating = currents.double()[None]
        natural, half = alone.natural_frequency(operating), alone.locking_range(operating, force)
        offsets = torch.linspace(-1.6, 1.6, 129, dtype=torch.float64)
        factors = []
        for i in range(points):  # the sweep is centred on each oscillator in turn
            tone = natural[0, i] + offsets * half[0, i]
            locked = alone.observe(operating, tone[:, None], force, key=key).pattern[:, 0, i] == 1
            factors.append(float(locked.double().mean()) * 1.6 * 129 / 128)
        return dataclasses.replace(self, range_factor=sum(factors) / points)

    def _checked(self, currents: torch.Tensor, tones: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        currents, tones = torch.as_tensor(currents).double(), torch.as_tensor(tones).double()
        if currents.ndim != 2 or currents.shape[0] not in (1, self.chips) or currents.shape[1] != self.count:
            raise ParameterError(
                f"currents have shape {tuple(currents.shape)}; give ({self.chips} or 1 chips, {self.count} oscillators)"
            )
        if tones.ndim != 2 or 0 in tones.shape:
            raise ParameterError(f"tones have shape {tuple(tones.shape)}; give (samples, tones), at least one of each")
        for name, values, unit in (("currents", currents, "A"), ("tones", tones, "Hz")):
            bad = (~torch.isfinite(values)).nonzero()
            if len(bad):
                index = [int(i) for i in bad[0]]
                raise ParameterError(f"{name}: {float(values[tuple(index)])} at index {index}; give finite {unit}")
        low = (self.oscillator.supercriticality(currents) <= 1).nonzero()
        if len(low):
            chip, place = int(low[0, 0]), int(low[0, 1])
            raise ParameterError(
                f"oscillator {place} of chip {chip} is at or below its threshold current; raise its current"
            )
        return currents, tones


def _first(value: Value) -> float:
    """The value of the first oscillator of the first chip."""
    return float(torch.as_tensor(value).flatten()[0])
