"""The fast engine: a kernel compiled for the equation runs blocks of devices through all steps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
import torch

from nanoneurons.core.random import start_of

from ._codegen import BLOCK, Shape
from ._drives import Sampled
from ._kernels import kernel
from ._problem import Problem

__all__ = ["run"]


@numba.njit(cache=True)
def noise_starts(key, first_chip, chips, devices):  # pragma: no cover - compiled
    """Start of the random stream of every device, shape ``(chips, devices)``."""
    out = np.empty((chips, devices), np.uint64)
    for chip in range(chips):
        for device in range(devices):
            out[chip, device] = start_of(key, first_chip + chip, device)
    return out


def run(problem: Problem) -> tuple[torch.Tensor, torch.Tensor, tuple[int, int, int]]:
    """Records ``(records, chips, devices, states)``, final state, (step, chip, device) of a blow-up or zeros."""
    equation, (chips, devices) = problem.equation, problem.shape
    coupled = problem.coupling is not None

    def lanes(values: np.ndarray) -> np.ndarray:  # (..., chips, devices) -> (..., devices, lanes)
        if coupled:
            return np.ascontiguousarray(np.swapaxes(values, -1, -2))
        return np.ascontiguousarray(values.reshape(*values.shape[:-2], 1, chips * devices))

    def partial(values: np.ndarray) -> np.ndarray:  # a drive keeps an axis of 1 where all devices or all chips share it
        if values.shape[-2:] == (1, 1):
            return np.ascontiguousarray(values)
        if coupled:
            return np.ascontiguousarray(np.swapaxes(values, -1, -2))
        return lanes(np.broadcast_to(values, (*values.shape[:-2], chips, devices)))

    y = lanes(np.moveaxis(problem.y0.detach().numpy(), -1, 0))
    if np.shares_memory(y, problem.y0.detach().numpy()):
        y = y.copy()
    constant = [t.detach() for t in (*problem.parameters, *problem.constants)]
    varied = [t for t in constant if t.numel() != 1]
    values = np.empty((0, 1, 1))
    if varied:
        values = lanes(np.stack([np.broadcast_to(t.numpy(), (chips, devices)) for t in varied]))
    rows = iter(range(len(varied)))
    place = np.array([next(rows) if t.numel() != 1 else -1 for t in constant], dtype=np.int64)
    shared = np.array([float(t) if t.numel() == 1 else 0.0 for t in constant])
    shape = Shape(
        problem.method, tuple(problem.sampled), tuple(problem.tones), noisy=problem.key is not None, coupled=coupled
    )
    drives: list[object] = []
    for given, per in problem.sampled.values():
        drives += [partial(given.values.detach().numpy()), per, isinstance(given, Sampled)]
    for tones in problem.tones.values():
        stacked = torch.stack([tones.amplitude, tones.omega, torch.as_tensor(tones.phase)]).detach().numpy()
        drives.append(partial(np.moveaxis(stacked, -1, 0)))  # (sources, 3, devices, lanes)
    if problem.key is not None:
        drives.append(lanes(noise_starts(np.uint64(problem.key), problem.first_chip, chips, devices)))
    if problem.coupling is not None:
        matrix = problem.coupling.detach().resolve_conj().numpy()
        matrix = matrix[..., None] if matrix.ndim == 2 else np.moveaxis(matrix, 0, -1)
        drives += [np.ascontiguousarray(np.real(matrix)), np.ascontiguousarray(np.imag(matrix))]
    records = problem.steps // problem.every + 1
    out = np.empty((records, *y.shape))
    count = y.shape[-1]
    compiled = kernel(equation, shape)

    def part(lo: int, hi: int) -> np.ndarray:
        status = np.zeros(3, np.int64)
        compiled(
            y, values, shared, place, out, status, lo, hi,
            problem.steps, problem.first_step, problem.every, problem.dt, *drives,
        )  # fmt: skip
        return status

    blocks = -(-count // BLOCK)
    workers = min(torch.get_num_threads(), blocks)
    if workers > 1 and count * y.shape[1] * problem.steps > 200_000:  # lanes do not know of each other
        edges = [min(count, BLOCK * (blocks * w // workers)) for w in range(workers + 1)]
        with ThreadPoolExecutor(workers) as pool:
            found = list(pool.map(part, edges[:-1], edges[1:]))
    else:
        found = [part(0, count)]
    bad = (0, 0, 0)
    for status in found:
        if status[0] and (not bad[0] or status[0] < bad[0]):
            step, device, lane = (int(v) for v in status)
            bad = (step, lane, device) if coupled else (step, lane // devices, lane % devices)

    def back(values: np.ndarray) -> torch.Tensor:  # (..., states, devices, lanes) -> (..., chips, devices, states)
        if coupled:
            return torch.from_numpy(np.ascontiguousarray(np.moveaxis(np.swapaxes(values, -1, -2), -3, -1)))
        grid = values.reshape(*values.shape[:-2], chips, devices)
        return torch.from_numpy(np.ascontiguousarray(np.moveaxis(grid, -3, -1)))

    return back(out), back(y), bad
