"""Draws from the joint posterior of the weak-RESET laws and every device's own constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nanoneurons.devices.hfox_weak_reset import HfOxWeakReset
from nanoneurons.fitting._hfox_campaign import Campaign
from nanoneurons.fitting._hfox_device import LAW
from nanoneurons.fitting._hfox_noise import flicker_covariance, flicker_mean
from nanoneurons.fitting._hfox_sweep import Chain

__all__ = ["LIMITS", "Draws", "first_law", "sample"]

# what a limit that no longer cuts becomes: the ends of the parameters' declared ranges
LIMITS = {
    "resistance_low": 1.0, "resistance_high": 1e9, "fast_slope_low": 0.0, "fast_slope_high": 1.0,
    "knee_low": 1.0, "knee_high": 1e9, "slow_slope_high": 1.0,
}  # fmt: skip
_OUTSIDE = 4.0  # standard deviations beyond a limit at which a device's own constant says that the limit is wrong
_SETTLE, _TRIAL, _WARM = 150, 130, 200
_CONSTANTS = 64  # draws of the devices' constants that are kept


@dataclass(frozen=True)
class Draws:
    """Draws of the laws ``(draws, laws)`` and of the devices' constants ``(kept, devices, 5)``.

    `widened`: limits that the devices' constants contradict. `on`: share of draws in which each reading was on.
    """

    laws: np.ndarray
    constants: np.ndarray
    matching: np.ndarray
    widened: tuple[str, ...]
    on: np.ndarray


def first_law(base: HfOxWeakReset) -> np.ndarray:
    """The laws of a device as the vector that the kernels take."""
    law = np.array([getattr(base, name, 0.0) for name in LAW], float)
    law[LAW["fast_slope_start"]] = max(base.fast_slope_start, base.fast_slope_low)
    law[LAW["flicker_mean"]] = flicker_mean(base.flicker_register)
    return law


def _start(data: Campaign, law: np.ndarray, register: int):
    """A first guess: telegraph on where neighbours differ widely, the curve below everything after it."""
    covariance = np.append(flicker_covariance(register), 0.0)
    moves = np.concatenate([np.abs(np.diff(data.y[d, : data.n[d]])) for d in range(len(data.n))])
    typical = 1.4826 * float(np.median(moves)) + 1e-9
    gap = min(int(np.median(data.gaps)), register)
    alpha = min(max(typical / math.sqrt(2 * (covariance[0] - covariance[gap])), 1e-6), 1.0)
    path, excess = np.zeros(data.y.shape, np.uint8), np.zeros(data.y.shape)
    device = np.empty((len(data.n), 5))
    for d, n in enumerate(data.n):
        y = data.y[d, :n]
        below = np.minimum.accumulate(y[::-1])[::-1]
        wide = np.abs(np.diff(y)) > 4 * typical
        near = np.convolve(np.r_[wide, False] | np.r_[False, wide], np.ones(3), "same") > 0
        on = (near & (y - below > 3 * typical)) | (y - below > 10 * alpha * math.sqrt(covariance[0]))
        path[d, :n], excess[d, :n] = on, np.where(on, np.maximum(y - below, 1e-3 * typical), 0.0)
        device[d] = below[0], 0.0, law[LAW["knee"]], 0.0, 1.3 * excess[d].max()
    law[LAW["flicker_amplitude"]] = alpha
    most = min(max(1.1 * device[:, 4].max(), 10 * alpha), 5.0)
    law[LAW["telegraph_amplitude"]] = most
    device[:, 4] = np.where(device[:, 4] > 0, np.minimum(device[:, 4], 0.99 * most), 0.5 * most)
    resistance = np.exp(device[:, 0] - alpha * law[LAW["flicker_mean"]])
    law[LAW["resistance"]] = np.median(resistance)
    spread = np.linspace(-1, 1, len(data.n))  # chains that all start alike would take their law for a narrow one
    knee = law[LAW["knee"]] * np.exp(spread * law[LAW["knee_log_sd"]])
    device[:, 2] = np.clip(knee, law[LAW["knee_low"]], law[LAW["knee_high"]])
    device[:, 1], device[:, 3] = law[LAW["fast_slope_scale"]], law[LAW["slow_slope_scale"]]
    return device, path, excess


def _slope_error(data: Campaign, law: np.ndarray) -> float:
    """Standard error of one device's slow slope at a typical knee, in units of 1 per pulse; large beyond the data."""
    t = data.t[data.grid[0], : data.n[0]]
    late = t[-1] - law[LAW["knee"]]
    # a line through 1/f noise of 0.47 alpha, some 20 independent stretches of it
    return 1.0 if late <= 0 else 0.3 * law[LAW["flicker_amplitude"]] / late


