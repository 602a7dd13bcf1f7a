"""Energy per event of the Bayesian machine's logic, from its hardware description and an open 130 nm cell library.

    python scripts/gate_energy.py sg13g2_stdcell_typ_1p20V_25C.lib bayesian_blocks.sv

The library is IHP's SG13G2 (github.com/IHP-GmbH/IHP-Open-PDK, Apache-2.0), the blocks are those of the exported
hardware. Yosys maps each block to cells. The cells are then fed with the bits that the machine itself makes, and
every change of an output is paid: the library's internal energy (input slope 97 ps, mean of both edges and of all
causes) and half of C V^2 of the pins it drives. Not counted: glitches, wires beyond the library's smallest, the tree of
the clock, leakage.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from nanoneurons.circuits._lfsr import comparator, sequence, spread_seeds

VOLTAGE, SLOPE = 1.2, 0.0966  # V, ns
WIRE = 0.0001 * 6.43  # pF per driven pin: wire load 0_1k of the library
FLIP_FLOP = "sg13g2_dfrbpq_1"

# what stands before the registers of three blocks that have some
COMBINATIONAL = """
module bayesian_lfsr_next(input wire [7:0] state, output wire [7:0] next);
  assign next = {state[6:0], state[7] ^ state[5] ^ state[4] ^ state[3]};
endmodule
module bayesian_counter_next(input wire [7:0] count, input wire step, output wire [7:0] next);
  assign next = step ? count + 8'd1 : count;
endmodule
module bayesian_shifter_next(input wire first, input wire [7:0] sum, kept, output wire [7:0] next);
  wire [7:0] now = first ? sum : kept;
  assign next = {now[6:0], now[7]};
endmodule
"""


def body(text: str, start: int) -> str:
    """What stands between the next brace and the one that closes it."""
    first = text.index("{", start)
    depth = 0
    for at in range(first, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[first + 1 : at]
    raise ValueError("a brace is not closed")


def groups(text: str, kind: str) -> list[tuple[str, str]]:
    """Names and bodies of all groups of a kind, whatever they lie in."""
    return [(m.group(1), body(text, m.start())) for m in re.finditer(rf"\b{kind}\s*\(([^)]*)\)\s*{{", text)]


def energy(table: str, load: float) -> float:
    """Value of a power table in pJ at the usual slope and a load in pF."""
    axes = [np.array(m.split(","), float) for m in re.findall(r'index_\d \("([^"]*)"\)', table)]
    text = re.search(r"values \((.*?)\);", table, re.S).group(1)
    values = np.array([row.split(",") for row in re.findall(r'"([^"]*)"', text)], float)
    if not axes:
        return float(values.squeeze())
    if len(axes) == 1:
        return float(np.interp(SLOPE, axes[0], values.ravel()))
    return float(np.interp(load, axes[1], [np.interp(SLOPE, axes[0], column) for column in values.T]))


class Library:
    """Cells of a Liberty file: pins, functions, capacitances in pF, energies in pJ."""

    def __init__(self, path: Path) -> None:
        self.cells = {}
        for name, content in groups(path.read_text(), "cell"):
            pins = {}
            for pin, text in groups(content, "pin"):
                found = {
                    key: re.search(rf'\b{key} : "?([^";]+)', text) for key in ("direction", "capacitance", "function")
                }
                pins[pin] = {key: match and match.group(1) for key, match in found.items()} | {"text": text}
            self.cells[name] = pins

    def capacitance(self, cell: str, pin: str) -> float:
        return float(self.cells[cell][pin]["capacitance"])

    def internal(
        self, cell: str, pin: str, load: float = 0.0, edges: tuple[str, ...] = ("rise", "fall")
    ) -> dict[str, float]:
        """Energies of a pin's changes in pJ, mean of the edges, by state of the others; resetting is left out."""
        found = {}
        for _, text in groups(self.cells[cell][pin]["text"], "internal_power"):
            state, cause = (re.search(rf'{word} : "([^"]*)"', text) for word in ("when", "related_pin"))
            resets = (cause and cause.group(1) == "RESET_B") or (state and "!RESET_B" in state.group(1))
            if resets:
                continue
            values = [energy(t, load) for edge in edges for _, t in groups(text, f"{edge}_power")]
            found[f"{cause and cause.group(1)} {state and state.group(1)}"] = float(np.mean(values))
        return found


