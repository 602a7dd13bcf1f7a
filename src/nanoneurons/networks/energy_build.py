"""Energy networks from a short description such as ``784-512-10`` or ``1x28x28-32c5-mp2-64c5-mp2-10``."""

from __future__ import annotations

import math
from typing import Any, Literal

import torch

from nanoneurons.circuits import Circuit
from nanoneurons.core.errors import StudyError
from nanoneurons.core.random import generator_for
from nanoneurons.layers.coupling import Coupling, DenseCoupling
from nanoneurons.layers.coupling_conv import ConvCoupling, Pooling

from .dynamics import Dynamics, Relaxation
from .energy_network import Edge, EnergyNetwork
from .feedforward import parse

__all__ = ["build_energy"]

_USUAL, _USUAL_PHASES = Dynamics(), Relaxation()


def build_energy(
    spec: str,
    *,
    shape: tuple[int, ...],
    classes: int,
    kind: str = "analog",
    circuit: Circuit | None = None,
    chips: int | None = None,
    seed: int = 0,
    dynamics: Dynamics = _USUAL,
    relaxation: Relaxation = _USUAL_PHASES,
    cost: Literal["squared-error", "cross-entropy"] = "squared-error",
    replicas: int = 1,
    tied: bool = True,
    binary: bool = False,
    padding: int | tuple[int, ...] | None = None,
    pooling: Pooling = "max",
    start: Literal["uniform", "glorot"] = "uniform",
    gain: float = 1.0,
    **more: Any,
) -> EnergyNetwork:
    """Build a chain of groups of neurons, each coupled to the next.

    Args:
        spec: as for `nanoneurons.networks.build`, ending with the classes; ``auto`` has one hidden layer.
        shape, classes, kind, circuit, chips, seed: likewise (`kind` must be ``"analog"`` or ``"binary"``).
        cost: under the ``"cross-entropy"`` the classes are a digital read-out of the group before.
        replicas: neurons per class at the output, under the squared error.
        tied, binary, start, gain: of every coupling, see `Coupling`.
        padding: of the convolutions, one number for all or one each; that of an unchanged size when not given.
        pooling: see `ConvCoupling`.
        more: passed to `EnergyNetwork`.

    Raises:
        StudyError: the description is malformed or does not fit the data.
    """
    if kind not in ("analog", "binary"):
        raise StudyError(f"energy networks have analog or binary couplings, not {kind!r}")
    spec, tokens, convolutional = parse(spec, shape, classes, wide=True)
    where: tuple[int, ...] = tuple(shape) if convolutional else (math.prod(shape),)
    shapes, edges = [where], []
    draw = generator_for(seed, "energy network", spec)
    common: dict[str, Any] = {"circuit": circuit, "chips": chips, "tied": tied, "start": start, "gain": gain}
    common["binary"] = binary or kind == "binary"
    steps = [(at, t) for at, t in enumerate(tokens) if "pool" not in t]
    if cost == "cross-entropy":
        if len(steps) < 2:
            raise StudyError(f"network {spec!r}: under the cross-entropy a hidden layer must precede the read-out")
        steps = steps[:-1]
    convolutions = 0
    for at, token in steps:
        common["seed"] = int(torch.randint(2**31, (), generator=draw))
        if "channels" in token:
            if len(where) != 3:
                raise StudyError(f"network {spec!r}: a convolution cannot follow a dense layer")
            pool = tokens[at + 1]["pool"] if at + 1 < len(tokens) and "pool" in tokens[at + 1] else 1
            pad = token["kernel"] // 2 if padding is None else padding
            if not isinstance(pad, int):
                if len(pad) <= convolutions:
                    raise StudyError(f"network {spec!r}: paddings {pad} are fewer than its convolutions")
                pad = pad[convolutions]
            coupling: Coupling = ConvCoupling(
                where[0], token["channels"], token["kernel"], pad, pool, pooling, **common
            )
            where = coupling.target_shape(where)  # type: ignore[union-attr]
            convolutions += 1
            if min(where) < 1:
                raise StudyError(f"network {spec!r}: nothing is left of the image after convolution {convolutions}")
        else:
            last = at == len(tokens) - 1
            features = token["dense"] * (replicas if last else 1)
            coupling = DenseCoupling(math.prod(where), features, **common)
            where = (features,)
        edges.append(Edge(len(shapes) - 1, len(shapes), coupling))
        shapes.append(where)
    return EnergyNetwork(
        shapes, edges, dynamics=dynamics, relaxation=relaxation, cost=cost, classes=classes, chips=chips, seed=seed,
        **more,
    )  # fmt: skip
