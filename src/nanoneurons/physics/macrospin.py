"""A magnetic layer that turns as one vector (macrospin): equation of motion and closed forms.

Landau-Lifshitz-Gilbert equation with the torques of Slonczewski, J. Magn. Magn. Mater. 159, L1 (1996), and the thermal
field of Brown, Phys. Rev. 130, 1677 (1963).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from scipy import constants

from nanoneurons.solvers import Equation

from ._macrospin_switching import precessional_probability, precessional_time, thermal_probability

__all__ = ["GAMMA0", "MACROSPIN", "Macrospin", "precessional_probability", "precessional_time", "thermal_probability"]

GAMMA0 = constants.value("electron gyromag. ratio") * constants.mu_0
"""Gyromagnetic ratio times mu0 in m/(A s)."""

Value = float | torch.Tensor
Vector = tuple[Value, Value, Value]


def _rhs(
    mx, my, mz, turn, alpha, hk, ex, ey, ez, dx, dy, dz, px, py, pz, torque, asymmetry, field_like,
    sx, sy, sz, orbit, orbit_field, vcma, thermal, current, density, voltage, hx, hy, hz,
):  # fmt: skip
    along = (hk + vcma * voltage) * (mx * ex + my * ey + mz * ez)
    a = torque * current / (1.0 + asymmetry * (mx * px + my * py + mz * pz))
    s = orbit * density
    b = field_like * a
    f = orbit_field * s
    qx, qy, qz = a * px + s * sx, a * py + s * sy, a * pz + s * sz
    # a damping-like torque is the torque of a field m x q, a field-like one that of a field along the spins
    gx = hx + along * ex - dx * mx + b * px + f * sx + my * qz - mz * qy
    gy = hy + along * ey - dy * my + b * py + f * sy + mz * qx - mx * qz
    gz = hz + along * ez - dz * mz + b * pz + f * sz + mx * qy - my * qx
    ux, uy, uz = my * gz - mz * gy, mz * gx - mx * gz, mx * gy - my * gx
    return (
        -turn * (ux + alpha * (my * uz - mz * uy)),
        -turn * (uy + alpha * (mz * ux - mx * uz)),
        -turn * (uz + alpha * (mx * uy - my * ux)),
    )


def _noise(
    mx, my, mz, turn, alpha, hk, ex, ey, ez, dx, dy, dz, px, py, pz, torque, asymmetry, field_like,
    sx, sy, sz, orbit, orbit_field, vcma, thermal,
):  # fmt: skip
    return thermal, thermal, thermal


MACROSPIN = Equation(
    name="macrospin",
    states=("mx", "my", "mz"),
    parameters=(
        "turn", "alpha", "hk", "ex", "ey", "ez", "dx", "dy", "dz", "px", "py", "pz", "torque", "asymmetry",
        "field_like", "sx", "sy", "sz", "orbit", "orbit_field", "vcma", "thermal",
    ),
    inputs=("current", "density", "voltage", "hx", "hy", "hz"),
    rhs=_rhs,
    noise=_noise,
    noisy=("hx", "hy", "hz"),
    norm=("mx", "my", "mz"),
)  # fmt: skip
"""dm/dt = -gamma0/(1 + alpha^2) [m x G + alpha m x (m x G)],  m a unit vector, fields in A/m, all terms SI:

G = H + (h_k + v V)(m.e) e - D m + m x (a p + s sigma) + beta_a a p + beta_s s sigma,
a = tau I / (1 + lambda m.p),  s = o J

which is Gilbert's dm/dt = -gamma0 m x G + alpha m x dm/dt solved for dm/dt. Inputs: ``current`` I in A through the
junction, ``density`` J in A/m^2 in a heavy metal beside the layer, ``voltage`` V in V, the field ``hx, hy, hz`` in A/m.

Signs: **a positive current favours m parallel to p** (electrons come from the reference layer), a negative one
antiparallel; a positive density pulls m towards sigma; a positive voltage changes the anisotropy field by v V. The
thermal field is white, independent in x, y and z, of amplitude ``thermal``; G is affine in it, so that stochastic Heun
gives the Stratonovich solution, which has the Boltzmann law as its equilibrium.

