r"""Oscillators as the one node of a time-multiplexed reservoir: from a train of currents to amplitudes.

`Node` is what the reservoir asks for. Two closed forms satisfy it: `RelaxingNode`, whose amplitude relaxes with one
time constant, and `AmplitudeNode`, the amplitude equation of an auto-oscillator, whose relaxation depends on
the amplitude. `DeviceNode` makes a node of any oscillator of the catalogue.

Source: see `nanoneurons.physics.relaxation`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from nanoneurons.core import random
from nanoneurons.core.errors import ParameterError
from nanoneurons.devices._device import OscillatorDevice, State
from nanoneurons.physics import relaxation

__all__ = ["AmplitudeNode", "DeviceNode", "Node", "RelaxingNode"]


class Node(Protocol):
    """What the reservoir asks of an oscillator."""

    @property
    def breakdown(self) -> float:
        """Largest current in A that the junction survives."""
        ...

    @property
    def chips(self) -> int | None:
        """Number of junctions side by side, or None for one without a chips axis."""
        ...

    def respond(self, drive: torch.Tensor, dt: float, rest: float, generator: torch.Generator | None) -> torch.Tensor:
        """Amplitudes in V at the ends of intervals `dt` with constant currents.

        Args:
            drive: currents in A, ``(*chips, sequences, steps)``, the chips axis of size 1 where all see the same.
            rest: current in A at which every oscillator has settled before the first interval.
            generator: source of the node's own noise; None for none.

        Returns:
            ``(*chips, sequences, steps)``, dtype of `drive`.
        """
        ...


@dataclass(frozen=True)
class RelaxingNode:
    r"""The closed form: an amplitude that relaxes exponentially, with thermal amplitude noise.

    Attributes:
        law: :math:`V_\infty(I)`, from currents in A to amplitudes in V, for example
            ``partial(relaxation.amplitude_fit, threshold=4e-3, scale=0.2)``.
        time_constant: T in s; a number, or ``(chips, 1)``, as may be the parameters of `law`.
        noise: standard deviation of the amplitude in V at a constant current; it is correlated over T, as that of any
            relaxing amplitude pushed by white noise.
        breakdown: largest current in A.
        chips: junctions side by side, or None.
    """

    law: Callable[[torch.Tensor], torch.Tensor]
    time_constant: float | torch.Tensor
    noise: float = 0.0
    breakdown: float = math.inf
    chips: int | None = None

    def respond(self, drive: torch.Tensor, dt: float, rest: float, generator: torch.Generator | None) -> torch.Tensor:
        """See `Node`: exact for currents that are constant within each interval."""
        time = torch.as_tensor(self.time_constant, dtype=drive.dtype, device=drive.device)
        decay = torch.exp(-dt / time)
        lead = drive.shape[:-1] if self.chips is None else (self.chips, *drive.shape[1:-1])
        drive = drive.expand(*lead, drive.shape[-1])
        # the law's per-chip parameters are (chips, 1): sequences and steps are one axis while it is applied
        target = self.law(drive.flatten(-2)).reshape(drive.shape)
        start = self.law(torch.full((1,), rest, dtype=drive.dtype, device=drive.device))
        kick = None
        if self.noise and generator is not None:
            kick = _noise(drive, self.chips, self.noise, decay, generator)
        return relaxation.follow(start, target, decay, kick)


@dataclass(frozen=True)
class AmplitudeNode:
    r"""The amplitude equation of an auto-oscillator, :math:`V = c\sqrt p`, solved exactly in each interval.

    Attributes:
        threshold: I_th in A; a number, or ``(chips, 1)``, as may be `damping` and `rate`.
        damping: nonlinear damping Q.
        rate: linear damping rate :math:`\Gamma_G` in 1/s.
        scale: c in V.
        noise: standard deviation of the amplitude in V, correlated over the relaxation time at the resting current.
        breakdown: largest current in A.
        chips: junctions side by side, or None.
    """

    threshold: float | torch.Tensor
    damping: float | torch.Tensor
    rate: float | torch.Tensor
    scale: float
    noise: float = 0.0
    breakdown: float = math.inf
    chips: int | None = None

    def respond(self, drive: torch.Tensor, dt: float, rest: float, generator: torch.Generator | None) -> torch.Tensor:
        """See `Node`: exact for currents that are constant within each interval.

        Raises:
            ParameterError: the resting current is below threshold, where there is no amplitude to start from.
        """
        threshold, damping, rate = (
            torch.as_tensor(v, dtype=drive.dtype, device=drive.device)
            for v in (self.threshold, self.damping, self.rate)
        )
        above = rest / threshold - 1.0
        if not bool((above > 0).all()):
            raise ParameterError(
                f"a resting current of {1e3 * rest:g} mA is not above the threshold current, so nothing oscillates"
            )
        lead = drive.shape[:-1] if self.chips is None else (self.chips, *drive.shape[1:-1])
        z = drive.expand(*lead, drive.shape[-1]) / (threshold if self.chips is None else threshold[..., None])
        kick = None
        if self.noise and generator is not None:
            kick = _noise(z, self.chips, self.noise / self.scale, torch.exp(-2.0 * rate * above * dt), generator)
        start = above / (above + 1.0 + damping)
        return relaxation.follow_power(start, z, damping, rate * dt, kick) * self.scale


@dataclass(frozen=True, eq=False)
class DeviceNode:
    """Any oscillator of the catalogue: the same junctions for all sequences, one `step` per interval.

    A device that can answer a whole train at once offers ``respond(state, drive, dt, generator)``, from a state
    ``(chips, sequences)`` and currents ``(chips, sequences, steps)`` to amplitudes of that shape, and is then asked for
    that.

    Attributes:
        device: the oscillator.
        junctions: its state as `fabricate` drew it, ``(chips, 1)``.
        settling: relaxation times that the junctions are given at the resting current before a sequence.
    """

    device: OscillatorDevice
    junctions: State
    settling: float = 20.0

    @classmethod
    def fabricate(cls, device: OscillatorDevice, chips: int, generator: torch.Generator) -> DeviceNode:
        """Draw `chips` junctions with their device-to-device spread."""
        return cls(device, device.init((chips, 1), generator))

    @property
    def breakdown(self) -> float:
        """Largest current in A."""
        return self.device.current_range()[1]

    @property
    def chips(self) -> int:
        """Junctions side by side."""
        return next(iter(self.junctions.values())).shape[0]

    def respond(self, drive: torch.Tensor, dt: float, rest: float, generator: torch.Generator | None) -> torch.Tensor:
        """See `Node`; a device draws its own noise, so without a generator its noise is switched off.

        Raises:
            ParameterError: the resting current does not settle, being at threshold.
        """
        device = self.device if generator is not None else self.device.ideal()
        draws = generator if generator is not None else torch.Generator().manual_seed(0)
        shape = (self.chips, *drive.shape[1:-1])
        state = {name: v.expand(*shape, *v.shape[2:]).clone() for name, v in self.junctions.items()}
        time = float(device.relaxation_time(torch.tensor(rest, dtype=torch.float64)))
        if not math.isfinite(time):
            raise ParameterError(
                f"a resting current of {1e3 * rest:g} mA does not settle; choose one off the threshold"
            )
        n = 20
        state = device.advance(state, drive.new_full(shape, rest), self.settling * time / n, n, draws)
        drive = drive.expand(*shape, drive.shape[-1])
        whole: Any = getattr(device, "respond", None)
        if callable(whole):
            return whole(state, drive, dt, draws).to(drive.dtype)
        found = torch.empty_like(drive, memory_format=torch.contiguous_format)
        for n in range(drive.shape[-1]):
            state = device.step(state, drive[..., n], dt, draws)
            found[..., n] = device.read(state, generator)
        return found


def _noise(
    like: torch.Tensor, chips: int | None, size: float, decay: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Kicks that keep a relaxing amplitude at standard deviation `size`; a chip's own do not depend on the others."""
    flat = (chips or 1, like.numel() // (chips or 1))
    numbers = random.normal(random.draw_key(generator), flat, device=like.device)
    return (numbers.to(like.dtype) * (size * (1 - decay**2).sqrt()).reshape(-1, 1)).reshape(like.shape)
