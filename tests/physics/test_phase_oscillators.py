"""Phase oscillators against Adler, the pair's threshold, Kuramoto's order parameter and the law of diffusion."""

import math

import pytest
import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.physics import phase_oscillators as phase
from nanoneurons.physics.phase_oscillators import PHASE_OSCILLATOR
from nanoneurons.solvers import Tones, integrate

MHZ = 2e6 * math.pi


def column(values):
    return torch.tensor(values, dtype=torch.float64)[:, None]


def mean_rate(run, settle):
    """Mean angular frequency after `settle` records, shape ``(chips, devices)``."""
    theta = run["theta"]
    return (theta[-1] - theta[settle]) / float(run.t[-1] - run.t[settle])


def pair(detuning, k, back=None, steps=20000):
    """Mean difference of the frequencies of a pair, one chip per detuning."""
    omega = torch.cat([column(detuning) / 2, -column(detuning) / 2], 1)
    coupling = torch.tensor([[0.0, k], [k if back is None else back, 0.0]], dtype=torch.complex128)
    run = integrate(
        PHASE_OSCILLATOR, torch.zeros(len(omega), 2, 1), {"omega": omega, "diffusion": 0.0},
        dt=1e-8, steps=steps, every=100, coupling=coupling,
    )  # fmt: skip
    rate = mean_rate(run, len(run.t) // 4)
    return rate[:, 0] - rate[:, 1], run


def test_a_pair_locks_below_twice_the_coupling():
    k = 0.5 * MHZ
    edge = phase.pair_locking_detuning(k)
    assert edge == pytest.approx(2 * k)
    detuning = [0.5 * edge, 0.99 * edge, 1.01 * edge, 2 * edge]
    difference, run = pair(detuning, k)
    assert (difference[:2].abs() < 1e-6 * edge).all()  # locked: only the decayed transient is left
    # 150 us hold about 21 and 260 slips; a slip cut at the end is the error: 2 pi / 150 us
    assert difference[2:].tolist() == pytest.approx(phase.slip(torch.tensor(detuning[2:]), edge).tolist(), abs=4.2e4)
    last = run.last[..., 0]
    rest = phase.locked_phase(torch.tensor(detuning[:2], dtype=torch.float64), edge)
    assert (last[:2, 0] - last[:2, 1]).tolist() == pytest.approx(rest.tolist(), abs=1e-6)


def test_unequal_couplings_of_a_pair_add():
    k, back = 0.8 * MHZ, -0.2 * MHZ
    edge = phase.pair_locking_detuning(k, back)
    difference, _ = pair([0.98 * edge, 1.1 * edge], k, back)
    assert abs(float(difference[0])) < 1e-6 * edge
    assert float(difference[1]) == pytest.approx(float(phase.slip(1.1 * edge, edge)), abs=4.2e4)


def test_slip_under_a_tone_is_adlers():
    force, tone = 1.0 * MHZ, 3.0 * MHZ
    detuning = torch.tensor([-4.0, -1.05, -0.9, 0.0, 0.9, 1.05, 4.0], dtype=torch.float64) * force
    run = integrate(
        PHASE_OSCILLATOR, torch.zeros(7, 1, 1), {"omega": tone + detuning[:, None], "diffusion": 0.0},
        dt=5e-9, steps=40000, every=100, drive={("c", "s"): Tones(force, torch.tensor(-tone), -0.4)},
    )  # fmt: skip
    measured = mean_rate(run, 100)[:, 0] - tone
    assert measured.tolist() == pytest.approx(phase.slip(detuning, force).tolist(), abs=4.2e4)  # one slip in 150 us
    # a locked oscillator trails the tone's phase by arcsin(detuning / F)
    angle = tone * float(run.t[-1]) + 0.4
    locked = run.last[2:5, 0, 0] - angle
    wrapped = torch.atan2(torch.sin(locked), torch.cos(locked))
    # RK4's own error in following the tone is of the order (omega_X dt)^4 = 8e-5 rad
    assert wrapped.tolist() == pytest.approx(phase.locked_phase(detuning[2:5], force).tolist(), abs=8e-5)
    assert phase.locked_phase(2.0, 1.0).isnan()


def test_order_of_a_large_population_is_kuramotos():
    n, half_width = 300, 1.0 * MHZ
    # quantiles of the Lorentzian instead of random draws: the population's own scatter is gone
    quantile = (torch.arange(n, dtype=torch.float64) + 0.5) / n
    omega = half_width * torch.tan(math.pi * (quantile - 0.5))
    orders = []
    for k in (1.5, 3.0, 5.0):
        coupling = torch.full((n, n), k * half_width / n, dtype=torch.complex128)
        start = 2 * math.pi * torch.rand(1, n, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
        run = integrate(
            PHASE_OSCILLATOR, start, {"omega": omega[None], "diffusion": 0.0}, dt=1e-8, steps=600, every=5,
            coupling=coupling,
        )  # fmt: skip
        theta = run["theta"][60:, 0]
        orders.append(float(torch.exp(1j * theta).mean(1).abs().mean()))
    assert phase.kuramoto_order(1.5 * half_width, half_width) == 0.0
    assert orders[0] < 3 / math.sqrt(n)  # incoherent phases leave about 1 / sqrt(n)
    for k, order in zip((3.0, 5.0), orders[1:], strict=True):  # finite population: within about 1 / sqrt(n)
        assert order == pytest.approx(phase.kuramoto_order(k * half_width, half_width), abs=1 / math.sqrt(n))


def test_free_phase_diffuses():
    diffusion, chips, time = 2e5, 4000, 1e-6
    run = integrate(
        PHASE_OSCILLATOR, torch.zeros(chips, 1, 1), {"omega": 1.0 * MHZ, "diffusion": diffusion},
        dt=1e-8, steps=100, every=100, method="stochastic-heun", key=5,
    )  # fmt: skip
    theta = run.last[:, 0, 0]
    variance = 2 * diffusion * time
    assert float(theta.mean()) == pytest.approx(MHZ * time, abs=4 * math.sqrt(variance / chips))
    # relative standard error of a variance is sqrt(2 / n); four of them
    assert float(theta.var()) == pytest.approx(variance, rel=4 * math.sqrt(2 / chips))


def test_common_field_keeps_the_order_of_frequencies():
    # All oscillators that feel the same field obey one scalar equation that differs in omega only, so their mean
    # frequencies are ordered as their natural ones (comparison theorem): what is locked is contiguous.
    g = torch.Generator().manual_seed(3)
    chips, n = 200, 5
    omega = (4 * MHZ * (torch.rand(chips, n, generator=g, dtype=torch.float64) - 0.5)).sort(1).values
    k = MHZ * torch.rand(chips, 1, 1, generator=g, dtype=torch.float64).expand(chips, n, n)
    tones = Tones(MHZ * torch.rand(chips, 1, 2, generator=g), -4 * MHZ * (torch.rand(chips, 1, 2, generator=g) - 0.5))
    run = integrate(
        PHASE_OSCILLATOR, torch.zeros(chips, n, 1), {"omega": omega, "diffusion": 0.0}, dt=1e-8, steps=2000,
        every=20, drive={("c", "s"): tones}, coupling=k.to(torch.complex128),
    )  # fmt: skip
    theta = run["theta"]
    assert (theta.diff(dim=-1) >= -1e-9).all()  # started together, they never overtake each other; rounding only


def test_bad_input_is_told():
    with pytest.raises(ParameterError, match="half width"):
        phase.kuramoto_order(1.0, 0.0)
