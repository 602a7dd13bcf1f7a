"""What a finished search says of a pulsed device: its parameters, their intervals, and what the data do not tell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from nanoneurons.core.errors import DataError
from nanoneurons.devices.pulsed import Pulsed
from nanoneurons.fitting import _pulsed_predict as predictions
from nanoneurons.fitting._fitter import Estimate, Fit
from nanoneurons.fitting._intervals import share
from nanoneurons.fitting._pulsed_drawn import Chain, drawn_outcome
from nanoneurons.fitting._pulsed_estimates import frame_of, outcome
from nanoneurons.fitting._pulsed_law import Law
from nanoneurons.fitting._pulsed_point import Point
from nanoneurons.fitting._pulsed_readings import Events
from nanoneurons.fitting._pulsed_task import FEWEST, LIMIT, Task
from nanoneurons.measurements import Pulses

__all__ = ["finish"]

_LAW = ("pulse_step", "exp_up", "exp_down", "gamma_up", "gamma_down", "unit_conductance")  # a device cannot do without
_BOTH = (
    "Whether the noise of a pulse is relative to the step at this weight or to the step at shape 1 is not told by "
    "the data: the likelier is taken, and the intervals are of both, by their odds."
)
_STEEP = 0.95  # exponent of a power step above which intervals were found a little short
_LOOSE = 0.5  # standard error of an exponential step's rise beyond which its constant part is not told


def finish(
    task: Task, point: Point, data: Pulses, dead: np.ndarray, events: Events, chains: Sequence[Chain] = ()
) -> Fit:
    """The fit; intervals come from draws where there are any, else from the likelihood's curvature."""
    law, base = point.law, task.base
    if chains:
        found = drawn_outcome(chains, base, task.free, choose=len(task.live) >= FEWEST)
    else:
        found = outcome(point, base, task.free)
    estimates, values = list(found.estimates), dict(found.values)
    fixed, kept, notes = task.fixed, task.kept, task.notes
    single = len(task.live) == 1
    if single:
        for name in ("step_spread", "up_down_spread", "w_max_spread", "w_min_spread", "initial_spread", "stuck_share"):
            kept[name] = "one device: no device-to-device spread; the default is kept"
        if law.shape == "linear":
            kept["gamma_spread"] = kept["step_spread"]
        if "initial_mean" in values:
            fixed["initial_mean"] = "the first reading of the one device measured"
        notes.append("One device was measured: the intervals say how well that device is known, not how others differ.")
    _bounds(task, law, values)
    correlation = _exponential_edge(task, point, found.correlation, estimates)
    _read_write(task, law, values, estimates)
    told = [e.name for e in estimates]
    estimates = [e for e in estimates if not (single and e.name == "initial_mean")]
    if "initial_mean" not in values:
        for name in ("initial_mean", "initial_spread"):
            kept[name] = "no run starts with a reading of a fresh device; the default is kept"
    if not single:
        stuck = share("stuck_share", int(dead.sum()), int((np.diff(events.start) > 0).sum()))
        estimates.append(stuck)
        values["stuck_share"] = stuck.value
        kept["stuck_range"] = "the default is kept"
    names = [e.name for e in estimates]
    correlation = _square(correlation, told, names)
    if not law.both:
        missing = "down" if law.up else "up"
        why = f"no {missing} pulses: the two directions cannot be compared; the default is kept"
        kept |= {"up_down": why, "up_down_spread": why}
        if law.shape in ("linear", "exponential", "power"):
            kept[f"gamma_{missing}"] = why
        if law.shape == "exponential":
            kept[f"exp_{missing}"] = why
    if law.shape == "exponential":
        for name in ("exp_a", "exp_b"):
            fixed[name] = "convention: only its combination with gamma and the amplitude has an effect"
    if task.free:
        convention = (
            f"convention: the mean bounds are weights {'0 and 1' if base.sided == 'one-sided' else '-1 and +1'}"
        )
        fixed = {"w_max": convention, "w_min": convention} | fixed
        if data.unit == "1":
            fixed["zero_conductance"] = fixed["unit_conductance"] = "the readings have no unit"
            values = {k: v for k, v in values.items() if k not in ("zero_conductance", "unit_conductance")}
            estimates = [e for e in estimates if e.name not in ("zero_conductance", "unit_conductance")]
            correlation = _square(correlation, names, [e.name for e in estimates])
            c, e = _frame(task, point, found.beta)
            notes.append(f"Weights are (reading - {c:.6g}) / {e:.6g}, so that the mean bounds are as stated.")
    else:
        kept["zero_conductance"] = kept["unit_conductance"] = "the readings have no unit; the default is kept"
    steep = [e.name for e in estimates if law.shape == "power" and e.name.startswith("gamma") and e.value > _STEEP]
    if steep:
        notes.append(
            f"The interval of {' and '.join(steep)} may be a little short: for exponents above {_STEEP} it held the "
            "truth in 91 % of simulated campaigns (201 of 220)."
        )
    if len(chains) > 1:
        notes.append(_BOTH)
    fixed["noise"] = "the likelier of the two" if law.shape != "constant" else "no difference for a constant step"
    fixed["step_law"] = "the likelier of the two" if len(task.live) >= FEWEST else "too few devices to choose; kept"
    if not point.converged:
        notes.append("The search ended before its last change was small against the errors.")
    outliers = _outliers(task, point, data, events)
    if outliers.any():
        notes.append(
            f"{int(outliers.sum())} readings lie more than {LIMIT} standard deviations from their prediction "
            "and were set aside."
        )
    values, estimates = _in_range(base, values, estimates)
    scale = None
    if data.unit == "1":
        c, e = _frame(task, point, found.beta) if task.free else (0.0, 1.0)
        scale = (c - e * base.zero_conductance / base.unit_conductance, e / base.unit_conductance)
    device = replace(
        base,
        noise="pulse" if law.additive else "step",
        step_law="log-normal" if found.log_normal else "normal",
        **values,
    )
    known = predictions.Known(law, (point.centre, point.scale), _all(point.x, task, data), found.beta,
                              found.spread)  # fmt: skip
    own = _effects(task, point, data)
    return Fit(
        name="pulsed", variant=task.shape, device=device, estimates=tuple(estimates), correlation=correlation,
        fixed=fixed, kept={k: v for k, v in kept.items() if k not in fixed and k not in [e.name for e in estimates]},
        notes=tuple(notes), log_likelihood=point.marginal, effects=own,
        effect_units={n: "1" if n.startswith("bend") else "weight" for n in own},
        dead=dead, outliers=outliers, scale=scale, private=known,
    )  # fmt: skip


