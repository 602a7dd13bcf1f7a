r"""Why a Bayesian machine decided as it did: what each observation adds to each hypothesis, in bits.

.. math:: b_{iy} = \log_2 p(o_i \mid y) - \frac{1}{m} \sum_{y'} \log_2 p(o_i \mid y')

The bits of a hypothesis add up over observations, prior included; the difference of two sums is the logarithm of the
ratio of their probabilities.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

__all__ = ["Explanation"]

MOST_HYPOTHESES, MOST_OBSERVATIONS = 6, 16


@dataclass(frozen=True, eq=False)
class Explanation:
    """One decision, observation by observation; prints as a table.

    Attributes:
        hypotheses: names of the classes.
        decision: number of the class decided for.
        decided: False where the machine gave no answer and the prior decided.
        observations: name behind each column of the machine; ``prior`` where it has one.
        values: measured values, ``(columns,)``; NaN where missing, and for the prior.
        bins: bin of each value, ``(columns,)``; -1 where missing.
        bits: what each observation adds to each hypothesis, ``(columns, hypotheses)``; the mean over hypotheses is 0.
        excluded: where the stored likelihood is 0 (or the logarithm 255): the observation rules the hypothesis out.
            Its bits are those of half a step of 1/255 (or of 255 steps).
        counts: what the machine counted or summed for each hypothesis, ``(hypotheses,)``.
    """

    hypotheses: tuple[str, ...]
    decision: int
    decided: bool
    observations: tuple[str, ...]
    values: np.ndarray
    bins: np.ndarray
    bits: np.ndarray
    excluded: np.ndarray
    counts: np.ndarray

    @property
    def evidence(self) -> np.ndarray:
        """Sum of the bits of each hypothesis, ``(hypotheses,)``."""
        return self.bits.sum(0)

    @property
    def runner_up(self) -> int:
        """Number of the hypothesis with most evidence besides the one decided for (itself where it is the only one)."""
        others = np.where(np.arange(len(self.hypotheses)) == self.decision, -np.inf, self.evidence)
        return int(others.argmax())

    @property
    def over_runner_up(self) -> np.ndarray:
        """Bits by which each observation spoke for the decision rather than for the runner-up, ``(columns,)``."""
        return self.bits[:, self.decision] - self.bits[:, self.runner_up]

    def __str__(self) -> str:
        first, second = self.hypotheses[self.decision], self.hypotheses[self.runner_up]
        shown = list(range(len(self.hypotheses)))
        if len(shown) > MOST_HYPOTHESES:
            shown = sorted(shown, key=lambda y: (y != self.decision, -self.evidence[y]))[:MOST_HYPOTHESES]
        head = ["observation", "value", "bin", *(self.hypotheses[y] for y in shown), f"{first} over {second}"]
        rows = [head]
        order = np.argsort(-np.abs(self.bits).max(1), kind="stable")
        for i in order[:MOST_OBSERVATIONS]:
            missing = self.bins[i] < 0
            value = "missing" if missing else "" if np.isnan(self.values[i]) else f"{self.values[i]:.4g}"
            place = "" if missing or np.isnan(self.values[i]) else str(self.bins[i])
            marks = [f"{self.bits[i, y]:+.2f}{'!' if self.excluded[i, y] else ''}" for y in shown]
            rows.append([self.observations[i], value, place, *marks, f"{self.over_runner_up[i]:+.2f}"])
        rest = order[MOST_OBSERVATIONS:]
        if len(rest):
            added = [f"{self.bits[rest, y].sum():+.2f}" for y in shown]
            rows.append([f"{len(rest)} more", "", "", *added, f"{self.over_runner_up[rest].sum():+.2f}"])
        sums = [f"{self.evidence[y]:+.2f}" for y in shown]
        rows.append(["sum", "", "", *sums, f"{self.over_runner_up.sum():+.2f}"])
        rows.append(["counted", "", "", *(str(self.counts[y]) for y in shown), ""])
        widths = [max(len(row[k]) for row in rows) for k in range(len(head))]
        lines = [
            "  ".join(c.ljust(w) if k == 0 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True)))
            for row in rows
        ]
        title = f"decided for {first}" if self.decided else f"undecided, so the prior says {first}"
        notes = [f"{title}; bits relative to the mean over hypotheses"]
        if len(self.hypotheses) > len(shown):
            notes[0] += f" ({len(shown)} of {len(self.hypotheses)} shown)"
        if self.excluded.any():
            notes.append("! rules the hypothesis out; its bits are a lower bound")
        rule = "-" * len(lines[0])
        return "\n".join([notes[0], lines[0], rule, *lines[1:-2], rule, *lines[-2:], *notes[1:]])
