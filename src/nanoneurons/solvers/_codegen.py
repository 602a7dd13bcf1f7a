"""Source of the fused kernel of an equation, written for Numba and kept on disk so that it compiles once.

A kernel runs a block of lanes (devices, or chips of coupled devices) through all time steps with everything it needs
in one small array ``w``: row r of lane l is ``w[r * B + l]``. One base address with constant offsets is what lets LLVM
prove that the rows do not overlap and so vectorise the loop over lanes.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import ops
from ._equation import Equation, globals_used

__all__ = ["BLOCK", "CHECK", "TABLEAU", "Shape", "functions_source", "indent", "source"]

BLOCK = 64  # lanes run together: their rows stay in the first-level cache
CHECK = 256  # steps between looks for numbers that are no longer finite, and between resets of the phasors

TABLEAU = {  # stage: (fraction of a step where it is taken, weight in the sum)
    "euler": ((0.0, 1.0),),
    "heun": ((0.0, 0.5), (1.0, 0.5)),
    "rk4": ((0.0, 1 / 6), (0.5, 1 / 3), (0.5, 1 / 3), (1.0, 1 / 6)),
}
TABLEAU["stochastic-heun"] = TABLEAU["heun"]


@dataclass(frozen=True)
class Shape:
    """What a kernel is specialised for, beside the equation."""

    method: str
    sampled: tuple[str, ...] = ()  # inputs with a held or sampled drive
    tones: tuple[tuple[str, str], ...] = ()  # pairs of inputs with tones
    noisy: bool = False
    coupled: bool = False


class _Rows:
    """Row numbers by name."""

    def __init__(self, equation: Equation, shape: Shape) -> None:
        self.numbers: dict[str, int] = {}
        for name in (*equation.states, *equation.parameters, *equation.inputs):
            self.add(name)
        for name in shape.sampled:
            self.add(f"{name}_value")
            self.add(f"{name}_slope")
        for pair in shape.tones:
            for name in pair:
                for stage in (0, 1, 2):
                    self.add(f"{name}_tone{stage}")
        if shape.noisy:
            for name in equation.noisy or ():
                self.add(f"{name}_xi")
        if shape.coupled:
            for name in equation.states:
                self.add(f"{name}_at")
                self.add(f"{name}_sum")
            for name in ("emit_re", "emit_im", "come_re", "come_im"):
                self.add(name)

    def add(self, name: str) -> None:
        self.numbers[name] = len(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    def at(self, name: str, device: str = "") -> str:
        offset = f"{self.numbers[name]} * B + l"
        return f"w[{device} * R + {offset}]" if device else f"w[{offset}]"


def _input(equation: Equation, shape: Shape, rows: _Rows, name: str, time: float, device: str, amplitude: str) -> str:
    """Expression of one input at a fraction of the step."""
    terms = [rows.at(name, device)]
    if name in shape.sampled:
        terms.append(rows.at(f"{name}_value", device))
        if time:
            terms.append(f"{time} * {rows.at(f'{name}_slope', device)}")
    if any(name in pair for pair in shape.tones):
        terms.append(rows.at(f"{name}_tone{round(2 * time)}", device))
    if shape.noisy and name in (equation.noisy or ()):
        terms.append(f"{amplitude} * {rows.at(f'{name}_xi', device)}")
    if shape.coupled and equation.incoming and name in equation.incoming:
        terms.append(rows.at(("come_re", "come_im")[equation.incoming.index(name)], device))
    return " + ".join(terms)


def _stage(
    equation: Equation, shape: Shape, rows: _Rows, states: list[str], result: str, time: float, device: str
) -> list[str]:
    """Statements that put the derivatives of `states` into variables ``result_<state>``."""
    arguments = [*states, *(f"p_{name}" for name in equation.parameters)]
    lines = []
    amplitudes = {name: f"{result}_a_{name}" for name in equation.noisy or ()}
    if shape.noisy:
        lines.append(f"{', '.join(amplitudes.values())}, = noise({', '.join(arguments)})")
    inputs = [_input(equation, shape, rows, n, time, device, amplitudes.get(n, "")) for n in equation.inputs]
    targets = ", ".join(f"{result}_{name}" for name in equation.states)
    lines.append(f"{targets}, = rhs({', '.join([*arguments, *inputs])})")
    return lines


def _renormalise(equation: Equation) -> list[str]:
    if not equation.norm:
        return []
    square = " + ".join(f"n_{name} * n_{name}" for name in equation.norm)
    return [f"scale = 1.0 / sqrt({square})", *(f"n_{name} *= scale" for name in equation.norm)]


def _fused(equation: Equation, shape: Shape, rows: _Rows) -> list[str]:
    """One step of uncoupled lanes: every stage in registers."""
    body = [f"y_{name} = {rows.at(name)}" for name in equation.states]
    body += [f"p_{name} = {rows.at(name)}" for name in equation.parameters]
    stages = TABLEAU[shape.method]
    for number, (time, _) in enumerate(stages):
        before = f"k{number - 1}"
        if number == 0:
            states = [f"y_{name}" for name in equation.states]
        else:
            states = [f"y_{name} + {time} * h * {before}_{name}" for name in equation.states]
        body += _stage(equation, shape, rows, states, f"k{number}", time, "")
    for name in equation.states:
        body.append(f"n_{name} = y_{name} + {_weighted(stages, name)}")
    body += _renormalise(equation)
    body += [f"{rows.at(name)} = n_{name}" for name in equation.states]
    return ["for l in range(lanes):", *indent(body)]


def _weighted(stages: tuple[tuple[float, float], ...], name: str) -> str:
    """The step: slopes of equal weight are added first, and h times a weight is known before the loop over steps."""
    groups: dict[float, list[str]] = {}
    for n, (_, weight) in enumerate(stages):
        groups.setdefault(weight, []).append(f"k{n}_{name}")
    return " + ".join(f"h * {weight!r} * ({' + '.join(names)})" for weight, names in groups.items())


def _staged(equation: Equation, shape: Shape, rows: _Rows) -> list[str]:
    """One step of coupled devices: the signals are exchanged before each stage."""
    out: list[str] = []
    stages = TABLEAU[shape.method]
    for number, (time, weight) in enumerate(stages):
        source = "" if number == 0 else "_at"
        values = [rows.at(f"{name}{source}", "i") for name in equation.states]
        parameters = [rows.at(name, "i") for name in equation.parameters]
        out += _each([
            f"a, b = emits({', '.join([*values, *parameters])})",
            f"{rows.at('emit_re', 'i')} = a",
            f"{rows.at('emit_im', 'i')} = b",
            f"{rows.at('come_re', 'i')} = 0.0",
            f"{rows.at('come_im', 'i')} = 0.0",
        ])  # fmt: skip
        out += _mixing(rows)
        body = [f"p_{name} = {rows.at(name, 'i')}" for name in equation.parameters]
        body += [f"s_{name} = {value}" for name, value in zip(equation.states, values, strict=True)]
        body += _stage(equation, shape, rows, [f"s_{n}" for n in equation.states], "k", time, "i")
        last = number == len(stages) - 1
        for name in equation.states:
            total = f"{weight!r} * h * k_{name}"
            start = rows.at(name, "i") if number == 0 else rows.at(f"{name}_sum", "i")
            if last:
                body.append(f"n_{name} = {start} + {total}")
            else:
                body.append(f"{rows.at(f'{name}_sum', 'i')} = {start} + {total}")
                ahead = stages[number + 1][0]
                body.append(f"{rows.at(f'{name}_at', 'i')} = {rows.at(name, 'i')} + {ahead} * h * k_{name}")
        if last:
            body += _renormalise(equation)
            body += [f"{rows.at(name, 'i')} = n_{name}" for name in equation.states]
        out += _each(body)
    return out


def _mixing(rows: _Rows) -> list[str]:
    """Sum over j of K_ij times the emitted signals, for one matrix or one per lane."""
    re, im = rows.at("emit_re", "j"), rows.at("emit_im", "j")
    add = [
        f"{rows.at('come_re', 'i')} += kr * {re} - ki * {im}",
        f"{rows.at('come_im', 'i')} += kr * {im} + ki * {re}",
    ]
    return [
        "for i in range(devices):",
        "    for j in range(devices):",
        "        if couplings == 1:",
        "            kr = coupling_re[i, j, 0]",
        "            ki = coupling_im[i, j, 0]",
        "            if kr != 0.0 or ki != 0.0:",
        "                for l in range(lanes):",
        *indent(add, 5),
        "        else:",
        "            for l in range(lanes):",
        "                kr = coupling_re[i, j, start + l]",
        "                ki = coupling_im[i, j, start + l]",
        *indent(add, 4),
    ]


def _each(body: list[str]) -> list[str]:
    return ["for i in range(devices):", "    for l in range(lanes):", *indent(body, 2)]


def indent(lines: list[str], by: int = 1) -> list[str]:
    return ["    " * by + line for line in lines]


def _before_step(equation: Equation, shape: Shape, rows: _Rows) -> list[str]:
    """Bring drives, tones and noise of the coming step into their rows."""
    out: list[str] = []
    for name in shape.sampled:
        v = f"drive_{name}"
        value, slope = rows.at(f"{name}_value", "i"), rows.at(f"{name}_slope", "i")
        fetch = [
            f"index = min(k // {v}_per, {v}.shape[0] - 1)",
            f"after = min(index + 1, {v}.shape[0] - 1)",
            f"fraction = (k % {v}_per) / {v}_per",
            "for i in range(devices):",
            f"    di = i if {v}.shape[1] > 1 else 0",
            "    for l in range(lanes):",
            f"        dl = start + l if {v}.shape[2] > 1 else 0",
            f"        {value} = {v}[index, di, dl]",
            f"        if {v}_linear:",
            f"            rise = {v}[after, di, dl] - {v}[index, di, dl]",
            f"            {value} += rise * fraction",
            f"            {slope} = rise / {v}_per",
            "        else:",
            f"            {slope} = 0.0",
        ]
        out += [f"if k == 0 or {v}_linear or k % {v}_per == 0:", *indent(fetch)]
    for re, im in shape.tones:
        t = f"tone_{re}"
        re_at, im_at, turn_re, turn_im = (f"ph_{re}[s, i, {n}, l]" for n in range(4))
        rotate = []
        for stage in (0, 1, 2):
            rotate += [
                f"{rows.at(f'{re}_tone{stage}', 'i')} += {re_at}",
                f"{rows.at(f'{im}_tone{stage}', 'i')} += {im_at}",
            ]
            if stage < 2:
                rotate += [
                    f"a = {re_at} * {turn_re} - {im_at} * {turn_im}",
                    f"{im_at} = {re_at} * {turn_im} + {im_at} * {turn_re}",
                    f"{re_at} = a",
                ]
        out += [
            f"if k % {CHECK} == 0:",  # rotating a phasor many times adds up rounding errors
            f"    for s in range({t}.shape[0]):",
            "        for i in range(devices):",
            f"            di = i if {t}.shape[2] > 1 else 0",
            "            for l in range(lanes):",
            f"                dl = start + l if {t}.shape[3] > 1 else 0",
            f"                angle = {t}[s, 1, di, dl] * (first + k) * h + {t}[s, 2, di, dl]",
            f"                ph_{re}[s, i, 0, l] = {t}[s, 0, di, dl] * cos(angle)",
            f"                ph_{re}[s, i, 1, l] = -{t}[s, 0, di, dl] * sin(angle)",
            f"                ph_{re}[s, i, 2, l] = cos(0.5 * h * {t}[s, 1, di, dl])",
            f"                ph_{re}[s, i, 3, l] = -sin(0.5 * h * {t}[s, 1, di, dl])",
            "for i in range(devices):",
            "    for l in range(lanes):",
            *indent([f"{rows.at(f'{n}_tone{stage}', 'i')} = 0.0" for n in (re, im) for stage in (0, 1, 2)], 2),
            f"for s in range({t}.shape[0]):",
            "    for i in range(devices):",
            "        for l in range(lanes):",
            *indent(rotate, 3),
        ]
    if shape.noisy:
        names = equation.noisy or ()
        draw = []
        words = (len(names) + 1) // 2
        for n, name in enumerate(names):
            if n % 2 == 0:
                draw.append(f"word = word_at(starts[i, start + l], (first + k) * {words} + {n // 2})")
                draw.append(f"{rows.at(f'{name}_xi', 'i')} = normal_of(word) * per_root")
            else:
                draw.append(f"{rows.at(f'{name}_xi', 'i')} = normal_of(turned(word)) * per_root")
        out += _each(draw)
    return out


def source(equation: Equation, shape: Shape) -> str:
    """Python source of a module with the function ``kernel``."""
    rows = _Rows(equation, shape)
    functions = {"rhs": equation.rhs}
    if shape.noisy and equation.noise is not None:
        functions["noise"] = equation.noise
    if shape.coupled and equation.emits is not None:
        functions["emits"] = equation.emits
    arguments = ["y", "values", "shared", "place", "out", "status", "lo", "hi", "steps", "first", "every", "h"]
    for name in shape.sampled:
        arguments += [f"drive_{name}", f"drive_{name}_per", f"drive_{name}_linear"]
    arguments += [f"tone_{re}" for re, _ in shape.tones]
    if shape.noisy:
        arguments.append("starts")
    if shape.coupled:
        arguments += ["coupling_re", "coupling_im"]
    states, at = equation.states, rows.at
    load = [f"{at(n, 'i')} = y[{k}, i, start + l]" for k, n in enumerate(states)]
    for k, n in enumerate((*equation.parameters, *equation.inputs)):  # a number for all, or a row of values
        load.append(f"{at(n, 'i')} = values[place[{k}], i, start + l] if place[{k}] >= 0 else shared[{k}]")
    write = [f"out[record, {k}, i, start + l] = {at(n, 'i')}" for k, n in enumerate(states)]
    keep = [f"y[{k}, i, start + l] = {at(n, 'i')}" for k, n in enumerate(states)]
    size = " + ".join(f"abs({at(n, 'i')})" for n in states)
    look = [
        f"if not {size} < 1e150:",
        "    status[0], status[1], status[2] = k + 1, i, start + l",
        "    return",
    ]
    step = _staged(equation, shape, rows) if shape.coupled else _fused(equation, shape, rows)
    phasors = [f"ph_{re} = np.empty((tone_{re}.shape[0], devices, 4, B))" for re, _ in shape.tones]
    inner = [
        *_before_step(equation, shape, rows),
        *step,
        "if (k + 1) % every == 0:",
        "    record = (k + 1) // every",
        *indent(_each(write)),
        f"if (k + 1) % {CHECK} == 0 or k + 1 == steps:",
        *indent(_each(look)),
    ]
    body = [
        f"B = {BLOCK}",
        f"R = {len(rows)} * B",
        "devices = y.shape[1]",
        *(["couplings = coupling_re.shape[2]"] if shape.coupled else []),
        *(["per_root = 1.0 / sqrt(h)"] if shape.noisy else []),
        "w = np.empty(devices * R)",
        *phasors,
        "start = lo",
        "while start < hi:",
        "    lanes = min(B, hi - start)",
        *indent(_each(load)),
        "    record = 0",
        *indent(_each(write)),
        "    for k in range(steps):",
        *indent(inner, 2),
        *indent(_each(keep)),
        "    start += B",
    ]
    head = [
        f'"""Generated from the equation {equation.name!r}: {shape}."""',
        "import numpy as np",
        "from numba import njit",
    ]
    if shape.noisy:
        head.append("from nanoneurons.core.random import normal_of, turned, word_at")
    signature = f"def kernel({', '.join(arguments)}):"
    jit = '@njit(error_model="numpy", fastmath={"contract", "nsz"}'
    return "\n".join(
        [
            *head,
            ops.SCALAR_SOURCE,
            *functions_source(functions, jit + ")"),
            f"\n{jit}, nogil=True, cache=True, boundscheck=False)",
            signature,
            *indent(body),
            "",
        ]
    )


def functions_source(named: dict[str, Callable[..., Any]], jit: str) -> list[str]:
    """Sources of functions and of all they use, dependencies first."""
    parts: dict[str, str] = {}

    def take(name: str, function: Callable[..., Any]) -> None:
        for inner, value in globals_used(function).items():
            if isinstance(value, (int, float)):
                parts.setdefault(inner, f"{inner} = {value!r}\n")
            elif inner not in parts:
                take(inner, value)
        try:
            text = textwrap.dedent(inspect.getsource(function))
        except OSError as error:
            raise TypeError(
                f"the source of {function.__name__} cannot be read, so it cannot be compiled; write it into a file, "
                "or use engine 'torch'"
            ) from error
        if not text.startswith("def "):
            raise TypeError(f"{function.__name__} must be an undecorated function defined with def at module level")
        text = text.replace(f"def {function.__name__}(", f"def {name}(", 1)
        parts[name] = f"\n{jit}\n{text}"

    for name, function in named.items():
        take(name, function)
    return list(parts.values())