def _exponential_edge(task: Task, point: Point, correlation: np.ndarray, estimates: list[Estimate]) -> np.ndarray:
    """Take back what an exponential step that nowhere levels off leaves open: its size at shape 1 is a limit of 0."""
    law, loose = point.law, []
    if law.shape == "exponential":
        errors = np.sqrt(np.diag(point.mixed.covariance))
        for way in ("up", "down"):
            if f"rate_{way}" in law.names:
                held = getattr(law, f"rise_{way}") is not None
                k = 0 if held else law.index(f"rise_{way}")
                if held or errors[k] > _LOOSE:
                    loose += [f"exp_{way}", f"gamma_{way}", "pulse_step", "up_down", "step_spread", "up_down_spread"]
                    loose += ["write_noise"]
    old = [e.name for e in estimates]
    for name in loose:
        if name in old:
            task.fixed[name] = "the step levels off nowhere in the range: only combinations of the constants are told"
    estimates[:] = [e for e in estimates if e.name not in loose]
    return _square(correlation, old, [e.name for e in estimates])


def _frame(task: Task, point: Point, beta: np.ndarray) -> tuple[float, float]:
    at = dict(zip(point.law.names, beta, strict=True))
    c, e = frame_of(point.law, at, task.base.sided == "one-sided")
    return point.centre + point.scale * c, point.scale * e


def _bounds(task: Task, law: Law, values: dict[str, float]) -> None:
    for name, value in (("w_max", law.high), ("w_min", law.low)):
        if value is not None:
            values[name + "_spread"] = 0.0
    if task.free:
        one_sided = task.base.sided == "one-sided"
        values["w_max"], values["w_min"] = 1.0, 0.0 if one_sided else -1.0


