"""The pulsed-conductance family: published presets, the laws of a step, trains against single pulses."""

import math

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.core.update import OuterProducts
from nanoneurons.devices import _pulsed_steps as steps
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.physics.pulse_trains import draw_counts, draw_counts_plain

PRESETS = list(devices.presets("pulsed"))
TWO_SIDED = [name for name in PRESETS if devices.get(f"pulsed:{name}").sided == "two-sided"]
# One preset per step shape; no preset has power steps.
SHAPES = {
    "constant": devices.get("pulsed:gokmen-vlasov"),
    "linear": devices.get("pulsed:ecram"),
    "soft-bounds": devices.get("pulsed:reram-sb"),
    "exponential": devices.get("pulsed:reram-es"),
    "power": Pulsed(step_shape="power", pulse_step=0.004, w_max=1.0, w_min=-1.0, gamma_up=0.8, gamma_down=1.3),
}


def quiet(device: Pulsed) -> Pulsed:
    """The same device without noise and spread."""
    for name in ("device_to_device", "cycle_to_cycle", "write_noise", "read_noise", "finite_levels", "stuck_devices"):
        device = device.without(name)
    return device


def cells(device: Pulsed, weight: float, count: int = 1, seed: int = 1):
    """Nominal cells that all start at one weight."""
    state = device.without("device_to_device").init((count,), generator_for(seed))
    return {**state, "weight": torch.full((count,), weight), "visible": torch.full((count,), weight)}


def pulsed(device: Pulsed, weight: float, pulses: int) -> float:
    state = device.step(cells(device, weight), torch.tensor([pulses]), 0.0, generator_for(0))
    return state["weight"].item()


# -- published values ---------------------------------------------------------------------------------


def test_number_of_states():
    """About 1,200 states for the RPU specification, 10,000 for the idealised device (notes of the presets).

    States = range / step: 2 / 0.0016 = 1250 and 2 / 0.0002 = 10000.
    """
    for name, states in (("gokmen-vlasov", 1250), ("idealized", 10_000)):
        device = quiet(devices.get(f"pulsed:{name}"))
        assert pulsed(device, -1.0, states - 2) < 1.0 - 1e-5
        assert pulsed(device, -1.0, states + 2) == 1.0  # two pulses more than enough: single precision adds up errors


@pytest.mark.parametrize(
    ("name", "weight", "up", "down"),
    [
        # ReRamES: z = -0.5 w - 0.5; up 1 + 1.18445 e^{5z}; down (1 - 0.259359)(1 + 0.081404 e^{-5z}).
        ("reram-es", 0.0, 0.00135 * (1 + 1.18445 * 0.0820850), 0.00135 * 0.740641 * (1 + 0.081404 * 12.182494)),
        ("reram-es", -1.0, 0.00135 * 2.18445, 0.00135 * 0.740641 * 1.081404),
        ("ecram", 0.0, 0.002, 0.002),
        ("ecram", 1.1724, 0.002 * (1 - 0.1153), 0.002 * (1 + 0.5085 * 1.1724 / 0.8276)),
        ("reram-sb", 0.5, 0.002 * (1 - 0.5 / 1.25), 0.002 * (1 + 0.5 / 0.75)),
    ],
)
def test_steps_of_presets(name, weight, up, down):
    """Formulas and constants of the released presets, worked out by hand."""
    device = quiet(devices.get(f"pulsed:{name}"))
    assert device.nominal_step(weight, up=True) == pytest.approx(up, rel=1e-6)
    assert device.nominal_step(weight, up=False) == pytest.approx(down, rel=1e-6)
    inside = min(weight, device.w_max - 2 * up)  # a pulse up must not meet the bound
    assert pulsed(device, inside, 1) - inside == pytest.approx(device.nominal_step(inside, up=True), rel=2e-4)
    inside = max(weight, device.w_min + 2 * down)
    expected = -device.nominal_step(inside, up=False)
    assert pulsed(device, inside, -1) - inside == pytest.approx(expected, rel=2e-4)  # float32 of a small difference


def test_symmetry_point_of_exponential_steps():
    """Alternating pulses settle where up and down steps are equal.

    From 1 + 1.18445/y = 0.740641 (1 + 0.081404 y), y = e^{-5z}: y = 7.0777, z = -0.39139, w = -0.2172.
    """
    device = quiet(SHAPES["exponential"])
    state = cells(device, 0.5)
    up, down = torch.tensor([20]), torch.tensor([-20])
    for _ in range(300):
        state = device.step(device.step(state, up, 0.0), down, 0.0)
    assert state["weight"].item() == pytest.approx(-0.2172, abs=0.02)  # ends below the point by up to one swing


