"""Target patterns that one coupling for all cannot give: every pair of three oscillators alone, each in its region.

Three regions of the (f_A, f_B) plane want the pairs (1,2), (2,3) and (1,3), each alone. In the original scheme what is
synchronised is contiguous in natural frequency (see `nanoneurons.networks.phase_network`), so the pair that leaves
out oscillator m is possible only if m is not the middle one. One of the three is the middle one whatever the
frequencies: at most two of the three regions can be right, for any currents, any uniform coupling, any strengths of
the two inputs common to all oscillators, any linear map and any noise-free initial phases that start together. A
global search confirms it; the generalised network, whose inputs reach each oscillator with a strength of its own,
has no such order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from scipy.optimize import differential_evolution

from nanoneurons.core.random import generator_for
from nanoneurons.networks.phase_network import PhaseNetwork

from ._training import Stage, numbers, restored, scatter, train

__all__ = ["BOUND", "CENTRES", "CODES", "learn", "network_of", "points", "regions", "search", "uniform"]

CENTRES = ((-2.0, -2.0), (2.0, -2.0), (0.0, 2.0))  # (f_A, f_B) of the regions in MHz from the carrier
CODES = torch.tensor([[True, False, False], [False, False, True], [False, True, False]])  # pairs (1,2), (1,3), (2,3)
HALF = 0.5  # half side of a region in MHz
BOUND = 2 / 3  # of the regions, by the order of frequencies
_WIDTHS = {"natural": 2.0, "coupling": 0.3, "injection": 0.5, "input_matrix": 0.3, "input_offset": 0.3}


def points(side: int, half: float = HALF) -> torch.Tensor:
    """Points ``(3 * side**2, 2)`` in MHz, `side` by `side` in each region, edges included."""
    line = torch.linspace(-half, half, side, dtype=torch.float64)
    grid = torch.cartesian_prod(line, line)
    return (torch.tensor(CENTRES, dtype=torch.float64)[:, None] + grid).reshape(-1, 2)


def regions(side: int) -> torch.Tensor:
    """Number of the region that each of these points belongs to."""
    return torch.arange(len(CENTRES)).repeat_interleave(side**2)


def _right(network: PhaseNetwork, side: int) -> tuple[np.ndarray, torch.Tensor]:
    """Share of the points with exactly the wanted pattern, for each copy, and the counts."""
    counts = network.counts(points(side))
    right = (network.synchronised(counts) == CODES[regions(side)]).all(-1)
    return right.double().mean(1).numpy(), counts


def learn(
    seed: int, restarts: int, stages: tuple[Stage, ...], side: int, test_side: int, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Train restarts of the generalised network on the points of `side` and test the best on the finer grid."""
    draws = generator_for(seed, "targets", "generalised")
    network = PhaseNetwork(2, 3, 2, restarts, spacing=0.0, coupling=0.0, injection=1.0)
    scatter(network, _WIDTHS, draws)
    # trained on regions a tenth wider, so that their edges have a margin
    x = points(side, 1.1 * HALF)
    best = train(network, x[None], regions(side)[None], CODES, stages, draws, progress)
    right, counts = _right(best, test_side)
    i, j = torch.tensor(best.pairs).T
    apart = (counts[0][:, i] - counts[0][:, j]).abs()
    wanted = CODES[regions(test_side)]
    return {
        "points": float(_right(best, side)[0][0]),
        "unseen": float(right[0]),
        "least_apart": int(apart[~wanted].min()),
        "most_together": int(apart[wanted].max()),
        "parameters": numbers(best),
    }


def network_of(stored: dict[str, list]) -> PhaseNetwork:
    """The trained network of a stored result."""
    return restored(PhaseNetwork(2, 3, 2), stored)


def search(
    seed: int, space: str, population: int, generations: int, side: int, progress: Callable[[float], None]
) -> dict[str, Any]:
    """Global search (differential evolution) for parameters of the original scheme.

    Args:
        space: ``original`` (three f_i, k, strengths of A and B: 6 numbers) or ``uniform`` (and W, b: 12 numbers).
    """
    low_high = [(-5.0, 5.0)] * 3 + [(0.0, 2.0)] + [(0.0, 4.0)] * 2
    if space == "uniform":
        low_high += [(-2.0, 2.0)] * 4 + [(-3.0, 3.0)] * 2
    evaluations = [0]
    best = [0.0]

    def cost(candidates: np.ndarray) -> np.ndarray:
        right, counts = _right(uniform(candidates.T), side)
        pairs = (_synchronised(counts) == CODES[regions(side)]).double().mean((1, 2)).numpy()
        evaluations[0] += len(right)
        best[0] = max(best[0], float(right.max()))
        progress(min(evaluations[0] / (population * (generations + 1)), 1.0))
        return -right - 0.1 * pairs  # the second term leads where no point is right yet

    draws = generator_for(seed, "targets", space)
    result = differential_evolution(
        cost, low_high, vectorized=True, updating="deferred", polish=False, maxiter=generations, tol=0.0,
        init=_starts(low_high, population, draws), seed=np.random.default_rng(draws.initial_seed()),
    )  # fmt: skip
    return {"points": best[0], "evaluations": evaluations[0], "parameters": result.x.tolist()}


def _starts(low_high: list[tuple[float, float]], population: int, draws: torch.Generator) -> np.ndarray:
    low, high = np.array(low_high).T
    return low + (high - low) * torch.rand(population, len(low), generator=draws, dtype=torch.float64).numpy()


def _synchronised(counts: torch.Tensor) -> torch.Tensor:
    return PhaseNetwork(2, 3, 2).synchronised(counts)


@torch.no_grad()
def uniform(candidates: np.ndarray) -> PhaseNetwork:
    """Original schemes with the given numbers, one copy each."""
    given = torch.from_numpy(np.ascontiguousarray(candidates))
    network = PhaseNetwork(2, 3, 2, len(given))
    network.natural.copy_(given[:, :3])
    network.coupling.copy_(given[:, 3, None, None].expand_as(network.coupling))
    network.injection.copy_(given[:, None, 4:6].expand_as(network.injection))
    if given.shape[1] > 6:
        network.input_matrix.copy_(given[:, 6:10].reshape(-1, 2, 2))
        network.input_offset.copy_(given[:, 10:])
    return network
