"""The universal auto-oscillator of Slavin and Tiberkevich: equation of motion and closed forms.

A. Slavin and V. Tiberkevich, IEEE Trans. Magn. 45, 1875 (2009).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from nanoneurons.physics.linewidth import QUIET, phase_linewidth
from nanoneurons.solvers import Equation
from nanoneurons.solvers.ops import sqrt

__all__ = ["AUTO_OSCILLATOR", "AutoOscillator"]

Value = float | torch.Tensor


def _rhs(x, y, omega0, frame, shift, damping, q, q2, sigma, tuning, thermal, current, fx, fy):
    # powers of p collected: what does not depend on the state is computed once for all stages of a step; and what is
    # known first is added first
    pull = sigma * current
    p = x * x + y * y
    turn = (omega0 - frame + tuning * current) + shift * p
    grow = (pull - damping) - p * ((pull + damping * q) + p * (damping * q2))
    return grow * x + (turn * y + fx), grow * y - (turn * x - fy)


def _noise(x, y, omega0, frame, shift, damping, q, q2, sigma, tuning, thermal):
    p = x * x + y * y
    amplitude = sqrt(damping * (1.0 + q * p + q2 * p * p) * thermal / (omega0 + shift * p))
    return amplitude, amplitude


def _emits(x, y, omega0, frame, shift, damping, q, q2, sigma, tuning, thermal):
    return x, y


AUTO_OSCILLATOR = Equation(
    name="auto-oscillator",
    states=("x", "y"),
    parameters=("omega0", "frame", "shift", "damping", "q", "q2", "sigma", "tuning", "thermal"),
    inputs=("current", "fx", "fy"),
    rhs=_rhs,
    noise=_noise,
    noisy=("fx", "fy"),
    emits=_emits,
    incoming=("fx", "fy"),
)
"""dc/dt = -i (omega0 + N p + k I - frame) c - Gamma_G (1 + Q p + Q' p^2) c + sigma I (1 - p) c + f

with c = x + i y and p = |c|^2.

In a frame that rotates at the angular frequency ``frame``; a tone at omega_e is then a tone at omega_e - frame, and a
coupling is unchanged. Noise f is thermal: <f f*> = 2 D delta, D = Gamma_+(p) k_B T / (lambda omega(p)), with
``thermal`` = k_B T / lambda in rad/s. k = ``tuning`` is the shift by the current's own (Oersted) field.

Read in the sense of Stratonovich, the noise leaves at rest the density exp(-E(p) / k_B T) / sqrt(D(p)) instead of
Boltzmann's, which changes <p> by the fraction (Q - N / omega0) k_B T / (2 lambda omega0): 1e-3 or less in devices.
Not modelled: internal modes, noise of the current, the effect of k I on the strength of the thermal noise.
"""


@dataclass(frozen=True)
class AutoOscillator:
    """Parameters of auto-oscillators, numbers or tensors of shape ``(chips | 1, devices | 1)``, and their closed forms.

    omega(p) = omega0 + k I + N p,  Gamma_+ = Gamma_G (1 + Q p + Q' p^2),  Gamma_- = sigma I (1 - p)

    Args:
        omega0: angular frequency at zero amplitude in rad/s.
        shift: N, nonlinear frequency shift in rad/s per unit of power p; negative for in-plane films.
        damping: Gamma_G in 1/s.
        q: Q, first coefficient of nonlinear damping.
        sigma: spin-torque efficiency in 1/(A s).
        q2: Q', second coefficient of nonlinear damping.
        tuning: k, shift of the angular frequency by the current itself in rad/(s A).
        thermal: k_B T / lambda in rad/s; 0 without noise. lambda is the energy of unit power over its angular
            frequency: 2 V M_0 / gamma where p = (1 - m_z) / 2 (uniform magnetisation), (V M_0 / gamma)(1 - cos theta_0)
            where p is the squared radius of a vortex core over that of the dot.
    """

    omega0: Value
    shift: Value
    damping: Value
    q: Value
    sigma: Value
    q2: Value = 0.0
    tuning: Value = 0.0
    thermal: Value = 0.0

    def parameters(self, frame: Value = 0.0) -> dict[str, Value]:
        """Parameters of `AUTO_OSCILLATOR` in a frame rotating at `frame` rad/s."""
        names = ("omega0", "shift", "damping", "q", "q2", "sigma", "tuning", "thermal")
        return {"frame": frame, **{name: getattr(self, name) for name in names}}

    def threshold_current(self) -> Value:
        """I_th = Gamma_G / sigma in A."""
        return self.damping / self.sigma

    def supercriticality(self, current: Value) -> torch.Tensor:
        """z = I / I_th."""
        return torch.as_tensor(current, dtype=torch.float64) / self.threshold_current()

    def power(self, current: Value) -> torch.Tensor:
        """Stationary p0 = (z - 1) / (z + Q) for Q' = 0, in general where Gamma_+(p) = Gamma_-(p); 0 below I_th.

        NaN where a negative Q' leaves no such power: the oscillation grows beyond the model.
        """
        z = torch.clamp(self.supercriticality(current), min=1.0)  # below threshold p0 = 0, whatever the sign of I
        b = z + self.q
        return 2 * (z - 1) / (b + torch.sqrt(b * b + 4 * self.q2 * (z - 1)))

    def amplitude_rate(self, current: Value) -> torch.Tensor:
        """Gamma_p = p0 (dGamma_+/dp - dGamma_-/dp) in 1/s; dp decays as exp(-2 Gamma_p t)."""
        p = self.power(current)
        return p * self.damping * (self.q + 2 * self.q2 * p + self.supercriticality(current))

    def relaxation_time(self, current: Value) -> torch.Tensor:
        """Time constant in s of a small deviation of the power: 1 / (2 Gamma_p); 1 / (2 Gamma_G (1 - z)) below I_th."""
        z = self.supercriticality(current)
        below = self.damping * (1 - z)
        return 1 / (2 * torch.where(z > 1, self.amplitude_rate(current), below))

    def angular_frequency(self, current: Value) -> torch.Tensor:
        """omega0 + k I + N p0 in rad/s."""
        current = torch.as_tensor(current, dtype=torch.float64)  # a float must not pass through single precision
        return self.omega0 + self.tuning * current + self.shift * self.power(current)

    def nonlinearity(self, current: Value) -> torch.Tensor:
        """nu = N p0 / Gamma_p, how much the frequency follows the amplitude; keeps its finite limit at threshold."""
        z = self.supercriticality(current)
        return self.shift / (self.damping * (self.q + 2 * self.q2 * self.power(current) + z))

    def locking_range(self, current: Value, injected: Value) -> torch.Tensor:
        """Half the range in rad/s over which a weak tone of amplitude F locks: (F / sqrt p0) sqrt(1 + nu^2)."""
        nu = self.nonlinearity(current)
        return injected / torch.sqrt(self.power(current)) * torch.sqrt(1 + nu * nu)

    def diffusion(self, power: Value) -> torch.Tensor:
        """D = Gamma_+(p) k_B T / (lambda (omega0 + N p)) in 1/s: <|dc|^2> = 2 D dt."""
        p = torch.as_tensor(power, dtype=torch.float64)
        positive = self.damping * (1 + self.q * p + self.q2 * p * p)
        return positive * self.thermal / (self.omega0 + self.shift * p)

    def phase_variance(self, current: Value, time: Value) -> torch.Tensor:
        """Variance in rad^2 of the phase gained in `time` s above threshold, without what it gains on average.

        (D / p0) [(1 + nu^2) t - nu^2 (1 - exp(-2 Gamma_p t)) / (2 Gamma_p)]: slower than 1 / (2 Gamma_p) the frequency
        follows the noise of the power. Holds while that noise is small against p0.
        """
        p, nu, rate = self.power(current), self.nonlinearity(current), 2 * self.amplitude_rate(current)
        time = torch.as_tensor(time, dtype=torch.float64)
        return self.diffusion(p) / p * (time + nu * nu * (time + torch.expm1(-rate * time) / rate))

    def linewidth(self, current: Value) -> torch.Tensor:
        """Full width at half maximum of the emitted line in Hz; NaN near threshold, where neither closed form holds.

        Below threshold (Gamma_+ - Gamma_-) / pi. Far above it (1 + nu^2) D(p0) / (2 pi p0), and less where that is not
        far below Gamma_p / pi, see `phase_linewidth`. D / p0 = Gamma_+(p0) k_B T / (lambda omega(p0) p0), where often
        E(p0) is written for lambda omega(p0) p0. The one is given where the thermal power is below a fifth of what
        would change the damping by its own size, the other where D / (p0 Gamma_p), the relative variance of the power,
        is below 0.05.
        """
        z, p = self.supercriticality(current), self.power(current)
        rate, diffusion = self.amplitude_rate(current), self.diffusion(p) / p
        above = phase_linewidth(diffusion, self.nonlinearity(current), 2 * rate)
        below = self.damping * (1 - z) / math.pi
        fluctuating = self.thermal / self.omega0 / torch.clamp(1 - z, min=1e-12)  # <p> below threshold
        above = torch.where(diffusion < QUIET * rate, above, math.nan)
        below = torch.where(fluctuating * (self.q + z) < 0.2 * (1 - z), below, math.nan)
        return torch.where(z > 1, above, below)
