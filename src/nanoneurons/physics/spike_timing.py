r"""Spike-timing dependent plasticity: what the times of spikes before and after a synapse do to its weight in [0, 1].

**Pairs and triplets**, with the traces :math:`x_1, x_2` of the spikes before and :math:`y_1, y_2` of those after,

.. math::
    \text{spike after:}\quad \Delta w &= f_+(w)\,(x_1 - o)\,(A_2^+ + A_3^+\,y_2), \\
    \text{spike before:}\quad \Delta w &= -f_-(w)\,y_1\,(A_2^- + A_3^-\,x_2).

Every spike adds 1 to its traces (or sets them to 1: nearest spikes only), which decay with
:math:`\tau_+, \tau_x, \tau_-, \tau_y`; the second traces count as they were just before the spike. :math:`A_3 = 0` is
the rule of pairs, whose window is :math:`A_2^+ e^{-\Delta t/\tau_+}` for a spike after by :math:`\Delta t` and
:math:`-A_2^- e^{-|\Delta t|/\tau_-}` for one before. Of two spikes at the same time, the one before comes first. The
offset *o* lets a spike after weaken synapses that were silent. Weights bound themselves by :math:`f_+ = (1 - w)^\mu,
f_- = w^\mu`: additive with :math:`\mu = 0`, multiplicative with 1, between them after Gütig et al.

**Simplified** rule of memristors, at a spike after only:

.. math:: \Delta w = A^+ e^{-\beta w} \ \text{if the last spike before is at most}\ t_{LTP}\ \text{old, else}\
    -A^- e^{-\beta (1 - w)}.

Times in s. Not modelled: delays in the synapse, all-or-none changes.

Sources: Song, Miller and Abbott, Nat. Neurosci. 3, 919 (2000) (pairs); Pfister and Gerstner, J. Neurosci. 26, 9673
(2006) (triplets); Gütig, Aharonov, Rotter and Sompolinsky, J. Neurosci. 23, 3697 (2003) (bounds); Diehl and Cook,
Front. Comput. Neurosci. 9:99 (2015) (offset); Querlioz et al., IEEE Trans. Nanotechnol. 12, 288 (2013) (simplified).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Literal

from nanoneurons.core.errors import ParameterError

__all__ = ["SimplifiedLaw", "TimingLaw", "change_by_pairs", "change_by_traces", "window"]


def _finite(law: object, positive: tuple[str, ...], not_negative: tuple[str, ...]) -> None:
    for field in fields(law):  # type: ignore[arg-type]
        value = getattr(law, field.name)
        if isinstance(value, str):
            continue
        low = "above 0" if field.name in positive else "0 or more" if field.name in not_negative else "finite"
        if not math.isfinite(value) or (low == "above 0" and value <= 0) or (low == "0 or more" and value < 0):
            raise ParameterError(f"{type(law).__name__}: {field.name} = {value:g} must be {low}")


@dataclass(frozen=True)
class TimingLaw:
    r"""Constants of the rule of pairs or triplets; see the module.

    Attributes:
        up, down: :math:`A_2^+, A_2^-`.
        tau_up, tau_down: :math:`\tau_+, \tau_-` in s.
        triplet_up, triplet_down: :math:`A_3^+, A_3^-`.
        tau_x, tau_y: time constants of the second traces in s.
        bound_up, bound_down: exponents :math:`\mu` of the weight dependence.
        offset: *o*, the trace that counts as zero at a spike after.
        pairing: ``"all"`` spikes add to a trace, or only the ``"nearest"`` counts.
    """

    up: float
    down: float
    tau_up: float
    tau_down: float
    triplet_up: float = 0.0
    triplet_down: float = 0.0
    tau_x: float = 0.1
    tau_y: float = 0.1
    bound_up: float = 0.0
    bound_down: float = 0.0
    offset: float = 0.0
    pairing: Literal["all", "nearest"] = "all"

    def __post_init__(self) -> None:
        positive = ("tau_up", "tau_down", "tau_x", "tau_y")
        _finite(self, positive, ("bound_up", "bound_down", "offset"))
        if self.pairing not in ("all", "nearest"):
            raise ParameterError(f"pairing must be 'all' or 'nearest', not {self.pairing!r}")


@dataclass(frozen=True)
class SimplifiedLaw:
    """Constants of the simplified rule; see the module.

    Attributes:
        up, down: amplitudes.
        window: longest age in s of a spike before that strengthens.
        steepness_up, steepness_down: exponents of the weight dependence.
    """

    up: float
    down: float
    window: float
    steepness_up: float = 3.0
    steepness_down: float = 3.0

    def __post_init__(self) -> None:
        _finite(self, ("window",), ("steepness_up", "steepness_down"))

    def change(self, age: float, weight: float) -> float:
        """Change at a spike after, where the last spike before is `age` seconds old (infinite: there was none)."""
        if age <= self.window:
            return self.up * math.exp(-self.steepness_up * weight)
        return -self.down * math.exp(-self.steepness_down * (1 - weight))


def window(law: TimingLaw, delay: float) -> float:
    """Change of an unbounded weight by one pair, the spike after coming `delay` seconds later (or earlier, below 0)."""
    if delay >= 0:
        return law.up * (math.exp(-delay / law.tau_up) - law.offset)
    return -law.up * law.offset - law.down * math.exp(delay / law.tau_down)


def _ordered(law: TimingLaw, before: Sequence[float], after: Sequence[float]) -> list[tuple[float, int]]:
    if len(before) == 0 and len(after) == 0:
        raise ParameterError("both spike trains are empty; give at least one spike")
    for name, times in (("before", before), ("after", after)):
        if any(not math.isfinite(t) for t in times) or any(b <= a for a, b in pairwise(times)):
            raise ParameterError(f"the spike times {name} the synapse must be finite and rise")
    return sorted([(t, 0) for t in before] + [(t, 1) for t in after])


def change_by_traces(law: TimingLaw, before: Sequence[float], after: Sequence[float], weight: float = 0.5) -> float:
    """Weight after two spike trains (times in s, rising), by four traces from spike to spike; kept in [0, 1].

    Raises:
        ParameterError: both trains are empty, or times do not rise.
    """
    x1 = x2 = y1 = y2 = 0.0
    now = -math.inf
    nearest = law.pairing == "nearest"
    for time, is_after in _ordered(law, before, after):
        gap = time - now
        x1, x2 = x1 * math.exp(-gap / law.tau_up), x2 * math.exp(-gap / law.tau_x)
        y1, y2 = y1 * math.exp(-gap / law.tau_down), y2 * math.exp(-gap / law.tau_y)
        now = time
        if is_after:
            weight += (1 - weight) ** law.bound_up * (x1 - law.offset) * (law.up + law.triplet_up * y2)
            y1, y2 = (1.0, 1.0) if nearest else (y1 + 1, y2 + 1)
        else:
            weight -= weight**law.bound_down * y1 * (law.down + law.triplet_down * x2)
            x1, x2 = (1.0, 1.0) if nearest else (x1 + 1, x2 + 1)
        weight = min(max(weight, 0.0), 1.0)
    return weight


def change_by_pairs(law: TimingLaw, before: Sequence[float], after: Sequence[float]) -> float:
    """Change of an unbounded weight, summed over all pairs and triplets of spikes one by one; additive laws only.

    Cost grows with the third power of the number of spikes: a check of `change_by_traces`, from the definition.

    Raises:
        ParameterError: the law depends on the weight, both trains are empty, or times do not rise.
    """
    if law.bound_up or law.bound_down:
        raise ParameterError("pairs add up only where the change does not depend on the weight; set the bounds to 0")
    _ordered(law, before, after)

    def effect(past: list[float], now: float, tau: float) -> float:
        chosen = past[-1:] if law.pairing == "nearest" else past
        return sum(math.exp(-(now - t) / tau) for t in chosen)

    total = 0.0
    for t in after:
        past, own = [s for s in before if s <= t], [s for s in after if s < t]
        total += (effect(past, t, law.tau_up) - law.offset) * (law.up + law.triplet_up * effect(own, t, law.tau_y))
    for t in before:
        past, own = [s for s in after if s < t], [s for s in before if s < t]
        total -= effect(past, t, law.tau_down) * (law.down + law.triplet_down * effect(own, t, law.tau_x))
    return total
