r"""The vortex core of a magnetic dot: a rigid core that gyrates (Thiele), driven by spin torque.

With the core at :math:`c = s e^{i\theta}` in units of the dot's radius R and :math:`J = I/(\pi R^2)`:

.. math::
    \dot c = \left[ i\frac{\kappa}{G}(1 + \zeta s^2)
             + \frac{D\kappa}{G^2}\Big(\frac{a_J J\, G}{D\kappa} - 1 - (\zeta + \xi)\, s^2\Big) \right] c + f

.. math::
    \kappa = k_{ms} + k_{oe} J, \quad \kappa\zeta = k'_{ms} + k'_{oe} J, \quad
    k_{ms} = \tfrac{10}{9}\mu_0 M_s^2 \tfrac{L^2}{R}\sin^2\theta_0, \quad k'_{ms} = \tfrac14 k_{ms}

.. math::
    k_{oe} = 0.85\, C \mu_0 M_s L R \sin\theta_0, \quad k'_{oe} = -0.42\, C \mu_0 M_s L R \sin\theta_0

.. math::
    G = 2\pi \tfrac{L M_s}{\gamma}(1-\cos\theta_0), \quad D = 2\pi\alpha\eta \tfrac{L M_s}{\gamma}, \quad
    \eta = \big[\ln\tfrac{R}{2b} - \tfrac14\big]\sin^2\theta_0

.. math::
    a_J = \pi \tfrac{\hbar P}{2 e} p_z \sin^2\theta_0, \quad \cos\theta_0 = H/M_s, \quad p_z = H/M_{SAF}

The nonlinear damping enters with a minus sign, as the stationary radius demands. Thermal noise f obeys
equipartition, :math:`\langle s^2\rangle R^2 = 2 k_B T/\kappa` at rest, and grows with the damping,

.. math::
    \langle f f^*\rangle = 2 D_s\,\delta, \quad
    D_s = \frac{2 k_B T D}{G^2 R^2}\, \frac{1 + (\zeta + \xi) s^2}{1 + \zeta s^2}

with :math:`\zeta` without current. These formulas of a rigid core relax about
ten times faster than measured oscillators (20 to 40 ns against 200 to 500 ns): a known limit of the model.

Not modelled: deformation and reversal of the core, the edge beyond s = 0.6, other modes, pinning.

Source: Grimaldi et al., Phys. Rev. B 89, 104404 (2014); Dussaux et al., Phys. Rev. B 86, 014402 (2012), as collected
in a third-party thesis whose sign of the nonlinear damping and value of hbar are corrected here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import constants as si

from nanoneurons.physics.linewidth import QUIET, phase_linewidth
from nanoneurons.solvers import Equation
from nanoneurons.solvers.ops import sqrt

__all__ = ["VORTEX", "VortexCore"]

GAMMA = 1.760859630e11  # gyromagnetic ratio of the electron in rad/(s T), CODATA
VALID = 0.6  # largest s for which the formulas hold


def _rhs(x, y, gyro, damper, stiff, stiff_oe, nonlinear, nonlinear_oe, torque, xi, frame, thermal, current, fx, fy):
    s2 = x * x + y * y
    kappa = stiff + stiff_oe * current
    kappa2 = nonlinear + nonlinear_oe * current  # kappa times zeta
    turn = (kappa + kappa2 * s2) / gyro - frame
    grow = (torque * current - damper / gyro * (kappa + (kappa2 + xi * kappa) * s2)) / gyro
    return grow * x - turn * y + fx, grow * y + turn * x + fy


def _noise(x, y, gyro, damper, stiff, stiff_oe, nonlinear, nonlinear_oe, torque, xi, frame, thermal):
    s2 = x * x + y * y
    zeta = nonlinear / stiff
    damping = (1.0 + (zeta + xi) * s2) / (1.0 + zeta * s2)  # of the core's motion, over that at the centre
    amplitude = sqrt(2.0 * thermal * damper * damping) / gyro
    return amplitude, amplitude


VORTEX = Equation(
    name="vortex core",
    states=("x", "y"),
    parameters=(
        "gyro", "damper", "stiff", "stiff_oe", "nonlinear", "nonlinear_oe", "torque", "xi", "frame", "thermal",
    ),
    inputs=("current", "fx", "fy"),
    rhs=_rhs,
    noise=_noise,
    noisy=("fx", "fy"),
)  # fmt: skip
"""The equation above; the core turns counter-clockwise, in a frame that turns with it at ``frame`` rad/s.