class Block:
    """A block mapped to cells, to be fed with bits."""

    def __init__(self, library: Library, liberty: Path, source: Path, name: str, parameters: str = "") -> None:
        self.library = library
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "block.json"
            more = Path(folder) / "more.v"
            more.write_text("`default_nettype wire\n" + COMBINATIONAL)
            steps = (
                f"read_verilog -sv {source}; read_verilog -sv {more}; hierarchy -top {name} {parameters}; proc; opt; "
            )
            steps += f"techmap; opt; flatten; abc -liberty {liberty}; opt_clean; write_json {out}"
            subprocess.run(["yosys", "-q", "-p", steps], check=True)
            (self.module,) = [m for m in json.loads(out.read_text())["modules"].values() if "top" in m["attributes"]]
        self.cells = self.module["cells"]

    def run(self, **inputs: np.ndarray) -> tuple[dict[str, np.ndarray], float]:
        """Outputs for inputs ``(steps, bits)``, and fJ per step: means over the changes from step to step."""
        load: dict[object, float] = {}
        nets: dict[object, np.ndarray] = {}
        ports = self.module["ports"]
        for cell in self.cells.values():
            for pin, (net,) in cell["connections"].items():
                if self.library.cells[cell["type"]][pin]["direction"] == "input":
                    load[net] = load.get(net, 0.0) + self.library.capacitance(cell["type"], pin) + WIRE
        for name, port in ports.items():
            for k, net in enumerate(port["bits"]):
                if port["direction"] == "input":
                    nets[net] = inputs[name][:, k]
                else:
                    load[net] = load.get(net, 0.0) + self.library.capacitance(FLIP_FLOP, "D") + WIRE
        changes = {net: float(np.mean(bits[1:] != bits[:-1])) for net, bits in nets.items()}
        total = sum(0.5 * load.get(net, 0.0) * VOLTAGE**2 * share for net, share in changes.items())
        waiting = list(self.cells.values())
        while waiting:
            cell = next(c for c in waiting if all(n in nets for n in self._inputs(c).values()))
            waiting.remove(cell)
            values = {pin: nets[net] for pin, net in self._inputs(cell).items()}
            for pin, (net,) in cell["connections"].items():
                told = self.library.cells[cell["type"]][pin]
                if told["direction"] == "output":
                    formula = re.sub(
                        r"(\w+)", r'v["\1"]', told["function"].replace("!", "~").replace("*", "&").replace("+", "|")
                    )
                    nets[net] = bits = eval(formula, {"v": values})
                    each = (
                        np.mean(list(self.library.internal(cell["type"], pin, load.get(net, 0.0)).values()))
                        + 0.5 * load.get(net, 0.0) * VOLTAGE**2
                    )
                    total += each * float(np.mean(bits[1:] != bits[:-1]))
        steps = len(next(iter(inputs.values())))
        constant = {"0": np.zeros(steps, bool), "1": np.ones(steps, bool)}
        outputs = {
            name: np.stack([(constant | nets)[net] for net in port["bits"]], 1)
            for name, port in ports.items() if port["direction"] == "output"
        }  # fmt: skip
        return outputs, 1e3 * total

    def _inputs(self, cell: dict) -> dict[str, object]:
        told = self.library.cells[cell["type"]]
        return {pin: net for pin, (net,) in cell["connections"].items() if told[pin]["direction"] == "input"}