def test_soft_bounds_fixed_point_and_decay():
    """Soft bounds: the distance to the bound shrinks by 1 - step/bound per pulse, so n pulses give its n-th power."""
    device = quiet(SHAPES["soft-bounds"])
    expected = 1.25 * (1 - (1 - 0.002 / 1.25) ** 400)
    assert pulsed(device, 0.0, 400) == pytest.approx(expected, abs=1e-5)
    assert pulsed(device, 0.0, 40_000) == pytest.approx(1.25, abs=1e-3)


def test_neurosim_closed_form():
    """W(x) = B (1 - exp(-x/A)) - 1 with P = 32, A = 0.7021 P, B = 2 / (1 - exp(-P/A)) (NeuroSim V2.1)."""
    device = quiet(devices.get("pulsed:neurosim"))
    a = 0.7021 * 32
    b = 2 / (1 - math.exp(-32 / a))
    for x in (1, 8, 16, 31):
        assert pulsed(device, -1.0, x) == pytest.approx(b * (1 - math.exp(-x / a)) - 1, abs=2e-4)  # 6 digits are stored


def test_pcm_goes_one_way():
    """Partial SET saturates: 1 + 27.235 e^{-2.5 w} shrinks the step from 0.28 to 0.012; there is no way back."""
    device = quiet(devices.get("pulsed:pcm"))
    assert device.directions == (1,)
    assert Pulsed.directions == (-1, 1)
    assert pulsed(device, 0.0, 1) == pytest.approx(0.28235, rel=1e-5)
    assert device.nominal_step(2.0, up=True) == pytest.approx(0.01 * (1 + 27.235 * math.exp(-5)), rel=1e-5)
    with pytest.raises(ParameterError, match="pair"):
        device.step(cells(device, 0.5), torch.tensor([-1]), 0.0, generator_for(0))


# -- physics ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_no_drive_changes_nothing(shape):
    device = SHAPES[shape]
    state = device.init((2, 50), generator_for(1))
    none = torch.zeros(2, 50, dtype=torch.int32)
    after = device.step(state, none, 0.0, generator_for(2))
    assert all(torch.equal(after[name], state[name]) for name in state)
    after = device.apply_counts(state, none, none, generator_for(2))
    assert all(torch.equal(after[name], state[name]) for name in state)


@pytest.mark.parametrize("shape", SHAPES)
def test_two_half_drives_are_one(shape):
    """Without noise, 3 pulses and then 4 are 7 pulses, to the last bit."""
    device = quiet(SHAPES[shape])
    state = device.init((200,), generator_for(1))
    one = device.step(state, torch.full((200,), 7), 0.0)
    two = device.step(device.step(state, torch.full((200,), 3), 0.0), torch.full((200,), 4), 0.0)
    assert torch.equal(one["weight"], two["weight"])


@pytest.mark.parametrize("shape", SHAPES)
def test_bounds_hold(shape):
    device = SHAPES[shape]
    state = device.init((500,), generator_for(1))
    for pulses in (400, -800):
        state = device.step(state, torch.full((500,), pulses), 0.0, generator_for(2))
        assert bool((state["weight"] <= state["high"]).all())
        assert bool((state["weight"] >= state["low"]).all())


@pytest.mark.parametrize("name", PRESETS)
def test_kernel_equals_tensor_arithmetic(name):
    """The fused kernel and the plain expression draw the same numbers; single precision leaves a few 1e-7."""
    device = devices.get(f"pulsed:{name}").replace(stuck_share=0.1)
    state = device.init((2, 3000), generator_for(3))
    low = 0 if device.sided == "one-sided" else -5
    drive = torch.randint(low, 6, (2, 3000), generator=generator_for(4), dtype=torch.int32)
    arguments = (device._kind, state, device._constants, drive, 99)
    for fused, plain in zip(steps.pulse_by_pulse(*arguments), steps.pulse_by_pulse_plain(*arguments), strict=True):
        torch.testing.assert_close(fused, plain, rtol=0, atol=2e-6)