The exact flow keeps |m| = 1. Without restoring it, a step changes |m| by up to -(w dt)^6 / 144 (RK4) or
(w dt)^4 / 8 (Heun), w = gamma0 G, and by a little alpha (w dt)^5: RK4 stays below 1e-12 a step at w dt = 0.02;
at 0.06 it is 3e-10, Heun 2e-6. The engines divide m by |m| after every step, which leaves rounding (5e-16); what this
removes is of a higher order than the error of the method.
"""


@dataclass(frozen=True)
class Macrospin:
    """A layer's material and geometry, numbers or tensors of shape ``(chips | 1, devices | 1)``, and its closed forms.

    Not modelled: exchange and domain walls, dipolar fields of other layers, heating, a bias dependence of the torques,
    angular momentum pumped by the current's noise.

    Args:
        ms: saturation magnetisation in A/m.
        volume: in m^3.
        thickness: in m.
        alpha: Gilbert damping.
        hk: uniaxial anisotropy field 2 K / (mu0 Ms) in A/m, without demagnetisation; negative for an easy plane.
        axis: direction of the anisotropy (normalised here).
        demagnetisation: Nx, Ny, Nz; sum 1. (0, 0, 1) is a thin film.
        polarisation: P of the spin-transfer torque, eta = P / (1 + lambda m.p).
        reference: p, direction of the reference layer (normalised here).
        asymmetry: lambda; P^2 if not given.
        field_like: field-like over damping-like spin-transfer torque.
        spin_hall: spin-Hall angle of the heavy metal.
        spins: sigma, direction of the spins it injects, z x (current direction); y for a current along x.
        spin_orbit_field: field-like over damping-like spin-orbit torque.
        vcma: change of interface anisotropy per electric field in J/(V m); K_i falls by vcma V / barrier.
        barrier: thickness of the insulator in m.
        temperature: in K; 0 without thermal field.
        gamma0: gyromagnetic ratio times mu0 in m/(A s).
    """

    ms: Value
    volume: Value
    thickness: Value
    alpha: Value
    hk: Value = 0.0
    axis: Vector = (0.0, 0.0, 1.0)
    demagnetisation: Vector = (0.0, 0.0, 1.0)
    polarisation: Value = 0.0
    reference: Vector = (0.0, 0.0, 1.0)
    asymmetry: Value | None = None
    field_like: Value = 0.0
    spin_hall: Value = 0.0
    spins: Vector = (0.0, 1.0, 0.0)
    spin_orbit_field: Value = 0.0
    vcma: Value = 0.0
    barrier: Value = 1e-9
    temperature: Value = 0.0
    gamma0: Value = GAMMA0

    def parameters(self) -> dict[str, Value]:
        """Parameters of `MACROSPIN`."""
        half = constants.hbar / (2 * constants.e * constants.mu_0)
        values: dict[str, Value] = {
            "turn": self.gamma0 / (1 + self.alpha * self.alpha),
            "alpha": self.alpha,
            "hk": self.hk,
            "torque": half * self.polarisation / (self.ms * self.volume),
            "asymmetry": self._lambda(),
            "field_like": self.field_like,
            "orbit": half * self.spin_hall / (self.ms * self.thickness),
            "orbit_field": self.spin_orbit_field,
            "vcma": -2 * self.vcma / (constants.mu_0 * self.ms * self.thickness * self.barrier),
            "thermal": self.thermal_field(),
        }
        for letter, vector in (("e", self.axis), ("p", self.reference), ("s", self.spins)):
            values |= dict(zip((f"{letter}x", f"{letter}y", f"{letter}z"), _unit(vector), strict=True))
        return values | {f"d{i}": self.ms * n for i, n in zip("xyz", self.demagnetisation, strict=True)}

    def thermal_field(self) -> Value:
        """Amplitude of each component in A/m sqrt(s): sqrt(2 alpha k_B T / (mu0 gamma0 Ms V))."""
        power = 2 * self.alpha * constants.k * self.temperature / (constants.mu_0 * self.gamma0 * self.ms * self.volume)
        return power**0.5

    def energy(self, m: torch.Tensor, field: Vector = (0.0, 0.0, 0.0), voltage: Value = 0.0) -> torch.Tensor:
        """E = -mu0 Ms V [m.H + (h_k + v V)(m.e)^2 / 2 - m.D m / 2] in J; `m` of shape ``(..., 3)``."""
        p = self.parameters()
        e, n, components = _unit(self.axis), self.demagnetisation, m.unbind(-1)
        along = sum(a * b for a, b in zip(components, e, strict=True))
        zeeman = sum(a * b for a, b in zip(components, field, strict=True))
        shape = sum(self.ms * a * a * b for a, b in zip(components, n, strict=True))
        hk = p["hk"] + p["vcma"] * voltage
        return -constants.mu_0 * self.ms * self.volume * (zeeman + 0.5 * hk * along * along - 0.5 * shape)  # type: ignore[return-value]

    # -- small motion about an equilibrium ------------------------------------------------------------

    def stiffness_fields(self, m: Vector, field: Vector = (0.0, 0.0, 0.0)) -> tuple[torch.Tensor, torch.Tensor]:
        """Smaller and larger stiffness H1, H2 in A/m of small deviations from the equilibrium `m`.

        Eigenvalues of (m.H_eff) 1 - dH_eff/dm across m. A film along x in a field H has H and H + Ms.
        """
        tensor, along = self._tensor(), torch.stack(torch.broadcast_tensors(*map(_tensor, _unit(m))), -1)
        applied = torch.stack(torch.broadcast_tensors(*map(_tensor, field)), -1)
        effective = applied + (tensor @ along.unsqueeze(-1)).squeeze(-1)
        onto = torch.eye(3, dtype=torch.float64) - along.unsqueeze(-1) * along.unsqueeze(-2)
        level = (along * effective).sum(-1)[..., None, None]
        across = onto @ (level * torch.eye(3, dtype=torch.float64) - tensor) @ onto
        # the direction along m would give an eigenvalue of 0: move it out of the way, whatever the signs of the others
        far = 10 * (level.abs() + tensor.abs().sum((-1, -2), keepdim=True)) + 1
        found = torch.linalg.eigvalsh(across + far * (along.unsqueeze(-1) * along.unsqueeze(-2)))
        return found[..., 0], found[..., 1]

    def resonance(self, m: Vector, field: Vector = (0.0, 0.0, 0.0)) -> torch.Tensor:
        """Frequency in Hz of small precession about `m` (Kittel); 0 where it is overdamped.

        sqrt(gamma0 g H1 H2 - [g alpha (H1 + H2) / 2]^2) / 2pi with g = gamma0/(1 + alpha^2); for H1 = H2 = H it is the
        Larmor frequency g H / 2pi.
        """
        h1, h2 = self.stiffness_fields(m, field)
        turn = self.gamma0 / (1 + self.alpha * self.alpha)
        square = self.gamma0 * turn * h1 * h2 - (turn * self.alpha * (h1 + h2) / 2) ** 2
        return torch.sqrt(torch.clamp(square, min=0.0)) / (2 * math.pi)

    def damping_time(self, m: Vector, field: Vector = (0.0, 0.0, 0.0)) -> torch.Tensor:
        """Time in s in which a small precession falls to 1/e: (1 + alpha^2) / (gamma0 alpha (H1 + H2) / 2)."""
        h1, h2 = self.stiffness_fields(m, field)
        return (1 + self.alpha * self.alpha) / (self.gamma0 * self.alpha * (h1 + h2) / 2)

    def critical_current(self, parallel: bool, field: Vector = (0.0, 0.0, 0.0)) -> torch.Tensor:
        """Current in A at which the state along p (against it) gets unstable at zero temperature; signed.

        I_c = -+ alpha (H1 + H2) / (2 tau) (1 +- lambda) / (1 + alpha beta_a). For an easy axis along p and z this is
        4 e alpha Delta k_B T / (hbar eta); for an easy axis in the plane of a film it has H_k + Ms/2 in place
        of H_k. p must be an equilibrium.
        """
        sign = 1.0 if parallel else -1.0
        h1, h2 = self.stiffness_fields(tuple(sign * v for v in _unit(self.reference)), field)  # type: ignore[arg-type]
        p = self.parameters()
        eta = p["torque"] / (1 + sign * p["asymmetry"]) * (1 + self.alpha * self.field_like)
        return -sign * self.alpha * (h1 + h2) / (2 * eta)

    def threshold_current(self, field: Vector = (0.0, 0.0, 0.0)) -> torch.Tensor:
        """Current in A, signed, at which precession about +z sets in when p lies across z (average over a turn).

        I_th = -2 alpha H / (tau lambda) = -4 alpha e mu0 Ms V H / (hbar P lambda), H the stiffness along z of a layer
        that is symmetric about z: only the asymmetry of the torque gives a net push.
        """
        p = self.parameters()
        h1, h2 = self.stiffness_fields((0.0, 0.0, 1.0), field)
        return -self.alpha * (h1 + h2) / (p["torque"] * p["asymmetry"])

    def barrier_energy(self) -> torch.Tensor:
        """Height in J of the lowest way from one easy direction to the other without field: mu0 Ms V (t1 - t2) / 2.

        t1 >= t2 >= t3 are the principal values of the tensor dH_eff/dm.
        """
        t = torch.linalg.eigvalsh(self._tensor())
        return constants.mu_0 * self.ms * self.volume * (t[..., 2] - t[..., 1]) / 2

    def thermal_stability(self, temperature: Value = 300.0) -> torch.Tensor:
        """Delta = barrier / (k_B T)."""
        return self.barrier_energy() / (constants.k * temperature)

    def _lambda(self) -> Value:
        return self.polarisation * self.polarisation if self.asymmetry is None else self.asymmetry

    def _tensor(self) -> torch.Tensor:
        """dH_eff/dm, shape ``(..., 3, 3)``."""
        e = [_tensor(v) for v in _unit(self.axis)]
        n = [_tensor(self.ms * v) for v in self.demagnetisation]
        rows = [_tensor(self.hk) * a * b - (n[i] if i == j else 0.0) for i, a in enumerate(e) for j, b in enumerate(e)]
        stacked = torch.stack(torch.broadcast_tensors(*rows), -1)
        return stacked.unflatten(-1, (3, 3))


def _tensor(value: Value) -> torch.Tensor:
    return torch.as_tensor(value, dtype=torch.float64)


def _unit(vector: Vector) -> Vector:
    x, y, z = vector
    length = (x * x + y * y + z * z) ** 0.5
    return x / length, y / length, z / length