def bits(numbers: np.ndarray, width: int = 8) -> np.ndarray:
    return (np.asarray(numbers)[:, None] >> np.arange(width) & 1).astype(bool)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("liberty", type=Path)
    parser.add_argument("blocks", type=Path)
    given = parser.parse_args()
    library = Library(given.liberty)
    rng = np.random.default_rng(0)
    once = sequence(1, 256)

    def clock(edge: str, *states: str) -> float:
        told = library.internal(FLIP_FLOP, "CLK", edges=(edge,))
        return 1e3 * float(np.mean([told[f"None ({state})"] for state in states]))

    kept = ("D * RESET_B * Q", "!D * RESET_B * !Q")
    pin = 1e3 * (library.capacitance(FLIP_FLOP, "CLK") + WIRE) * VOLTAGE**2
    still = clock("rise", *kept) + clock("fall", *kept) + pin
    change = clock("fall", "D * RESET_B * !Q", "!D * RESET_B * Q") - clock("rise", *kept) - clock("fall", *kept)
    change += (
        1e3 * np.mean(list(library.internal(FLIP_FLOP, "Q", 0.006).values()))
        + 1e3 * library.internal(FLIP_FLOP, "D")["None CLK"]
    )
    print(f"flip-flop, a cycle: {still:.1f} fJ; a change of its bit: {change:.1f} fJ more")

    def block(name: str, parameters: str = "") -> Block:
        return Block(library, given.liberty, given.blocks, f"bayesian_{name}", parameters)

    def told(event: str, found: Block, gates: float, changes: float = 0.0, more: str = "") -> None:
        print(
            f"{event}: {gates + changes * change:.1f} fJ, of which {gates:.2f} in {len(found.cells)} cells and the "
            f"rest in {changes:.3f} bits that change{more}"
        )

    def moved(numbers: np.ndarray) -> float:
        return float((bits(numbers)[1:] != bits(numbers)[:-1]).sum(1).mean())

    feedback = block("lfsr_next")
    told("random number", feedback, feedback.run(state=bits(once))[1], moved(once))

    compare = block("comparator")
    each = []
    for word in range(256):
        out, gates = compare.run(word=np.repeat(bits(np.array([word])), 256, 0), random=bits(once))
        assert (out["out"][:, 0] == comparator(word, once)).all()
        each.append(gates)
    told("comparison", compare, float(np.mean(each)), 0.0, f", {min(each):.1f} to {max(each):.1f} by word")

    row, increment = block("row", "-chparam COLUMNS 6"), block("counter_next")
    products, counted, changed, ones = [], 0.0, 0, 0
    for trial in range(200):
        words = rng.integers(0, 256, 6) if trial % 2 else np.maximum(*rng.integers(0, 256, (2, 6)))
        seen = np.stack([comparator(int(w), sequence(s)) for w, s in zip(words, spread_seeds(6), strict=True)], 1)
        out, gates = row.run(bits=seen, absent=np.zeros_like(seen))
        products.append(gates / 6)
        counts = np.concatenate([[0], np.cumsum(out["out"][:, 0])])[:-1]
        counted += 254 * increment.run(count=bits(counts), step=out["out"])[1]
        changed += int((bits(counts)[1:] != bits(counts)[:-1]).sum())
        ones += int(out["out"].sum())
    told("and, of six in a row", row, float(np.mean(products)), 0.0, f", {max(products):.1f} at most")
    told("count", increment, counted / ones, changed / ones)

    a, b = rng.integers(0, 256, (2, 4001))
    adder = block("adder")
    out, gates = adder.run(a=bits(a), b=bits(b))
    assert ((out["sum"] * (1 << np.arange(8))).sum(1) == np.minimum(a + b, 255)).all()
    told("addition", adder, gates)
    largest = block("largest", "-chparam ROWS 2 -chparam WINNER 1")
    told("selection", largest, largest.run(counts=np.concatenate([bits(a), bits(b)], 1))[1])

    cycle = np.arange(8 * 500) % 8
    sums = np.repeat(rng.integers(0, 256, 500), 8)
    kept_bits = ((sums << cycle) | (sums >> (8 - cycle))) & 255
    shifter = block("shifter_next")
    gates = shifter.run(first=(cycle == 0)[:, None], sum=bits(sums), kept=bits(kept_bits))[1]
    told("shift", shifter, gates, moved(kept_bits))


if __name__ == "__main__":
    main()