def test_power_kernel_equals_tensor_arithmetic():
    device = SHAPES["power"]
    state = device.init((2, 3000), generator_for(3))
    drive = torch.randint(-5, 6, (2, 3000), generator=generator_for(4), dtype=torch.int32)
    arguments = (device._kind, state, device._constants, drive, 99)
    torch.testing.assert_close(
        steps.pulse_by_pulse(*arguments)[0], steps.pulse_by_pulse_plain(*arguments)[0], rtol=0, atol=2e-6
    )


# -- imperfections ------------------------------------------------------------------------------------


def test_asymmetry_is_gone_without_it():
    """Without asymmetry both steps are equal at the reference point, and their mean is kept."""
    device = quiet(SHAPES["exponential"])
    even = device.without("asymmetry")
    assert even.nominal_step(0.0, up=True) == pytest.approx(even.nominal_step(0.0, up=False))
    both = [device.nominal_step(0.0, up=way) for way in (True, False)]
    assert even.nominal_step(0.0, up=True) == pytest.approx(sum(both) / 2)
    assert device.conductance_step() == pytest.approx(sum(both) / 2 * device.unit_conductance)


@pytest.mark.parametrize("shape", ["linear", "soft-bounds", "exponential", "power"])
def test_nonlinearity_is_gone_without_it(shape):
    """Without nonlinearity the step is its value at the reference point everywhere; half of it is half way."""
    device = quiet(SHAPES[shape])
    flat, half = device.without("nonlinearity"), device.scaled("nonlinearity", 0.5)
    for up in (True, False):
        middle = device.nominal_step(0.0, up)
        for w in (-0.7, 0.4):
            assert flat.nominal_step(w, up) == pytest.approx(middle)
            assert half.nominal_step(w, up) == pytest.approx((middle + device.nominal_step(w, up)) / 2)
    assert pulsed(flat, 0.3, 1) - 0.3 == pytest.approx(flat.nominal_step(0.3, up=True), rel=1e-4)


def test_imperfections_without_effect_are_not_listed():
    names = [found.name for found in SHAPES["constant"].imperfections()]
    assert "nonlinearity" not in names
    assert "asymmetry" not in names
    assert "asymmetry" in [found.name for found in SHAPES["exponential"].imperfections()]


def test_spreads_have_the_declared_size():
    """200,000 devices: standard errors are below 0.4 % of a spread; three of them are allowed."""
    device = devices.get("pulsed:capacitor")
    state = device.init((200_000,), generator_for(5))
    assert state["high"].mean().item() == pytest.approx(1.0, abs=1e-3)
    assert state["high"].std().item() == pytest.approx(0.07, rel=0.012)
    gain = (state["up"] + state["down"]) / 2 / device.pulse_step
    tilt = (state["up"] - state["down"]) / 2 / device.pulse_step
    assert gain.std().item() == pytest.approx(0.1, rel=0.012)
    assert tilt.std().item() == pytest.approx(0.06, rel=0.012)


def test_log_normal_spread_and_centred_reference():
    """ReRAM array: ln of the gain has sd 0.7829; after centring, up and down steps are equal at visible weight 0."""
    device = devices.get("pulsed:reram-array-om").replace(reference_spread=0.0, up_down_spread=0.01)
    state = device.init((100_000,), generator_for(5))
    assert (state["up"] / device.pulse_step).log().std().item() == pytest.approx(0.7829, rel=0.015)
    at = state["reference"]
    up, down = state["up"] * (1 + state["bend_up"] * at), state["down"] * (1 + state["bend_down"] * at)
    free = (at < state["high"]) & (at > state["low"])
    torch.testing.assert_close(up[free], down[free], rtol=1e-3, atol=1e-6)


def test_cycle_to_cycle_spread_of_a_step():
    """ReRamES at w = 0: sd of one up step is 5 times the step; 100,000 cells, standard error 0.22 %."""
    device = SHAPES["exponential"].without("device_to_device").without("write_noise")
    state = device.step(cells(device, 0.0, 100_000), torch.ones(100_000), 0.0, generator_for(6))
    assert state["weight"].std().item() == pytest.approx(5 * device.nominal_step(0.0, up=True), rel=0.01)


