"""What an oscillator must keep besides: closed forms valid from 0 to breakdown, and steps that lead where they say."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.random import generator_for
from nanoneurons.devices._device import State
from nanoneurons.devices._kinds import OscillatorDevice

from ._common import ContractError, fresh, require, same, stepped

__all__ = ["OSCILLATOR"]

CELLS = (2, 3)
SETTLED = 40.0  # relaxation times: growth of the power from 1e-12 of its final value (28), then ten more to settle
ROUNDING = 1e-5  # of the amplitude: some hundred operations in single precision
CLOSED_FORMS = ("frequency", "amplitude", "linewidth", "relaxation_time")


def currents_are_ordered(device: OscillatorDevice) -> None:
    """Drive in A, reading in V; threshold and operating point lie below breakdown."""
    require((device.drive_unit, device.read_unit) == ("A", "V"), device, "must be driven in A and read in V")
    threshold, default, (low, high) = device.threshold_current(), device.default_current, device.current_range()
    require(0 <= low < high < math.inf, device, f"current range ({low}, {high}) A is not ordered")
    require(0 < threshold < high, device, f"threshold {threshold} A does not lie between 0 and breakdown at {high} A")
    inside = max(low, threshold) < default <= high
    require(inside, device, f"default current {default} A does not lie between threshold and breakdown")


def closed_forms_hold_up_to_breakdown(device: OscillatorDevice) -> None:
    """Frequency and amplitude are finite, linewidth is positive or NaN, element by element in the dtype given."""
    current = _grid(device)
    for name in CLOSED_FORMS:
        value = getattr(device, name)(current)
        require(value.shape == current.shape, device, f"{name} has shape {tuple(value.shape)}")
        require(value.dtype == current.dtype, device, f"{name} is {value.dtype} for currents in {current.dtype}")
        alone = torch.stack([getattr(device, name)(i) for i in current.flatten()]).reshape(current.shape)
        agree = torch.allclose(value, alone, rtol=1e-12, atol=0.0, equal_nan=True)  # rounding of double precision
        require(agree, device, f"{name} of one current depends on the others beside it")
    for name in ("frequency", "amplitude"):
        require(bool(torch.isfinite(getattr(device, name)(current)).all()), device, f"a {name} is not finite")
    require(bool((device.frequency(current) > 0).all()), device, "a frequency is not positive")
    width = device.linewidth(current)
    require(bool((width.isnan() | ((width >= 0) & width.isfinite())).all()), device, "a linewidth is negative")


def amplitude_starts_at_threshold(device: OscillatorDevice) -> None:
    """The amplitude is 0 up to threshold and grows above it."""
    threshold, (_, high) = device.threshold_current(), device.current_range()
    share = torch.linspace(0.0, 1.0, 9, dtype=torch.float64)
    above = (threshold + (high - threshold) * share).clamp(max=high)  # rounding must not lead beyond breakdown
    below, above = device.amplitude(threshold * share[:-1]), device.amplitude(above)
    require(bool((below == 0).all()), device, "the amplitude is not 0 below threshold")
    require(bool((above.diff() > 0).all()), device, "the amplitude does not grow above threshold")


def relaxation_time_is_positive(device: OscillatorDevice) -> None:
    """The relaxation time is positive, and finite but at threshold."""
    current = _grid(device)
    time = device.relaxation_time(current)
    off = (current - device.threshold_current()).abs() > 1e-3 * device.threshold_current()
    require(bool((time > 0).all()), device, "a relaxation time is not positive")
    require(bool(torch.isfinite(time[off]).all()), device, "a relaxation time away from threshold is not finite")


def emits_no_more_than_it_takes(device: OscillatorDevice) -> None:
    """Emitted power is 0 without oscillation, and never above the dc power, also of spread devices."""
    current = _grid(device)
    emitted, taken = device.emitted_power(current), device.dc_power(current)
    require(bool((emitted >= 0).all()), device, "emits a negative power")
    silent = emitted[current < (1 - ROUNDING) * device.threshold_current()]
    require(bool((silent == 0).all()), device, "emits below threshold")
    cells = torch.full(CELLS, device.current_range()[1], dtype=torch.float64)
    ours = device.emitted_power(cells, fresh(device, CELLS)), device.dc_power(cells)
    for given, drawn in ((emitted, taken), ours):  # drawn is NaN, and nothing is above it, without a resistance
        beyond = bool((given > (1 + ROUNDING) * drawn).any())
        require(not beyond, device, "emits more power than it takes from the supply")


def bad_currents_are_refused(device: OscillatorDevice) -> None:
    """NaN and currents beyond breakdown are refused before work, naming current, index and limit."""
    limit = device.current_range()[1]
    state = fresh(device, CELLS)
    calls: list[tuple[str, Callable[[torch.Tensor, torch.Generator], object]]] = [
        ("step", lambda current, generator: device.step(state, current, 1e-9, generator)),
        ("advance", lambda current, generator: device.advance(state, current, 1e-9, 3, generator)),
        ("frequency", lambda current, _: device.frequency(current)),
        ("amplitude", lambda current, _: device.amplitude(current)),
        ("linewidth", lambda current, _: device.linewidth(current)),
        ("relaxation_time", lambda current, _: device.relaxation_time(current)),
    ]
    for value, words in (
        (math.nan, ("NaN", "(1, 2)")),
        (1.5 * limit, (f"{1.5 * limit:g} A", "(1, 2)", f"{limit:g} A")),
    ):
        current = torch.full(CELLS, device.default_current, dtype=torch.float64)
        current[1, 2] = value
        for name, call in calls:
            generator = generator_for(20)
            before = generator.get_state()
            try:
                call(current, generator)
            except ParameterError as error:
                missing = [word for word in words if word not in str(error)]
                require(not missing, device, f"refusal by {name} does not say {', '.join(missing)}: {error}")
            else:
                raise ContractError(f"{type(device).__name__}: {name} must refuse a current of {value:g} A")
            require(torch.equal(generator.get_state(), before), device, f"{name} drew numbers before it refused")
    device.check_current(torch.tensor([0.0, limit]))  # both ends are allowed, in single precision too


def no_time_no_change(device: OscillatorDevice) -> None:
    """A step of 0 s leaves a state as it was, noise or not."""
    for version in (device, device.ideal()):
        state = stepped(version, fresh(version))
        drive, _ = version.example_drive(tuple(next(iter(state.values())).shape[:2]))
        after = version.step(state, drive, 0.0, generator_for(21))
        require(same(state, after), device, "a step of 0 s changed the state")


def two_half_steps_are_one(device: OscillatorDevice) -> None:
    """Without noise, two half steps are one step, to the accuracy of the device's solver.

    That is: rounding, or 1 % of what the step changes (inner steps need not divide it evenly), or a difference that
    falls with the step as that of a solver of first order does, the lowest: to a quarter, here at least to a half.
    """
    ideal, state, drive, dt, scale = _transient(device)
    coarse, fine = (_halving(ideal, state, drive, time) / scale for time in (dt, dt / 2))
    moved = ideal.read(ideal.step(state, drive, dt / 2, generator_for(25))) - ideal.read(state)
    allowed = max(ROUNDING, 0.01 * float(moved.abs().max()) / scale, 0.5 * coarse)
    message = f"two half steps differ from one by {fine:.1e} of the amplitude, {coarse:.1e} for twice the time"
    require(fine <= allowed, device, message)


def advance_agrees_with_steps(device: OscillatorDevice) -> None:
    """Without noise, `advance` gives what that many steps give, to the accuracy of the steps."""
    ideal, state, drive, dt, scale = _transient(device)
    number = 5
    stepwise = state
    for _ in range(number):
        stepwise = ideal.step(stepwise, drive, dt, generator_for(22))
    advanced = ideal.advance(state, drive, dt, number, generator_for(22))
    difference = float((ideal.read(stepwise) - ideal.read(advanced)).abs().max()) / scale
    # Each step differs from an exact one by about what halving it changes; 1 % of the change as for two half steps.
    moved = float((ideal.read(stepwise) - ideal.read(state)).abs().max()) / scale
    allowed = ROUNDING + 0.01 * moved + 2 * number * _halving(ideal, state, drive, dt) / scale
    require(difference <= allowed, device, f"advance differs from steps by {difference:.1e} of the amplitude")


def trains_agree_with_steps(device: OscillatorDevice) -> None:
    """Without noise, `respond` reads what stepping through the same currents reads, to the accuracy of the steps."""
    ideal, state, drive, dt, scale = _transient(device)
    rest = torch.full_like(drive, ideal.default_current)
    train = torch.stack([drive, rest, drive, drive, rest], -1)
    found = ideal.respond(state, train, dt, generator_for(25))
    require(found.shape == train.shape, device, f"respond answers {tuple(found.shape)} to {tuple(train.shape)}")
    require(found.dtype == train.dtype, device, f"respond answers {found.dtype} to {train.dtype}")
    stepwise, allowed = state, ROUNDING
    for n, current in enumerate(train.unbind(-1)):
        allowed += 2 * _halving(ideal, stepwise, current, dt) / scale
        before, stepwise = stepwise, ideal.step(stepwise, current, dt, generator_for(25))
        allowed += 0.01 * float((ideal.read(stepwise) - ideal.read(before)).abs().max()) / scale
        difference = float((ideal.read(stepwise) - found[..., n]).abs().max()) / scale
        require(difference <= allowed, device, f"respond differs from steps by {difference:.1e} of the amplitude")


def steps_lead_to_the_amplitude(device: OscillatorDevice) -> None:
    """Without noise, a device settles at the amplitude that its closed form gives, within 1 %."""
    ideal = device.ideal()
    threshold, default, high = ideal.threshold_current(), ideal.default_current, ideal.current_range()[1]
    current = torch.tensor([[0.5 * threshold, default, 0.5 * (default + high)]], dtype=torch.float64)
    expected, time = ideal.amplitude(current), SETTLED * float(ideal.relaxation_time(current).max())
    state = ideal.step(fresh(ideal, (1, 3)), current, time, generator_for(23))
    # Closed forms often drop terms of higher order; 1 % is less than any use of the amplitude resolves.
    error = float((ideal.read(state) - expected).abs().max() / expected.max())
    require(error <= 0.01, device, f"settles {100 * error:.2g} % from the amplitude of its closed form")


def _grid(device: OscillatorDevice) -> torch.Tensor:
    """Currents from 0 to breakdown, both included, the threshold too."""
    threshold, high = device.threshold_current(), device.current_range()[1]
    share = torch.linspace(0.0, 1.0, 12, dtype=torch.float64)[:-1]
    return torch.cat([threshold * share, threshold + (high - threshold) * share, share.new_tensor([high])]).reshape(
        -1, 1
    )


def _transient(device: OscillatorDevice) -> tuple[OscillatorDevice, State, torch.Tensor, float, float]:
    """Ideal devices settled at one current and then driven by another; a time step and the scale of readings."""
    ideal = device.ideal()
    default, high = ideal.default_current, ideal.current_range()[1]
    before = torch.full(CELLS, default, dtype=torch.float64)
    after = torch.full(CELLS, 0.5 * (default + high), dtype=torch.float64)
    settle = SETTLED * float(ideal.relaxation_time(before).max())
    state = ideal.step(fresh(ideal, CELLS), before, settle, generator_for(24))
    dt = 0.25 * float(ideal.relaxation_time(after).min())
    return ideal, state, after, dt, float(ideal.amplitude(after).max())


def _halving(ideal: OscillatorDevice, state: State, drive: torch.Tensor, dt: float) -> float:
    """Largest change of a reading in V when a step is taken as two halves."""
    one = ideal.step(state, drive, dt, generator_for(25))
    half = ideal.step(state, drive, dt / 2, generator_for(25))
    two = ideal.step(half, drive, dt / 2, generator_for(26))
    return float((ideal.read(one) - ideal.read(two)).abs().max())


OSCILLATOR: tuple[Callable[[OscillatorDevice], None], ...] = (
    currents_are_ordered,
    closed_forms_hold_up_to_breakdown,
    amplitude_starts_at_threshold,
    relaxation_time_is_positive,
    emits_no_more_than_it_takes,
    bad_currents_are_refused,
    no_time_no_change,
    two_half_steps_are_one,
    advance_agrees_with_steps,
    trains_agree_with_steps,
    steps_lead_to_the_amplitude,
)