def _beyond(draws: np.ndarray, law: np.ndarray, floor: np.ndarray, by: float) -> list[str]:
    """Limits that the constants of at least one device lie beyond by so many standard deviations (negative: near)."""
    draws = draws.copy()
    draws[:, :, 0] -= law[LAW["flicker_amplitude"]] * law[LAW["flicker_mean"]]
    draws[:, :, 2] = np.log(draws[:, :, 2])
    mean, spread = draws.mean(0), np.maximum(draws.std(0), floor)
    found = []
    for name, column in (("resistance", 0), ("fast_slope", 1), ("knee", 2), ("slow_slope", 3)):
        for end, sign in (("low", -1), ("high", 1)):
            place = LAW.get(f"{name}_{end}")
            if place is not None:
                limit = math.log(law[place]) if column in (0, 2) else law[place]
                if (sign * (mean[:, column] - limit) > by * spread[:, column]).any():
                    found.append(f"{name}_{end}")
    return found


def sample(
    data: Campaign, base: HfOxWeakReset, draws: int, seed: int, progress: Callable[[float, str], None] | None
) -> Draws:
    """Draw `draws` times after two warm-ups; the first, without limits, says which limits the data contradict."""
    limited = first_law(base)
    law = limited.copy()
    for end in ("low", "high"):
        law[LAW[f"resistance_{end}"]] = LIMITS[f"resistance_{end}"]
    device, path, excess = _start(data, law, base.flicker_register)
    error = _slope_error(data, law)
    chain = Chain(data, law, device, path, excess, error, np.random.default_rng(seed))
    chain.curves(_SETTLE)  # a curve far from its readings would first be taken for a telegraph that is always on
    total = 2 * _TRIAL + _WARM + draws

    def run(count: int, every: int) -> tuple[np.ndarray, np.ndarray]:
        laws, constants = np.empty((count, len(law))), np.empty((-(-count // every), *device.shape))
        for k in range(count):
            chain.step()
            laws[k] = law
            if k % every == 0:
                constants[k // every] = device
            if progress and chain.draws % 20 == 0:
                progress(chain.draws / total, f"{len(data.n)} devices, draw {chain.draws} of {total}")
        return laws, constants

    floor = np.array([0.005, error, 0.05, error, 0.0])
    run(_TRIAL - 60, 10)
    limited[LAW["flicker_amplitude"]] = law[LAW["flicker_amplitude"]]
    near = _beyond(run(60, 1)[1], limited, floor, -2.0)
    for name in near:
        law[LAW[name]] = LIMITS[name]
    if "fast_slope_low" in near:
        law[LAW["fast_slope_start"]] = 0.0
    run(_TRIAL - 60, 10)
    limited[LAW["flicker_amplitude"]] = law[LAW["flicker_amplitude"]]
    widened = _beyond(run(60, 1)[1], limited, floor, _OUTSIDE)
    for name in LIMITS:
        law[LAW[name]] = LIMITS[name] if name in widened else limited[LAW[name]]
    law[LAW["fast_slope_start"]] = 0.0 if "fast_slope_low" in widened else limited[LAW["fast_slope_start"]]
    _inside(device, law)
    run(_WARM, 10)
    chain.on[:] = 0
    every = max(draws // _CONSTANTS, 1)
    laws, constants = run(draws, every)
    return Draws(laws, constants, laws[::every], tuple(widened), chain.on / draws)


def _inside(device: np.ndarray, law: np.ndarray) -> None:
    """Move constants and laws within their limits, so that the chain can go on."""
    shift = law[LAW["flicker_amplitude"]] * law[LAW["flicker_mean"]]
    ends = [law[LAW[name]] for name in ("resistance_low", "resistance_high")]
    device[:, 0] = np.clip(device[:, 0], math.log(ends[0]) + shift + 1e-6, math.log(ends[1]) + shift - 1e-6)
    device[:, 1] = np.clip(device[:, 1], law[LAW["fast_slope_low"]], law[LAW["fast_slope_high"]])
    device[:, 2] = np.clip(device[:, 2], law[LAW["knee_low"]], law[LAW["knee_high"]])
    device[:, 3] = np.clip(device[:, 3], 0.0, law[LAW["slow_slope_high"]])
    law[LAW["resistance"]] = min(max(law[LAW["resistance"]], ends[0]), ends[1])
    law[LAW["knee"]] = min(max(law[LAW["knee"]], law[LAW["knee_low"]] * 1.01), law[LAW["knee_high"]] * 0.99)
