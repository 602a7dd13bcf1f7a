"""An independent integration of spiking neurons, and spike times as a device tells them."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp

from nanoneurons.core.random import generator_for


def integrated(rhs, level, reset, y0, drive, dt, hold=0.0, rtol=1e-10, atol=1e-14):
    """Spike times in s and final state by an adaptive method of order 8 that stops at every spike.

    Args:
        rhs: ``rhs(y, drive) -> dy/dt``, in s.
        level: ``level(y)``, a spike where it rises through 0.
        reset: ``reset(y) -> y`` after a spike, or None.
        drive: constant during each step of `dt`.
        hold: time for which the first component stays where the reset put it.
    """
    y, times, waiting = np.array(y0, dtype=float), [], 0.0

    def crossing(t, y):
        return level(y)

    crossing.terminal, crossing.direction = reset is not None, 1.0
    for step, value in enumerate(drive):
        now, end = step * dt, (step + 1) * dt
        while now < end:
            held = waiting > 0
            stop = min(end, now + waiting) if held else end

            def slope(t, y, held=held, value=value):
                found = np.array(rhs(y, value), dtype=float)
                if held:
                    found[0] = 0.0
                return found

            found = solve_ivp(
                slope, (now, stop), y, method="DOP853", rtol=rtol, atol=atol, events=None if held else crossing
            )
            fired = [] if held else list(found.t_events[0])
            times += fired
            y = found.y[:, -1]
            waiting = max(0.0, waiting - (found.t[-1] - now)) if held and stop == end else 0.0
            now = found.t[-1]
            if fired and reset is not None:
                y, waiting = np.array(reset(y), dtype=float), hold
    return np.array(times), y


def told(device, drive, dt, state=None):
    """Spike times in s of one nominal device under a train of drives, one spike a step, and its state at the end."""
    ideal = device.ideal()
    state = ideal.init((1,), generator_for(0)) if state is None else state
    times = []
    for step, value in enumerate(drive):
        state = ideal.step(state, torch.tensor([float(value)], dtype=torch.float64), dt, generator_for(1))
        assert state["spikes"] <= 1
        if state["spikes"]:
            times.append(step * dt + float(state["moment"]))
    return np.array(times), state


@pytest.fixture(scope="session")
def integrate_spikes() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return integrated


@pytest.fixture(scope="session")
def spike_times() -> Callable:
    return told