def test_write_noise_is_visible_only():
    """Visible weight: sd 75 steps around the persistent one, which moves as it does without write noise."""
    device = SHAPES["exponential"].without("device_to_device")
    state = cells(device, 0.1, 50_000)
    one = torch.ones(50_000)
    noisy = device.step(state, one, 0.0, generator_for(7))
    clean = device.without("write_noise").step(state, one, 0.0, generator_for(7))
    assert torch.equal(noisy["weight"], clean["weight"])
    assert (noisy["visible"] - noisy["weight"]).std().item() == pytest.approx(75 * 0.00135, rel=0.015)
    assert torch.equal(clean["visible"], clean["weight"])


def test_read_noise_and_levels():
    device = quiet(SHAPES["constant"]).replace(read_noise=0.03)
    state = device.init((100_000,), generator_for(8))
    noise = (device.read(state, generator_for(9)) - device.read(state)) / device.unit_conductance
    assert noise.std().item() == pytest.approx(0.03, rel=0.012)
    assert device.read_sigma() == pytest.approx(0.03 * device.unit_conductance)
    coarse = quiet(SHAPES["constant"]).replace(level_spacing=0.25)
    levels = (coarse.read(state) - coarse.zero_conductance) / coarse.unit_conductance
    assert set(levels.mul(2).round().int().tolist()) <= {-2, -1, 0, 1, 2}  # -1 ... 1 in steps of 0.25 x 2 = 0.5
    torch.testing.assert_close(levels, (levels * 2).round() / 2, rtol=0, atol=1e-5)


def test_stuck_devices_never_move():
    device = SHAPES["exponential"].replace(stuck_share=0.2, stuck_range=0.01)
    state = device.init((50_000,), generator_for(10))
    stuck = (state["up"] == 0) & (state["down"] == 0)
    assert stuck.float().mean().item() == pytest.approx(0.2, abs=0.006)  # standard error 0.0018
    assert state["weight"][stuck].abs().max().item() <= 0.01
    train = device.apply_counts(state, torch.full((50_000,), 9), torch.full((50_000,), 2), generator_for(11))
    after = device.step(train, torch.ones(50_000), 0.0, generator_for(11))
    for name in ("weight", "visible"):
        assert torch.equal(after[name][stuck], state[name][stuck])
        assert not torch.equal(after[name][~stuck], state[name][~stuck])


# -- trains -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("place", [0.0, 0.6, 0.97])
@pytest.mark.parametrize(("up", "down"), [(2, 1), (4, 0), (12, 6), (40, 30)])
def test_train_agrees_with_single_pulses(shape, place, up, down):
    """Mean and sd of the sum against the same pulses applied one by one in random order.

    40,000 cells each: the standard error of the difference of means is sd/141, of the ratio of sds 0.5 %; four
    of them are allowed, plus 0.5 % of the sd for what the summed train neglects.
    """
    device = SHAPES[shape].without("device_to_device").without("write_noise")
    count = 40_000
    state = cells(device, place * device.w_max, count)
    noise = generator_for(12, shape, up)
    order = torch.rand(count, up + down, generator=noise).argsort(1)
    one_by_one = state
    for k in range(up + down):
        one_by_one = device.step(one_by_one, torch.where(order[:, k] < up, 1, -1), 0.0, noise)
    single = one_by_one["weight"].double()
    ups, downs = torch.full((count,), up), torch.full((count,), down)
    train = device.apply_counts(state, ups, downs, noise)["weight"].double()
    sd = single.std().item()
    assert train.mean().item() == pytest.approx(single.mean().item(), abs=(4 / 141 + 0.005) * sd + 1e-6)
    assert train.std().item() == pytest.approx(sd, rel=0.025, abs=1e-6)


def test_plain_train_agrees_with_kernel():
    device = SHAPES["exponential"].without("device_to_device")
    state = cells(device, 0.2, 30_000)
    ups, downs = torch.full((30_000,), 5), torch.full((30_000,), 3)
    plain = steps.train_plain(device._kind, state, device._constants, ups, downs, 1)[0]
    fused = steps.train(device._kind, state, device._constants, ups.int(), downs.int(), 2)[0]
    sd = fused.std().item()
    assert plain.mean().item() == pytest.approx(fused.mean().item(), abs=4 * sd / 122)  # sqrt(30000 / 2)
    assert plain.std().item() == pytest.approx(sd, rel=0.025)


