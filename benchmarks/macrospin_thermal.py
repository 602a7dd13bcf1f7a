"""Steps per second of a macrospin with thermal field and spin-transfer torque, against ``cmtj``.

The peer: ``pip install cmtj`` (C++). Equal: free layer (uniaxial anisotropy, thin-film demagnetisation, damping,
volume), temperature, current along the easy axis, time step, gyromagnetic ratio, Heun's method with thermal field,
nothing recorded but the last state, one thread, float64. Not equal: the random numbers, and the angular dependence of
the torque, which is switched off in both (lambda = 0; L = 1 in cmtj). cmtj has no call for many junctions: they are
objects run one after another, and making them is not counted. Before the timing both relax from the same start
without thermal field and must agree, and the mean of 1 - mz^2 with it is set beside that of Boltzmann's law.
"""

from __future__ import annotations

import importlib.util
import math

import torch
from _bench import Result, arguments, compare, one_thread, report
from scipy import constants

from nanoneurons.physics.macrospin import MACROSPIN, Macrospin
from nanoneurons.solvers import integrate

DT, ANGLE, GAMMA = 1e-13, 0.3, 220_880.0  # s, rad, m/(A s) as measured from the precession of cmtj
MS, THICKNESS, AREA, ALPHA, HK, P = 1e6, 1e-9, math.pi / 4 * 40e-9**2, 0.01, 1.2e6, 0.6
CURRENT = 2e-6  # A, a fifth of the critical one
CASES = ((1, 200_000, 1.0), (1_000, 2_000, 5.0))  # junctions, steps, target


def layer(temperature: float) -> Macrospin:
    """The free layer."""
    return Macrospin(
        MS, AREA * THICKNESS, THICKNESS, ALPHA, hk=HK, polarisation=P, asymmetry=0.0, temperature=temperature,
        gamma0=GAMMA,
    )  # fmt: skip


def ours(junctions: int, steps: int, temperature: float) -> torch.Tensor:
    """States at the end, ``(junctions, 3)``."""
    start = torch.tensor([math.sin(ANGLE), 0.0, math.cos(ANGLE)], dtype=torch.float64).expand(1, junctions, 3)
    method, key = ("stochastic-heun", 1) if temperature else ("heun", None)
    run = integrate(
        MACROSPIN, start, layer(temperature).parameters(), dt=DT, steps=steps, every=steps, method=method,
        key=key, drive={"current": CURRENT},
    )  # fmt: skip
    return run.last[0]


def junctions_of_peer(count: int, temperature: float) -> list:
    """The same as objects of cmtj."""
    from cmtj import AxialDriver, CVector, Junction, Layer, ScalarDriver

    made = []
    start, zero = CVector(math.sin(ANGLE), 0, math.cos(ANGLE)), CVector(0, 0, 0)
    for seed in range(count):
        free = Layer.createSTTLayer(
            "free", start, CVector(0, 0, 1), MS * constants.mu_0, THICKNESS, AREA, [zero, zero, CVector(0, 0, 1)],
            damping=ALPHA, SlonczewskiSpacerLayerParameter=1.0, beta=0.0, spinPolarisation=P,
        )  # fmt: skip
        free.setReferenceLayer(CVector(0, 0, 1))
        free.setSeed(seed)
        junction = Junction([free], 1000, 2000)
        junction.setLayerAnisotropyDriver("free", ScalarDriver.getConstantDriver(HK * constants.mu_0 * MS / 2))
        junction.setLayerExternalFieldDriver("free", AxialDriver(0.0, 0.0, 0.0))
        junction.setLayerCurrentDriver("free", ScalarDriver.getConstantDriver(CURRENT / AREA))
        if temperature:
            junction.setLayerTemperatureDriver("free", ScalarDriver.getConstantDriver(temperature))
        made.append(junction)
    return made


def run_peer(junctions: list, steps: int) -> None:
    """Advance all by so many steps."""
    from cmtj import SolverMode

    for junction in junctions:
        time = (steps + 0.5) * DT  # exactly `steps` steps are taken
        junction.runSimulation(time, DT, time, False, False, SolverMode.Heun)


def states_of_peer(junctions: list) -> torch.Tensor:
    """``(junctions, 3)``."""
    return torch.tensor([j.getLayerMagnetisation("free").tolist() for j in junctions], dtype=torch.float64)


def agreement(quick: bool) -> list[str]:
    """Compare the two, as sentences; stop where they do not take the same steps."""
    steps, count, settle = 10_000, 200 if quick else 1000, 50_000
    peer = junctions_of_peer(1, 0.0)
    run_peer(peer, steps)
    difference = float((ours(1, steps, 0.0) - states_of_peer(peer)).abs().max())
    # mu0 = 12.566e-7 there: 29 A/m of 1e6, so 6e-3 rad of phase in 1 ns, at an angle of 0.3 or less
    if not difference < 5e-3:
        raise SystemExit(f"the two disagree by {difference:.1e} after 1 ns without thermal field")
    said = [f"# without thermal field, states after 1 ns (about 7 periods) differ by {difference:.1e}"]
    hot = junctions_of_peer(count, 300.0)
    run_peer(hot, settle)
    for name, m in (("ours", ours(count, settle, 300.0)), ("cmtj", states_of_peer(hot))):
        across = 1 - m[:, 2] ** 2
        error = float(across.std()) / count**0.5
        said.append(f"# after 5 ns at 300 K, mean of 1 - mz^2: {name} {float(across.mean()):.5f} +- {error:.5f}")
    z = torch.linspace(0, 1, 20_001, dtype=torch.float64)
    # the torque of a current acts like a field along z that grows with I / I_c: energy Delta (mz^2 + 2 i mz)
    over = CURRENT / abs(float(layer(300.0).critical_current(False)))
    weight = torch.exp(float(layer(300.0).thermal_stability()) * (z * z + 2 * over * z - 1 - 2 * over))
    mean = float((weight * (1 - z * z)).sum() / weight.sum())
    return [*said, f"# Boltzmann's law with the pseudo-energy of the torque: {mean:.5f}"]


def main() -> None:
    """Run and print."""
    args = arguments(__doc__.splitlines()[0])
    one_thread()
    if importlib.util.find_spec("cmtj") is None:
        print("skipped: cmtj is not installed (pip install cmtj)")
        return
    if not args.json:
        print(*agreement(args.quick), sep="\n")
    results = []
    for count, steps, target in CASES:
        steps = steps // 4 if args.quick else steps
        peer = junctions_of_peer(count, 300.0)
        mine, theirs = compare(
            lambda n=count, s=steps: ours(n, s, 300.0), lambda p=peer, s=steps: run_peer(p, s), rounds=5
        )
        note = f"{count * steps / mine / 1e6:.3g} M against {count * steps / theirs / 1e6:.3g} M steps/s"
        results.append(
            Result(f"thermal Heun, {count} junctions", mine, theirs, theirs / mine, target, False, "cmtj", note)
        )
    report(results, args.json)


if __name__ == "__main__":
    main()
