"""Do the 95 % intervals of a fit hold the truth in 95 % of simulated measurement campaigns? One device a call.

``benchmarks/recovery/NAME.py`` holds ``VARIANTS`` and ``campaign(seed, variant) -> (truth, data, base, variant)``: a
device drawn at random, measurements simulated with it, the device the fit starts from, the variant to fit. Every
campaign is one line of ``OUT/NAME.jsonl``; started again, only what is missing is run.

    python benchmarks/fit_recovery.py pulsed --campaigns 200 --workers 2
"""

from __future__ import annotations

import argparse
import importlib
import json
import math
import sys
import time
import traceback
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))


def one(name: str, variant: str, seed: int) -> dict:
    """Simulate and fit one campaign; returns a row."""
    from nanoneurons.fitting import catalogue
    from nanoneurons.lab.runner import one_thread

    row: dict = {"variant": variant, "seed": seed}
    begin = time.perf_counter()
    try:
        truth, data, base, fitted = importlib.import_module(f"recovery.{name}").campaign(seed, variant)
        begin = time.perf_counter()
        with one_thread():
            found = catalogue[name.replace("_", "-")]().fit(data, base, fitted)
        row["estimates"] = {
            e.name: [_number(getattr(truth, e.name)), e.value, e.low, e.high, e.scale, e.error] for e in found.estimates
        }
        choices = (p.name for p in truth.parameters() if p.choices is not None)
        row["choices"] = {n: [getattr(truth, n), getattr(found.device, n)] for n in choices}
        row["kept"], row["fixed"], row["notes"] = dict(found.kept), dict(found.fixed), list(found.notes)
        row["outliers"] = 0 if found.outliers is None else int(found.outliers.sum())
        row["readings"] = int(data.reading.size) if hasattr(data, "reading") else 0
    except Exception as error:  # a campaign that fails is a result
        row["error"] = f"{type(error).__name__}: {error}"
        row["trace"] = traceback.format_exc().splitlines()[-6:]
    row["seconds"] = round(time.perf_counter() - begin, 3)
    return row


def _number(value):
    return value if isinstance(value, str) else float(value)


def share_interval(found: int, of: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, found, of - found + 1)) if found else 0.0
    return low, float(beta.ppf(0.975, found + 1, of - found)) if found < of else 1.0


def summarise(rows: list[dict]) -> dict[str, dict]:
    """Coverage, bias and width of every estimated parameter."""
    import numpy as np

    names = dict.fromkeys(n for r in rows for n in r.get("estimates", {}))
    out = {}
    for name in names:
        e = [r["estimates"][name] for r in rows if name in r.get("estimates", {})]
        truth, value, low, high = (np.array([x[k] for x in e], dtype=float) for k in range(4))
        hit = int(((low <= truth) & (truth <= high)).sum())
        scale, error = [x[4] for x in e], np.array([x[5] for x in e], dtype=float)
        away = np.array([_distance(s, t, v) for s, t, v in zip(scale, truth, value, strict=True)])
        with np.errstate(all="ignore"):
            z, relative = away / error, (value - truth) / np.abs(truth)
            width = (high - low) / np.abs(truth)
        z = z[np.isfinite(z)]
        a, b = share_interval(hit, len(e))
        out[name] = {
            "truth": [float(truth.min()), float(truth.max())], "campaigns": len(e), "coverage": hit / len(e),
            "coverage_low": a, "coverage_high": b,
            "bias_percent": 100 * float(np.median(relative)) if np.isfinite(relative).all() else None,
            "bias_errors": float(z.mean()) if len(z) else None, "spread_errors": float(z.std()) if len(z) else None,
            "width": float(np.median(width)) if np.isfinite(width).all() else None,
        }  # fmt: skip
    return out


def _distance(scale: str, truth: float, value: float) -> float:
    if scale == "log" and truth * value > 0:
        return math.log(value / truth)
    if scale == "logit" and 0 < truth < 1 and 0 < value < 1:
        return math.log(value / (1 - value)) - math.log(truth / (1 - truth))
    return value - truth


def show(name: str, rows: list[dict]) -> dict:
    """Print one table per variant; returns the numbers."""
    import numpy as np

    found = {}
    for variant in dict.fromkeys(r["variant"] for r in rows):
        of = [r for r in rows if r["variant"] == variant]
        failed = [r for r in of if "error" in r]
        seconds = np.median([r["seconds"] for r in of])
        print(f"\n{name} {variant}: {len(of)} campaigns, {len(failed)} failed, {seconds:.2f} s a fit")
        for r in failed[:3]:
            print(f"  seed {r['seed']}: {r['error']}")
        table = summarise(of)
        print(f"  {'parameter':18s} {'truth':>21s} {'n':>4s} {'coverage':>8s} {'(its 95 %)':>13s}  bias: {'%':>6s} "
              f"{'errors':>6s}  {'sd':>4s} {'width':>6s}")  # fmt: skip
        for key, c in table.items():
            truth = f"{c['truth'][0]:.4g} to {c['truth'][1]:.4g}"
            bias, errors, sd, width = (c[k] for k in ("bias_percent", "bias_errors", "spread_errors", "width"))
            cells = [f"{x:6.2f}" if x is not None else "     -" for x in (bias, errors, sd, width)]
            flag = "" if 0.92 <= c["coverage"] <= 0.98 else " <"
            share = f"{100 * c['coverage']:7.1f}% ({100 * c['coverage_low']:4.1f} to {100 * c['coverage_high']:5.1f})"
            print(f"  {key:18s} {truth:>21s} {c['campaigns']:4d} {share}  {' '.join(cells)}{flag}")
        choices = [(n, *pair) for r in of for n, pair in r.get("choices", {}).items()]
        for n in dict.fromkeys(c[0] for c in choices):
            right = [a == b for m, a, b in choices if m == n]
            if not all(right):
                print(f"  {n}: chosen as in truth in {100 * np.mean(right):.1f} %")
        lost = sum(r.get("outliers", 0) for r in of) / max(sum(r.get("readings", 0) for r in of), 1)
        print(f"  readings set aside: {100 * lost:.4f} %")
        found[variant] = table
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name")
    parser.add_argument("--campaigns", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--variants", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("recovery-results"))
    given = parser.parse_args()
    name = given.name.replace("-", "_")
    variants = given.variants or list(importlib.import_module(f"recovery.{name}").VARIANTS)
    given.out.mkdir(parents=True, exist_ok=True)
    path = given.out / f"{name}.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    done = {(r["variant"], r["seed"]) for r in rows}
    wanted = [(v, given.seed + k) for k in range(given.campaigns) for v in variants]
    todo = [job for job in wanted if job not in done]
    with ProcessPoolExecutor(given.workers) as pool, path.open("a") as out:
        for job in as_completed([pool.submit(one, name, *job) for job in todo]):
            rows.append(job.result())
            out.write(json.dumps(rows[-1]) + "\n")
            out.flush()
    chosen = sorted(
        (r for r in rows if (r["variant"], r["seed"]) in set(wanted)), key=lambda r: (r["variant"], r["seed"])
    )
    table = show(name, chosen)
    (given.out / f"{name}.json").write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