@pytest.mark.parametrize("mean", [0.02, 0.7, 6.0, 18.0, 50.0])
def test_counts_are_poisson(mean):
    """Mean and variance of the counts equal their Poisson mean; 4 standard errors, of the variance sqrt(2/n + 1/nm)."""
    n = 100_000
    activity = torch.full((1, n), mean * 1e-3)
    for draw in (draw_counts, draw_counts_plain):
        up, down = draw(0.3 * activity, activity, 1e3, 7)
        for counts, share in ((up, 0.65), (down, 0.35)):
            expected = mean * share
            assert counts.float().mean().item() == pytest.approx(expected, abs=4 * math.sqrt(expected / n))
            error = math.sqrt(2 / n + 1 / (n * expected))
            assert counts.float().var().item() == pytest.approx(expected, rel=4 * error)
        together = torch.corrcoef(torch.stack([up[0].float(), down[0].float()]))[0, 1].item()
        assert abs(together) < 4 / math.sqrt(n)


def test_fused_trains_agree_with_drawn_and_applied():
    """One pass or two: the same law. 60,000 cells, four standard errors."""
    device = SHAPES["exponential"].without("device_to_device")
    n = 60_000
    state = cells(device, -0.1, n)
    activity = torch.full((n,), 2.5)
    change = torch.full((n,), 1.0)
    fused = device.apply_trains(state, change, activity, 1.0, generator_for(14))
    up, down = draw_counts(change, activity, 1.0, 15)
    two = device.apply_counts(state, up, down, generator_for(16))
    for name in ("weight", "visible"):
        a, b = fused[name].double(), two[name].double()
        assert a.mean().item() == pytest.approx(b.mean().item(), abs=4 * b.std().item() * math.sqrt(2 / n))
        assert a.std().item() == pytest.approx(b.std().item(), rel=4 / math.sqrt(n))
    touched = (fused["visible"] != state["visible"]).float().mean().item()
    assert touched == pytest.approx(1 - math.exp(-2.5), abs=4 * math.sqrt(0.076 / n))


def outer(density: float, out: int = 30, fan_in: int = 50, samples: int = 16, chips: int = 0):
    """Error and input vectors of either sign with some zeros, and the rate that asks for `density` pulses per cell."""
    lead = (chips,) if chips else ()
    errors = torch.randn(*lead, samples, out, generator=generator_for(21))
    inputs = torch.randn(samples, fan_in, generator=generator_for(22)).clamp(min=-0.5)
    inputs[:, ::3], errors[..., 0], inputs[3] = 0, 0, 0
    update = OuterProducts(errors, inputs, 1.0, (*lead, out, fan_in))
    return update, density * out * fan_in * max(chips, 1) / update.total()


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sign", [1, -1])
def test_pulses_drawn_one_by_one_agree_with_counts(shape, sign):
    """Change of every cell from vectors and from the matrices made of them: mean and spread over 4,000 chips.

    Deviations of cell means in units of their standard error have mean square 1; over some 1,000 independent cells
    its standard error is sqrt(2 / 1000), and five are allowed. Variances are compared in total: that of one run
    scatters by 0.22 % (eight seeds), so a difference by 0.31 %, of which three are allowed.
    """
    device = SHAPES[shape].without("device_to_device")
    chips, out, fan_in = 4000, 30, 50
    update, per_unit = outer(0.4)
    shared = {n: v[None].expand(chips, out, fan_in) for n, v in device.init((out, fan_in), generator_for(1)).items()}
    many = OuterProducts(update.errors.expand(chips, -1, -1), update.inputs, 1.0, (chips, out, fan_in))
    state = {name: value.clone() for name, value in shared.items()}
    drawn = device.apply_outer(state, many, sign * per_unit, generator_for(23))
    dense = update.dense()
    change, activity = (sign * m.expand(chips, -1, -1) for m in (dense.change, sign * dense.activity))
    counted = device.apply_trains(dict(shared), change, activity, per_unit, generator_for(24))
    for name in ("weight", "visible"):
        a, b = (after[name].double() - shared[name].double() for after in (drawn, counted))
        hit = dense.activity > 0
        assert bool((a[:, ~hit] == 0).all())
        error = (a.var(0) + b.var(0)).div(chips).sqrt()[hit]
        deviation = ((a.mean(0) - b.mean(0))[hit] / error).square().mean().item()
        assert deviation == pytest.approx(1, abs=5 * math.sqrt(2 / int(hit.sum())))
        assert a.var(0).sum().item() == pytest.approx(b.var(0).sum().item(), rel=0.01)


