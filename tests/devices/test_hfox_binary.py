"""Binary HfOx device: its law, its imperfections, its measured operating points."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import draw_key, generator_for, normal
from nanoneurons.devices import get, presets
from nanoneurons.devices.hfox_binary import HfOxBinary
from nanoneurons.physics.error_rates import pair_error, threshold_error


def programmed(device, sign, shape=(1, 100_000), seed=0):
    generator = generator_for(seed, "test")
    state = device.init(shape, generator)
    state = device.step(state, torch.full(shape, float(sign)), 0.0, generator)
    return state, device.read(state).log().double().numpy().ravel()


@pytest.mark.parametrize(("sign", "median", "place"), [(1, 6988.0, 0), (-1, 1e5, 1)])
def test_states_are_log_normal_with_the_declared_law(sign, median, place):
    device = HfOxBinary()
    _, log_r = programmed(device, sign)
    sigma = device.spreads()[place]
    # Kolmogorov-Smirnov at p > 1e-3: a fixed seed, so this never fails by chance
    assert stats.kstest((log_r - math.log(median)) / sigma, "norm").pvalue > 1e-3


def test_low_resistance_spread_is_the_measured_one():
    # R0 = 6988 +- 382 ohm after a strong SET (authors' program to arXiv:2107.06064)
    assert HfOxBinary().resistance_low == 6988.0
    assert HfOxBinary().spreads()[0] == pytest.approx(381.7 / 6988, rel=0.01)


# 17 programming conditions, percent of single devices that err: the lowest, and one of the low-energy ones
@pytest.mark.parametrize(("preset", "measured"), [("strong", 0.0072e-2), ("weak", 2.4855e-2)])
def test_presets_hit_measured_error_rates(preset, measured):
    device = get(f"hfox-binary:{preset}")
    rate = threshold_error(device.log_window, *device.spreads())
    assert rate == pytest.approx(measured, rel=0.02)  # the presets' spreads have three digits
    assert pair_error(device.log_window, *device.spreads()) < rate


def test_default_is_the_strong_preset():
    strong = get("hfox-binary:strong")
    assert strong == HfOxBinary()
    assert set(presets("hfox-binary")) == {"strong", "weak"}


def test_device_to_device_part_stays_and_cycle_to_cycle_part_is_new():
    device = HfOxBinary()
    generator = generator_for(0, "cycles")
    shape = (1, 50_000)
    state = device.init(shape, generator)
    reads = []
    for _ in range(2):
        state = device.step(state, torch.full(shape, -1.0), 0.0, generator)
        reads.append(device.read(state).log().numpy().ravel())
    share = device.high_spread_device**2 / device.spreads()[1] ** 2
    assert np.corrcoef(*reads)[0, 1] == pytest.approx(share, abs=0.02)  # standard error 0.004
    still = device.without("cycle_to_cycle")
    state, first = programmed(still, -1)
    again = still.step(state, torch.full((1, 100_000), -1.0), 0.0, generator)
    assert np.array_equal(first, still.read(again).log().double().numpy().ravel())


def test_ideal_device_has_two_values():
    for sign, value in ((1, 6988.0), (-1, 1e5)):
        _, log_r = programmed(HfOxBinary().ideal(), sign, (1, 100))
        assert np.exp(log_r) == pytest.approx(np.full(100, value), rel=1e-5)


def test_zero_drive_leaves_the_device_and_the_given_state_is_not_changed():
    device = HfOxBinary(stuck_share=0.1)
    generator = generator_for(0, "zero")
    state = device.init((2, 300), generator)
    before = {k: v.clone() for k, v in state.items()}
    drive = torch.zeros(2, 300)
    drive[:, ::2] = 1
    after = device.step(state, drive, 0.0, generator)
    assert torch.equal(after["resistance"][:, 1::2], state["resistance"][:, 1::2])
    assert not torch.equal(after["resistance"], state["resistance"])
    assert all(torch.equal(state[k], before[k]) for k in state)


def test_stuck_devices_ignore_pulses_in_their_share():
    device = HfOxBinary(stuck_share=0.2, stuck_low=0.25)
    state, _ = programmed(device, 1)
    stuck = state["stuck"]
    assert float(stuck.float().mean()) == pytest.approx(0.2, abs=0.006)  # 4.7 standard errors
    low = state["resistance"][stuck] < 2e4
    assert float(low.float().mean()) == pytest.approx(0.25, abs=0.015)


def test_fused_kernel_equals_the_plain_expression():
    device = HfOxBinary()
    state = device.init((3, 2000), generator_for(0, "init"))
    drive = torch.randint(-1, 2, (3, 2000), generator=generator_for(0, "drive")).float()
    fused = device.step(state, drive, 0.0, generator_for(0, "step"))["resistance"]
    noise = normal(draw_key(generator_for(0, "step")), (3, 2000))
    plain = torch.where(drive != 0, device._programmed(state, drive > 0, noise), state["resistance"])
    torch.testing.assert_close(fused, plain, rtol=2e-6, atol=0)  # a few float32 roundings of exp


def test_a_chip_does_not_depend_on_its_neighbours():
    device = HfOxBinary(stuck_share=0.05)
    alone, _ = programmed(device, 1, (1, 500))
    beside, _ = programmed(device, 1, (4, 500))
    assert all(torch.equal(alone[k][0], beside[k][0]) for k in alone)


def test_cycling_narrows_the_window_beyond_its_onset():
    fresh, aged = HfOxBinary(cycles=1e3), HfOxBinary(cycles=1e9)
    assert fresh.log_window == pytest.approx(math.log(1e5 / 6988), rel=1e-3)
    assert aged.log_window == pytest.approx(math.log(1e5 / 6988) - 0.4 * math.log10(101), rel=1e-6)
    rates = [pair_error(d.log_window, *d.spreads()) for d in (fresh, aged)]
    assert rates[1] > 10 * rates[0]
    assert "cycling" in {i.name for i in aged.imperfections()}
    assert aged.without("cycling").log_window == pytest.approx(HfOxBinary().log_window)


def test_read_noise_only_with_a_generator():
    device = HfOxBinary(read_noise=0.05)
    state, _ = programmed(device, 1)
    assert torch.equal(device.read(state), device.read(state))
    noise = (device.read(state, generator_for(0, "read")) / device.read(state)).log()
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)


def test_read_threshold_separates_best():
    device = HfOxBinary()
    low, high = device.conductance_range()
    assert low < device.read_threshold() < high
    rate = threshold_error(device.log_window, *device.spreads(), -math.log(device.read_threshold() * 6988))
    assert rate == pytest.approx(threshold_error(device.log_window, *device.spreads()), rel=1e-6)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(ParameterError, match="resistance_low"):
        HfOxBinary(resistance_high=100.0)
    device = HfOxBinary()
    state = device.init((1, 2), generator_for(0, "x"))
    with pytest.raises(ParameterError, match="finite"):
        device.step(state, torch.tensor([[float("nan"), 1.0]]), 0.0, generator_for(0, "y"))


def test_energies_carry_source_and_node():
    prices = HfOxBinary().prices()
    assert prices["write"].joule == pytest.approx(20e-12)
    assert get("hfox-binary:weak").prices()["write"].joule == pytest.approx(20e-12 / 30, rel=0.01)
    assert all(p.source and p.node and not p.verified for p in prices.values())