def _read_write(task: Task, law: Law, values: dict[str, float], estimates: list[Estimate]) -> None:
    """Split the noise of the visible weight where it could not be measured apart."""
    if "cycle_spread" in task.fixed:
        values["cycle_spread"] = law.cycle or 0.0
    if "write_noise" in task.fixed:
        values["write_noise"] = 0.0
    if law.read is None:
        return
    if task.events.again.sum() > 0:
        values["read_noise"] = 0.0
        task.fixed.setdefault("read_noise", "re-reads agree exactly")
        return
    total = values.get("write_noise", 0.0) * values["pulse_step"]
    known = task.base.read_noise
    task.notes.append(
        f"No reading was repeated, so read noise and write noise cannot be told apart; together they are "
        f"{total:.3g} of the weight."
    )
    if known < total:
        task.kept["read_noise"] = "no reading was repeated; the default is kept, the rest counts as write noise"
        part = total**2 - known**2
        values["write_noise"] = float(np.sqrt(part)) / values["pulse_step"]
        for k, e in enumerate(estimates):
            if e.name == "write_noise":
                ends = [np.sqrt(max((x * values["pulse_step"]) ** 2 - known**2, 0.0)) / values["pulse_step"]
                        for x in (e.low, e.high)]  # fmt: skip
                estimates[k] = replace(
                    e, value=values["write_noise"], low=float(ends[0]), high=float(ends[1]),
                    error=e.error * total**2 / part,
                )  # fmt: skip
    else:
        task.fixed["read_noise"] = "no reading was repeated; what both noises are together, less than the default"
        values["read_noise"], values["write_noise"] = total, 0.0
        task.fixed["write_noise"] = "no reading was repeated; counted as read noise"
        estimates[:] = [e for e in estimates if e.name != "write_noise"]


def _square(matrix: np.ndarray, old: list[str], new: list[str]) -> np.ndarray:
    out = np.eye(len(new))
    place = [(k, old.index(n)) for k, n in enumerate(new) if n in old]
    for a, i in place:
        for b, j in place:
            out[a, b] = matrix[i, j]
    return out


def _in_range(base: Pulsed, values: dict[str, float], estimates: list[Estimate]) -> tuple[dict, list[Estimate]]:
    """Values within what the device declares; an interval is cut there too."""
    values = dict(values)
    for name, value in values.items():
        p = base.parameter(name)
        values[name] = float(np.clip(value, p.low, p.high))
        if name in _LAW and values[name] != value:
            raise DataError(
                f"pulsed: {base.step_shape} steps would need {name} = {value:.3g}, beyond what the device takes "
                f"({p.low:g} to {p.high:g}); try another shape, or measure more devices or pulses"
            )
    kept = []
    for e in estimates:
        p = base.parameter(e.name)
        low, high = (float(np.clip(x, p.low, p.high)) for x in (e.low, e.high))
        kept.append(replace(e, value=values[e.name], low=min(low, values[e.name]), high=max(high, values[e.name])))
    return values, kept


def _all(x: np.ndarray, task: Task, data: Pulses) -> np.ndarray:
    out = np.full((len(data.devices), x.shape[1]), np.nan)
    out[task.live] = x
    return out


def _effects(task: Task, point: Point, data: Pulses) -> dict[str, np.ndarray]:
    c = point.law.constants(point.x)
    up, down = point.law.steps(point.x)
    found = {"low": c[:, 8], "high": c[:, 9]}
    found |= {"step_up": up} if point.law.up else {}
    found |= {"step_down": down} if point.law.down else {}
    if point.law.shape == "linear":
        found |= {n: point.x[:, point.law.index(n)] for n in ("bend_up", "bend_down") if n in point.law.names}
    out = {}
    for name, value in found.items():
        full = np.full(len(data.devices), np.nan)
        full[task.live] = value
        out[name] = full
    return out


def _outliers(task: Task, point: Point, data: Pulses, events: Events) -> np.ndarray:
    aside = np.zeros(len(events.y), bool)
    aside[np.isin(events.device, task.live)] = point.jump > 0
    return (events.of >= 0) & aside[events.of] & np.isfinite(data.reading)