``gyro`` G and ``damper`` D in kg/s, ``stiff`` k_ms and ``nonlinear`` k'_ms in N/m, their current-induced parts in
N/(m A), ``torque`` a_J/(pi R^2) in N/(m A), ``thermal`` k_B T/R^2 in N/m.
"""


@dataclass(frozen=True)
class VortexCore:
    """A dot's geometry and material, its Thiele coefficients and closed forms.

    Numbers, or tensors of shape ``(chips | 1, devices | 1)``.

    Args:
        radius: R in m.
        thickness: L in m.
        magnetisation: M_s of the free layer in A/m.
        reference: M of the polarising layer in A/m.
        field: perpendicular field mu0 H in T.
        polarisation: spin polarisation P.
        damping: Gilbert alpha.
        core: core radius b in m.
        xi: coefficient of nonlinear damping.
        chirality: +1 or -1; with which sign the current's own field stiffens the core.
        temperature: K; 0 without noise.
    """

    radius: float | torch.Tensor
    thickness: float | torch.Tensor
    magnetisation: float
    reference: float
    field: float | torch.Tensor
    polarisation: float
    damping: float | torch.Tensor
    core: float
    xi: float
    chirality: float = 1.0
    temperature: float = 0.0

    def parameters(self, frame: float | torch.Tensor = 0.0) -> dict[str, float | torch.Tensor]:
        """Parameters of `VORTEX`."""
        tilt = self.field / (si.mu_0 * self.magnetisation)
        sine2 = 1 - tilt * tilt
        sine = sine2**0.5
        area = math.pi * self.radius * self.radius
        momentum = 2 * math.pi * self.thickness * self.magnetisation / GAMMA
        ratio = torch.as_tensor(self.radius / (2 * self.core), dtype=torch.float64)
        eta = (torch.log(ratio) - 0.25) * sine2
        oersted = self.chirality * si.mu_0 * self.magnetisation * self.thickness * self.radius * sine / area
        stiff = 10 / 9 * si.mu_0 * self.magnetisation**2 * self.thickness**2 / self.radius * sine2
        spin = math.pi * si.hbar * self.polarisation / (2 * si.e)
        return {
            "gyro": momentum * (1 - tilt),
            "damper": self.damping * eta * momentum,
            "stiff": stiff,
            "stiff_oe": 0.85 * oersted,
            "nonlinear": 0.25 * stiff,
            "nonlinear_oe": -0.42 * oersted,
            "torque": spin * self.field / (si.mu_0 * self.reference) * sine2 / area,
            "xi": self.xi,
            "frame": frame,
            "thermal": si.k * self.temperature / (self.radius * self.radius),
        }

    def rates(self, current: float | torch.Tensor) -> tuple[torch.Tensor, ...]:
        """kappa/G in rad/s, zeta, D kappa/G^2 in 1/s, and a_J J G/(D kappa) - 1, the distance from threshold."""
        p = {k: torch.as_tensor(v, dtype=torch.float64) for k, v in self.parameters().items()}
        current = torch.as_tensor(current, dtype=torch.float64)
        kappa = p["stiff"] + p["stiff_oe"] * current
        zeta = (p["nonlinear"] + p["nonlinear_oe"] * current) / kappa
        drag = p["damper"] * kappa / p["gyro"] ** 2
        over = p["torque"] * current / p["gyro"] / drag - 1
        return kappa / p["gyro"], zeta, drag, over

    def threshold_current(self) -> torch.Tensor:
        """I_th = D k_ms pi R^2 / (a_J G - D k_oe) in A; infinite where the torque never wins."""
        p = {k: torch.as_tensor(v, dtype=torch.float64) for k, v in self.parameters().items()}
        gain = p["torque"] * p["gyro"] - p["damper"] * p["stiff_oe"]
        return torch.where(gain > 0, p["damper"] * p["stiff"] / gain, torch.inf)

    def radius_squared(self, current: float | torch.Tensor) -> torch.Tensor:
        """Stationary s0^2 = (a_J J G/(D kappa) - 1) / (zeta + xi); 0 below threshold."""
        _, zeta, _, over = self.rates(current)
        return torch.clamp(over, min=0.0) / (zeta + self.xi)

    def angular_frequency(self, current: float | torch.Tensor) -> torch.Tensor:
        """(kappa/G)(1 + zeta s0^2) in rad/s."""
        turn, zeta, _, _ = self.rates(current)
        return turn * (1 + zeta * self.radius_squared(current))

    def relaxation_time(self, current: float | torch.Tensor) -> torch.Tensor:
        """Time constant of a small deviation of s^2 in s: 1/(2 (D kappa/G^2) |a_J J G/(D kappa) - 1|)."""
        _, _, drag, over = self.rates(current)
        return 1 / (2 * drag * over.abs())

    def nonlinearity(self, current: float | torch.Tensor) -> torch.Tensor:
        """nu = (kappa/G) zeta / ((D kappa/G^2)(zeta + xi)), how much the frequency follows the radius."""
        turn, zeta, drag, _ = self.rates(current)
        return turn * zeta / (drag * (zeta + self.xi))

    def linewidth(self, current: float | torch.Tensor) -> torch.Tensor:
        """Full width at half maximum in Hz; NaN near threshold, where neither closed form holds.

        Below threshold the damping rate over pi; far above it (1 + nu^2) D_s / (2 pi s0^2), and less where that is not
        far below the rate of the amplitude over pi, see `phase_linewidth`; conditions as for `AutoOscillator`.
        """
        _, zeta, drag, over = self.rates(current)
        s2 = self.radius_squared(current)
        p = {k: torch.as_tensor(v, dtype=torch.float64) for k, v in self.parameters().items()}
        spread = 2 * p["thermal"] * p["damper"] / p["gyro"] ** 2  # D_s at the centre, per s
        rest = p["nonlinear"] / p["stiff"]  # zeta without current, as in the noise
        diffusion = spread * (1 + (rest + self.xi) * s2) / (1 + rest * s2) / s2
        above = phase_linewidth(diffusion, self.nonlinearity(current), 2 * drag * over)
        above = torch.where(diffusion < QUIET * drag * over, above, math.nan)
        resting = spread / (drag * over.abs())  # <s^2> below threshold
        below = torch.where(resting * (zeta + self.xi) < 0.2 * over.abs(), drag * over.abs() / math.pi, math.nan)
        return torch.where(over > 0, above, below)
