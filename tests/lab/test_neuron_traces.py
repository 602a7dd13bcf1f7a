"""Traces and rates of neurons: against closed forms, and figures that can be drawn."""

import numpy as np
import pytest
import torch
from matplotlib import pyplot as plt

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.lab.drawing import NARROW, WIDE
from nanoneurons.lab.neuron_traces import (
    behaviours,
    behaviours_picture,
    firing_rates,
    neuron_picture,
    neuron_traces,
    scaled,
)


def test_rates_are_the_closed_form():
    device = devices.get("lif").ideal()
    drives = device.threshold_drive() * torch.tensor([0.5, 1.05, 1.5, 3.0], dtype=torch.float64)
    found = firing_rates(device, drives, 2, 0)
    assert found.shape == (4, 2)
    expected = [device.firing_rate(float(drive)) for drive in drives]
    np.testing.assert_allclose(found[:, 0], expected, rtol=0.02)
    assert torch.equal(found[:, 0], found[:, 1])


def test_rates_count_several_spikes_in_a_step():
    device = devices.get("lif", refractory=0.0).ideal()
    drive = torch.tensor([200 * device.threshold_drive()])
    assert float(firing_rates(device, drive, 1, 0)) == pytest.approx(device.firing_rate(float(drive)), rel=0.01)


def test_a_lone_burst_is_no_high_rate():
    device = devices.get("izhikevich:tonic-bursting").ideal()
    drives = torch.linspace(4.0, 20.0, 9, dtype=torch.float64)
    found = firing_rates(device, drives, 1, 0)[:, 0]
    trains = drives[:, None].expand(-1, 8000)
    long, _ = device.respond(device.init((9,), generator_for(0)), trains, 0.5e-3, generator_for(0))
    np.testing.assert_allclose(found, long.sum(-1) / 4.0, rtol=0, atol=9 / 0.2)  # one burst more or less in 0.2 s


def test_a_trace_holds_its_spikes_and_the_rates_of_devices():
    found = neuron_traces("lif", 5, 0)
    spikes = found["trace"]["spikes"]
    assert len(spikes) == 8
    period = 1 / devices.get("lif").ideal().firing_rate(300e-12)
    np.testing.assert_allclose(np.diff(spikes), period, rtol=1e-9)
    rates = np.array(found["rates"])
    assert rates.shape == (25, 5)
    assert rates[-1].std() > 0
    assert max(found["trace"]["reading"]) <= -50e-3


def test_a_preset_is_shown_under_its_stimulus():
    found = neuron_traces("izhikevich:rebound-spike", 2, 0)
    assert min(found["trace"]["drive"]) == pytest.approx(-15)
    assert len(found["trace"]["spikes"]) == 1


def test_every_behaviour_is_shown():
    found = behaviours("adaptive-exponential")
    assert list(found) == list(devices.presets("adaptive-exponential"))
    assert all(shown["spikes"] for shown in found.values())
    assert behaviours("lif") == {}


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_pictures_have_labelled_axes_with_units(width):
    pictures = [
        neuron_picture(neuron_traces("lif", 3, 0), "lif"),
        behaviours_picture(behaviours("adaptive-exponential"), "adaptive-exponential"),
    ]
    words = [("reading (mV)", "drive (pA)", "time (ms)", "constant drive (pA)", "frequency (Hz)"), ("bursting",)]
    for picture, labels in zip(pictures, words, strict=True):
        figure = plt.figure(figsize=(width, picture.height), layout="constrained")
        picture.draw(figure)
        figure.canvas.draw()
        text = {ax.get_xlabel() for ax in figure.axes} | {ax.get_ylabel() for ax in figure.axes}
        text |= {ax.get_title() for ax in figure.axes}
        assert set(labels) <= text
        plt.close(figure)


def test_prefixes_follow_the_largest_value():
    assert scaled([0.0, -65e-3], "V")[1] == "mV"
    assert scaled([3e-10], "A")[1] == "pA"
    assert scaled([14.0], "V/s")[1] == "V/s"
    assert scaled([0.5], "1")[1] == ""
    np.testing.assert_allclose(scaled([2e-3, 0.4], "s")[0], [2, 400])


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ParameterError, match="at least 1 device, not 0"):
        neuron_traces("lif", 0, 0)
    with pytest.raises(ParameterError, match="'ideal' is a device of kind 'memory', not a neuron"):
        neuron_traces("ideal", 1, 0)


@pytest.mark.parametrize(("name", "curves"), [("nbox", 2), ("vo2", 3)])
def test_switches_show_their_static_curves(name, curves):
    found = neuron_traces(name, 2, 0)
    assert len(found["static"]) == curves
    switch = devices.get(name).switch()
    (threshold, current, _), _ = switch.turning_points()
    voltage, amperes = next(iter(found["static"].values()))
    inner = [n for n in range(1, len(voltage) - 1) if voltage[n - 1] < voltage[n] >= voltage[n + 1]]
    assert voltage[inner[0]] == pytest.approx(threshold, rel=1e-3)
    assert amperes[inner[0]] == pytest.approx(current, rel=0.2)
    figure = plt.figure(figsize=(NARROW, 9.2), layout="constrained")
    neuron_picture(found, name).draw(figure)
    figure.canvas.draw()
    assert [ax.get_xlabel() for ax in figure.axes][-1] == "static voltage (V)"
    assert figure.axes[-1].get_ylabel() in ("current (mA)", "current (µA)")
    plt.close(figure)