@pytest.mark.parametrize("density", [1.0, 6.0])
def test_many_pulses_of_a_cell_agree_with_every_pulse_in_turn(density):
    """Against counts played out pulse by pulse: means in units of their error as above; variances in total within
    three of the standard errors of 1 % that 400 chips leave."""
    device, chips, out, fan_in = SHAPES["exponential"], 400, 30, 50
    update, per_unit = outer(density)
    shared = {n: v[None].expand(chips, out, fan_in) for n, v in device.init((out, fan_in), generator_for(1)).items()}
    many = OuterProducts(update.errors.expand(chips, -1, -1), update.inputs, 1.0, (chips, out, fan_in))
    drawn = device.apply_outer({n: v.clone() for n, v in shared.items()}, many, per_unit, generator_for(25))
    dense = update.dense()
    up, down = draw_counts(dense.change.expand(chips, -1, -1), dense.activity.expand(chips, -1, -1), per_unit, 26)
    played = steps.train_plain(device._kind, dict(shared), device._constants, up, down, 27)
    hit = dense.activity > 0
    for name, after in zip(("weight", "visible"), played, strict=True):
        a, b = (new.double() - shared[name].double() for new in (drawn[name], after))
        error = (a.var(0) + b.var(0)).div(chips).sqrt()[hit]
        deviation = ((a.mean(0) - b.mean(0))[hit] / error).square().mean().item()
        assert deviation == pytest.approx(1, abs=5 * math.sqrt(2 / int(hit.sum())))
        assert a.var(0).sum().item() == pytest.approx(b.var(0).sum().item(), rel=0.03)


def test_dense_and_sparse_chips_side_by_side():
    """A chip asks for many pulses, its neighbour for few; each gets what it would get alone."""
    device = SHAPES["exponential"]
    update, per_unit = outer(0.5, chips=3)
    update.errors[1] *= 40  # far above the few pulses per cell that are drawn one by one
    update = OuterProducts(update.errors, update.inputs, 1.0, update.shape)
    fresh = device.init((3, 30, 50), generator_for(1))
    together = device.apply_outer({n: v.clone() for n, v in fresh.items()}, update, per_unit, generator_for(2))
    for count in (1, 2):
        part = OuterProducts(update.errors[:count], update.inputs, 1.0, (count, 30, 50))
        state = {name: value[:count].clone() for name, value in fresh.items()}
        alone = device.apply_outer(state, part, per_unit, generator_for(2))
        assert torch.equal(alone["visible"], together["visible"][:count])
    moved = (together["weight"] != fresh["weight"]).float().mean((1, 2))
    assert moved[1] > 0.5 > moved[0] > 0.05


def test_stuck_devices_take_no_pulse_one_by_one():
    device = SHAPES["exponential"].replace(stuck_share=0.5)
    update, per_unit = outer(0.5)
    state = device.init((30, 50), generator_for(1))
    stuck, before = state["up"] == 0, state["visible"].clone()
    after = device.apply_outer(state, update, per_unit, generator_for(2))
    assert torch.equal(after["visible"][stuck], before[stuck])
    assert not torch.equal(after["visible"], before)


def test_diverged_vectors_are_refused():
    device = SHAPES["exponential"]
    for bad in (math.nan, math.inf, 1e30):
        update, _ = outer(0.5)
        update.errors[2, 3] = bad
        with pytest.raises(ParameterError, match="lower the learning rate"):
            device.apply_outer(device.init((30, 50), generator_for(1)), update, 1.0, generator_for(2))


def test_diverged_change_is_refused():
    device = SHAPES["exponential"]
    state = device.init((10,), generator_for(1))
    for bad in (float("nan"), float("inf"), 1e9):
        with pytest.raises(ParameterError, match="lower the learning rate"):
            device.apply_trains(state, torch.zeros(10), torch.full((10,), bad), 1.0, generator_for(1))
    with pytest.raises(ParameterError, match="finite"):
        device.step(state, torch.full((10,), float("nan")), 0.0, generator_for(1))


def test_checks():
    with pytest.raises(ParameterError, match="centred"):
        Pulsed(centred="yes")
    with pytest.raises(ParameterError, match="generator"):
        Pulsed().step(Pulsed().init((3,), generator_for(0)), torch.ones(3), 0.0)
