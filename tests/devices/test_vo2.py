"""VO2 neuron: the published constants, its frequency, hysteresis in its state, refusals."""

import pytest
import torch

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for

VO2 = devices.get("vo2")
IDEAL = VO2.ideal()


def test_published_constants():
    assert VO2.metallic == pytest.approx(262.5 * 4.90025335, rel=1e-9)  # R_m0 and its factor
    assert VO2.thermal_resistance == pytest.approx(1 / 0.20558726e-3, rel=1e-6)  # of 0.20558726 mW/K
    assert VO2.switch().thermal_time == pytest.approx(241.4e-9, rel=1e-3)


def test_fires_at_its_operating_voltage():
    drive = torch.full((1, 1, 1), VO2.operating_voltage, dtype=torch.float64)
    run = IDEAL.simulate(IDEAL.init((1, 1), generator_for(0)), drive, 30e-6, None, events=20)
    assert float(run.times[0, 0, :9].diff().mean()) == pytest.approx(3.05e-6, rel=0.01)
    assert 9.9 < VO2.threshold_drive() < 10.5


def test_hysteresis_lives_in_the_state():
    state = IDEAL.init((1, 2), generator_for(0))
    hot = IDEAL.step(state, torch.tensor([[12.0, 0.0]]), 3e-6, generator_for(0))
    assert hot["direction"].tolist() != state["direction"].tolist()
    cold = IDEAL.step(hot, torch.zeros(1, 2), 2e-6, generator_for(0))
    assert float(cold["temperature"][0, 0]) > VO2.ambient and float(cold["turning"][0, 0]) > 340
    rested = IDEAL.silence(cold, torch.tensor([[True, False]]))
    assert rested["turning"][0, 0] == VO2.ambient and rested["direction"][0, 0] == 1


def test_imperfections_spread_the_interval():
    for name in ("cycle_to_cycle", "device_to_device"):
        device = VO2.only(name)
        drive = torch.full((1, 100, 1), 12.0, dtype=torch.float64)
        state = device.init((1, 100), generator_for(1))
        times = device.simulate(state, drive, 30e-6, generator_for(2), events=9).times[0]
        intervals = times.diff(dim=-1)
        across = {"cycle_to_cycle": intervals.std(-1).mean(), "device_to_device": intervals.mean(-1).std()}[name]
        assert 1e-4 < float(across / intervals.mean()) < 0.1


def test_mistakes_are_named():
    with pytest.raises(ParameterError, match=r"operating_voltage = 9 V must lie between 9\.92 V"):
        VO2.replace(operating_voltage=9.0)
    with pytest.raises(ParameterError, match="never switches.*lower the ambient temperature"):
        VO2.replace(ambient=360.0)
    with pytest.raises(ParameterError, match="beyond breakdown at 30 V"):
        VO2.step(VO2.init((1,), generator_for(0)), torch.tensor(1e3), 1e-8, generator_for(0))
