"""Table device: its quantiles and moments are those of the table, kernels agree with plain tensors, tables are data."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nanoneurons import circuits, devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices import DeviceFile
from nanoneurons.devices import _table_steps as steps
from nanoneurons.devices._table_law import StepQuantiles, soft_bounded
from nanoneurons.devices.table import Table
from nanoneurons.lab.study import Study

SMALL = {
    "levels": [0.0, 1.0, 4.0],
    "probabilities": [0.0, 0.25, 1.0],
    "up": [[0.1, 0.2, 0.6], [0.0, 0.1, 0.2], [-0.1, 0.0, 0.1]],
    "down": [[-0.1, 0.0, 0.0], [-0.2, -0.1, 0.0], [-0.8, -0.4, -0.1]],
}
EXACT = {"gain_spread": 0.0, "tilt_spread": 0.0, "read_noise": 0.0, "initial_spread": 0.0}


def small(**values):
    return Table.from_tables(SMALL, **{**EXACT, "initial_mean": 0.5, **values})


def stepped(device, at, way, count=100_000):
    state = device.replace(initial_mean=at).init((2, count // 2), generator_for(1))
    after = device.step(state, torch.full((2, count // 2), way), 0.0, generator_for(2))
    return (after["weight"] - state["weight"]).flatten().double().numpy()


@pytest.mark.parametrize(("way", "name"), [(1, "up"), (-1, "down")])
@pytest.mark.parametrize("at", [1.0, 2.5])
def test_a_step_has_the_quantiles_of_its_table(way, name, at):
    device = Table()
    levels, table = np.array(device.law.levels), np.array(getattr(device.law, name))
    x = 0.25 * (at - 2)
    expected = 0.01 * np.array([np.interp(x, levels, column) for column in table.T])
    found = np.sort(stepped(device.replace(**EXACT), x, way))
    p = np.array(device.law.probabilities)[1:-1]
    error = np.sqrt(p * (1 - p) / len(found)) * np.gradient(expected[1:-1], p)  # of a sample quantile
    assert np.all(np.abs(np.quantile(found, p) - expected[1:-1]) < 5 * error + 1e-6)
    assert expected[0] - 1e-6 <= found[0] and found[-1] <= expected[-1] + 1e-6


def test_the_mean_of_the_small_table_by_hand():
    """Mean of a piecewise linear quantile function: trapezoids. Level 1 up: 0.25 * 0.05 + 0.75 * 0.15 = 0.125."""
    assert small().law.means(True)[1] == pytest.approx(0.125)
    found = stepped(small(), 1.0, 1)
    assert found.mean() == pytest.approx(0.125, abs=5 * found.std() / len(found) ** 0.5)


def test_moments_of_a_row_and_between_rows_are_exact():
    law = small()._law
    u = (np.arange(200_000) + 0.5) / 200_000
    rows = [np.interp(u, SMALL["probabilities"], row) for row in SMALL["up"]]
    mixed = 0.3 * rows[0] + 0.7 * rows[1]
    (_, va, cov), (_, vb, _) = law.moments[0, 0], law.moments[0, 1]
    assert 0.09 * va + 0.49 * vb + 0.42 * cov == pytest.approx(mixed.var(), rel=1e-5)


def test_kernel_and_tensors_agree():
    device = Table(gain_spread=0.5, tilt_spread=0.2, range_spread=0.2, stuck_share=0.1)
    state = device.init((3, 500), generator_for(3))
    drive = torch.randint(-30, 31, (3, 500), generator=generator_for(4)).int()
    found = steps.pulse_by_pulse(device._law, state, drive, 77)
    assert torch.allclose(found, steps.pulse_by_pulse_plain(device._law, state, drive, 77), atol=2e-6)


@pytest.mark.parametrize("counts", [(5, 2), (60, 15), (120, 130), (0, 140)])
def test_a_summed_train_has_the_mean_and_spread_of_single_pulses(counts):
    device = Table(step_up=0.01, step_down=0.012, **EXACT)
    state = device.init((1, 8_000), generator_for(5))
    up, down = (torch.full((1, 8_000), n, dtype=torch.int32) for n in counts)
    fast = steps.train(device._law, state, up, down, 5).double()
    slow = steps.train_plain(device._law, state, up, down, 6).double()
    error = slow.std() / 8_000**0.5
    assert abs(float(fast.mean() - slow.mean())) < 5 * 1.42 * float(error)
    assert float(fast.std() / slow.std()) == pytest.approx(1, abs=5 / (2 * 8_000**0.5) * 1.42)


def test_a_long_train_costs_few_blocks():
    """Means of 1e5 pulses of 1e-5 each from 0: dx/dt = step (1 - slope x) has the solution below."""
    device = Table(step_up=1e-5, cycle_scatter=0.0, **EXACT)
    state = device.init((1, 3), generator_for(1))
    up = torch.full((1, 3), 100_000, dtype=torch.int32)
    after = device.apply_counts(state, up, torch.zeros_like(up), generator_for(1))["weight"]
    assert torch.allclose(after, torch.tensor((1 - np.exp(-0.9)) / 0.9, dtype=torch.float32), atol=1e-4)


def test_gains_have_mean_one_and_the_declared_spread():
    state = Table(gain_spread=0.4, tilt_spread=0.2).init((2, 100_000), generator_for(1))
    for way in ("up", "down"):
        assert float(state[way].mean()) == pytest.approx(1, abs=0.01)
    logs = torch.stack([state["up"].log(), state["down"].log()])
    assert float(logs.sum(0).std() / 2) == pytest.approx(0.4, rel=0.01)
    assert float((logs[0] - logs[1]).std() / 2) == pytest.approx(0.2, rel=0.01)


def test_stuck_devices_lie_in_range_and_stay():
    device = Table(stuck_share=0.3)
    state = device.init((1, 10_000), generator_for(1))
    after = device.step(state, torch.full((1, 10_000), 50), 0.0, generator_for(2))
    still = after["weight"] == state["weight"]
    assert float(still.float().mean()) == pytest.approx(0.3, abs=0.02)
    assert float(state["weight"][still].std()) == pytest.approx(2 / 12**0.5, rel=0.05)


def test_own_ranges_bound_own_levels():
    device = Table(range_spread=0.3, step_up=0.1)
    state = device.init((1, 5000), generator_for(1))
    after = device.step(state, torch.full((1, 5000), 200), 0.0, generator_for(2))["weight"]
    assert float(after.log().std()) == pytest.approx(0.3, rel=0.2)
    assert bool((after <= state["scale"] * (1 + 1e-6)).all())


def test_ideal_steps_are_equal_everywhere_and_both_ways():
    ideal = Table(step_up=0.02, step_down=0.01, initial_spread=0.1).ideal()
    moves = [stepped(ideal, at, way, 20) for at in (-0.5, 0.4) for way in (1, -1)]
    assert np.allclose(np.abs(moves), 0.015, atol=6e-8, rtol=0)  # of float32 levels
    assert ideal.conductance_step() == pytest.approx(0.015 * 5e-6)


def test_each_share_takes_away_its_own_part_only():
    device = Table(step_up=0.02, step_down=0.01)
    full = device.effective_steps(True)
    flat, sharp, even = (device.without(n) for n in ("nonlinearity", "cycle_to_cycle", "asymmetry"))
    weights = device.law.weights
    assert np.ptp(flat.effective_steps(True) @ weights) < 1e-9
    assert np.ptp(sharp.effective_steps(True), axis=1).max() < 1e-12
    assert np.allclose(sharp.effective_steps(True) @ weights, full @ weights)
    assert np.allclose(even.effective_steps(True), 0.75 * full)
    assert np.allclose(even.effective_steps(False), 1.5 * device.effective_steps(False))


def test_a_table_of_one_direction_makes_a_device_of_one_direction():
    lowered = small_one("down")
    assert (lowered.directions, lowered.drive_effect) == ((1,), -1)
    state = lowered.init((1, 10), generator_for(1))
    counts = torch.full((1, 10), 2, dtype=torch.int32)
    after = lowered.apply_counts(state, counts, torch.zeros_like(counts), generator_for(1))
    assert bool((after["weight"] < state["weight"]).all())
    with pytest.raises(ParameterError, match="one way only"):
        lowered.step(state, -counts, 0.0, generator_for(1))
    assert [i.name for i in lowered.imperfections()] == ["nonlinearity", "cycle_to_cycle"]
    for check in devices.contract(lowered):
        if check.__name__ != "has_defaults":
            check(lowered)


def small_one(kept):
    return Table.from_tables(
        {k: v for k, v in SMALL.items() if k in ("levels", "probabilities", kept)}, **{**EXACT, "initial_mean": 3.0}
    )


def test_tables_are_data_of_the_device():
    device, same = small(), small()
    assert device == same and hash(device) == hash(same) and device.values() == same.values()
    changed = {**SMALL, "up": [[0.1, 0.2, 0.6000001], *SMALL["up"][1:]]}
    other = Table.from_tables(changed, **{**EXACT, "initial_mean": 0.5})
    assert device != other and device.values() != other.values()
    assert device.tables() == SMALL and pickle.loads(pickle.dumps(device)) == device
    assert device.replace(read_noise=0.5).law == device.law
    assert device.replace(law=soft_bounded()).law == Table().law


def test_a_device_file_holds_the_tables_exactly_and_a_changed_table_changes_the_key_of_a_study(tmp_path):
    device = Table.from_tables(SMALL, read_noise=0.1 / 3, zero_conductance=1e-6)
    file = DeviceFile("table", device).write(tmp_path / "mine.toml")
    text = file.read_text(encoding="utf-8")
    assert devices.get(str(file)) == device and "    [0.1, 0.2, 0.6],\n" in text
    before = Study(device=str(file)).key()
    file.write_text(text.replace("[0.1, 0.2, 0.6]", "[0.1, 0.2, 0.6000001]"), encoding="utf-8")
    assert devices.get(str(file)) != device and Study(device=str(file)).key() != before
    assert Study(device="table").key() != before


def test_a_hand_written_file_needs_tables_only_and_a_mistake_in_it_is_named(tmp_path):
    file = tmp_path / "mine.toml"
    rows = "".join(f"{name} = {values}\n" for name, values in SMALL.items())
    file.write_text(f'device = "table"\n[tables]\n{rows}', encoding="utf-8")
    assert devices.get(str(file)) == Table.from_tables(SMALL)
    file.write_text(file.read_text(encoding="utf-8").replace("0.2, 0.6]", "0.2, 0.1]"), encoding="utf-8")
    with pytest.raises(ParameterError, match=r"mine.toml: tables: up, row 1 \(level 0\) falls"):
        devices.get(str(file))


@given(st.integers(2, 12), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_any_table_survives_lists_exactly(levels, seed):
    rng = np.random.default_rng(seed)
    rows = np.sort(rng.normal(size=(levels, 5)) * 10.0 ** rng.integers(-9, 9), axis=1)
    law = StepQuantiles(tuple(np.sort(rng.random(levels)).tolist()), (0.0, 0.1, 0.5, 0.9, 1.0), tuple(map(tuple, rows)))
    assert StepQuantiles.of(law.lists()) == law


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"levels": [0.0, 0.0, 1.0]}, "levels must be at least two rising"),
        ({"probabilities": [0.1, 0.5, 1.0]}, "begin with 0 and end with 1"),
        ({"up": SMALL["up"][:2]}, "up has 2 rows for 3 levels"),
        ({"up": [[0.1, 0.2], *SMALL["up"][1:]]}, r"up, row 1 \(level 0\) has 2 numbers for 3 probabilities"),
        ({"down": [*SMALL["down"][:2], [-0.1, -0.4, 0.0]]}, r"down, row 3 \(level 4\) falls"),
        ({"down": [*SMALL["down"][:2], [-0.1, "x", 0.0]]}, r"down, row 3, column 2 must be a number, not 'x'"),
        ({"up": [*SMALL["up"][:2], [-0.1, float("nan"), 0.0]]}, r"up, row 3 \(level 4\), column 2 is nan"),
        ({"uup": []}, "unknown entry 'uup'"),
        ({"up": SMALL["down"]}, "from no level do the mean steps go up with pulses up"),
        ({"levels": [-10.0, 1.0, 4.0]}, "conductance at the lowest level, -10, is negative"),
    ],
)
def test_impossible_tables_are_refused_in_one_line(change, says):
    with pytest.raises(ParameterError, match=says) as caught:
        Table.from_tables({**SMALL, **change})
    assert "\n" not in str(caught.value)


def test_a_crossbar_of_table_devices_is_programmed_and_trained():
    circuit = circuits.catalogue["crossbar"].build(devices.get("table"))
    state = circuit.init((2, 30, 20), generator_for(1))
    target = 0.5 * circuit.weight_unit((2, 30, 20)) * (2 * torch.rand((2, 30, 20), generator=generator_for(2)) - 1)
    written = circuit.weights(circuit.program(state, target, generator_for(3)))
    assert float((written - target).abs().mean()) < 0.06 * circuit.weight_unit((2, 30, 20))
