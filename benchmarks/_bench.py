"""Shared by the benchmark scripts: two callables timed in turns on one thread, one table, one JSON object."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch

from nanoneurons.core.random import generator_for

__all__ = ["KEEP", "Result", "arguments", "compare", "images", "one_thread", "report"]

# Settings of the C library under which large blocks of memory are kept and not fetched anew.
KEEP = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": "8000000000", "MALLOC_TOP_PAD_": "268435456"}


@dataclass(frozen=True)
class Result:
    """One comparison: seconds (or another unit) of ours and of the peer, and the ratio that has a target.

    Attributes:
        ratio: ours / peer for a cost (`target` is an upper bound), peer / ours for a speed (a lower bound).
        target: bound of the ratio, or None.
        at_most: whether the target is an upper bound.
    """

    name: str
    ours: float
    peer: float
    ratio: float
    target: float | None
    at_most: bool
    peer_name: str = "plain torch"
    note: str = ""
    unit: str = "s"

    @property
    def met(self) -> bool | None:
        """Whether the target is met."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.at_most else self.ratio >= self.target


def one_thread() -> None:
    """Use one thread of torch, so that a ratio does not depend on the number of cores."""
    torch.set_num_threads(1)


def arguments(description: str) -> argparse.Namespace:
    """Command line of a benchmark: ``--json`` and ``--quick``."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    return parser.parse_args()


def images(count: int) -> tuple[torch.Tensor, torch.Tensor, str]:
    """MNIST, or images of its size and sparsity when it is not there."""
    try:
        from nanoneurons import data

        mnist = data.load("mnist")
        if len(mnist.x_train) >= count:
            return mnist.x_train[:count].flatten(1), mnist.y_train[:count], "MNIST"
    except Exception as error:  # any trouble with the data leaves the stand-in
        print(f"# MNIST not used: {error}", file=sys.stderr)
    draw = generator_for(0, "stand-in")
    y = torch.randint(10, (count,), generator=draw)
    masks = (torch.rand(10, 784, generator=draw) < 0.19).float()  # 19 % of the pixels of an MNIST image are not 0
    return masks[y] * torch.rand(count, 784, generator=draw), y, "synthetic images"


def compare(
    ours: Callable[[], object], peer: Callable[[], object], *, rounds: int = 5, take: Callable = min
) -> tuple[float, float]:
    """Process seconds of `ours` and `peer`, run in turns after one warm-up of each; `take` is min or a median.

    CPU time, not wall time, so that another program on the machine disturbs less.
    """
    times: tuple[list[float], list[float]] = ([], [])
    ours()
    peer()
    for _ in range(rounds):
        for function, spent in zip((ours, peer), times, strict=True):
            start = time.process_time()
            function()
            spent.append(time.process_time() - start)
    return take(times[0]), take(times[1])


def report(results: list[Result], as_json: bool) -> None:
    """Print the results as a table or as one JSON object."""
    if as_json:
        print(json.dumps({"results": [{**asdict(r), "met": r.met} for r in results]}, indent=2))
        return
    print(f"{'benchmark':44s} {'ours':>10s} {'peer':>10s} {'ratio':>7s} {'target':>9s}")
    for r in results:
        target = "-" if r.target is None else f"{'<=' if r.at_most else '>='} {r.target:g}"
        verdict = {True: "met", False: "MISSED", None: ""}[r.met]
        ours, peer = (_seconds(v) if r.unit == "s" else f"{v:.3g} {r.unit}" for v in (r.ours, r.peer))
        print(f"{r.name:44s} {ours:>10s} {peer:>10s} {r.ratio:7.2f} {target:>9s} {verdict}")
        if r.note:
            print(f"    {r.note}")


def _seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= scale:
            return f"{value / scale:.3g} {unit}"
    return f"{value / 1e-9:.3g} ns"
