"""Coordinates of a pulsed fit: ways there and back, and frames."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import likelihood
from nanoneurons.fitting._pulsed_readings import events_of
from nanoneurons.measurements import Pulses

VALUES = {
    "step": 0.05, "tilt": 0.004, "high": 0.9, "low": -1.1, "less": 0.01, "bend_up": 0.3, "bend_down": 0.5,
    "rise_up": 0.4, "rate_up": -1.5, "rise_down": 1.1, "rate_down": -2.0, "power_up": 0.8, "power_down": 1.3,
    "cycle": -0.5, "write": -3.0, "read": -4.0,
}  # fmt: skip
LAWS = {
    "constant": Law("constant", False, False, True, True),
    "linear": Law("linear", False, False, True, True),
    "soft-bounds": Law("soft-bounds", False, True, True, True),
    "exponential": Law("exponential", True, False, True, True),
    "exponential, log-normal": Law("exponential", False, True, True, True),
    "exponential, held": Law("exponential", False, True, True, True, rise_down=2.6),
    "exponential, up only": Law("exponential", False, False, True, False, low=-1.1),
    "power": Law("power", True, True, True, True),
}


def coordinates(law, devices=3):
    draw = np.random.default_rng(0)
    x = np.array([[np.log(0.05) if n == "step" and law.log_normal else VALUES[n] for n in law.names]] * devices)
    own = len(law.own)
    x[:, :own] += 0.02 * draw.standard_normal((devices, own)) * np.abs(x[:, :own])
    return law.bounded(x)


def events(devices=3, length=30, up_only=False):
    draw = np.random.default_rng(1)
    ways = np.where(np.arange(length) < length // 2, 1, 1 if up_only else -1)
    pulses = np.concatenate([[0], ways])
    reading = -0.9 + 0.1 * np.cumsum(np.concatenate([[0], ways])) + 0.03 * draw.standard_normal((devices, length + 1))
    data = Pulses(
        np.arange(devices), tuple("abc"), "1", reading=np.clip(reading, -1, 0.9), pulses=np.tile(pulses, (devices, 1)),
        cycle=np.zeros(devices, dtype=np.int64),
    )  # fmt: skip
    return events_of(data)


@pytest.mark.parametrize("name", LAWS)
def test_the_path_leads_back(name):
    law = LAWS[name]
    x = coordinates(law)
    assert law.from_path(law.path(x)) == pytest.approx(x, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("name", [n for n in LAWS if n.startswith("exponential")])
def test_a_lifted_step_keeps_the_steps_at_weight_0_apart_from_the_rise(name):
    """The product of up and down step at weight 0 does not change with a rise, the law's own steps do."""
    law = LAWS[name]
    x = coordinates(law)
    moved = x.copy()
    moved[:, law.index("rise_up")] += 0.5

    def product(z):
        up, down = law.steps(z)
        rise = law.rise(z, "up") + (law.rise(z, "down") if law.down else 0.0)
        return np.log(up) + (np.log(down) if law.down else 0.0) + rise

    assert product(moved) == pytest.approx(product(x), abs=1e-12)
    assert (law.steps(moved)[0] < law.steps(x)[0]).all()


@pytest.mark.parametrize("name", LAWS)
def test_a_frame_changes_nothing_but_the_unit(name):
    """Noise relative to the pulse is relative to the step at weight 0 of the frame, so that it is left out here."""
    law = replace(LAWS[name], additive=False)
    found = events(up_only=not law.down)
    x = coordinates(law)
    jump = np.zeros(len(found.y))
    centre, scale = (0.0, 1.3) if law.shape == "soft-bounds" else (0.07, 1.3)
    other, there = law.reframed(x, centre, scale)
    moved = likelihood(other, found.moved(centre, scale), there, jump)
    reads = np.bincount(found.device, weights=(found.first == 0) & (found.count > 0)) + found.again
    tolerance = 0.2 if law.shape == "exponential" else 1e-6  # each device's own rise becomes their mean
    assert moved - reads * np.log(scale) == pytest.approx(likelihood(law, found, x, jump), abs=tolerance)


def test_a_held_constant_is_no_coordinate():
    law = replace(LAWS["exponential"], rise_up=0.3, write=0.05)
    assert "rise_up" not in law.names and "rate_up" in law.names and "write" not in law.names
    assert law.constants(coordinates(law)).shape == (3, 16)
