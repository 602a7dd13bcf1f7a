"""What a reproduction reports, from the results of its jobs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from nanoneurons.papers._paper import Quantity

from . import _drone, _energy
from ._network import IDEAL, build, rf_layers

__all__ = ["SINGLE", "accuracies", "energy_systems", "jobs", "levels_of", "quantities", "seeds_of"]

SINGLE = ("emission", "resonance", "gain")


def seeds_of(config: Any, spread: bool = False) -> range:
    """Numbers of the seeds; fewer of them have chips with spread."""
    return range(min(config.seeds, config.spread_seeds) if spread else config.seeds)


def levels_of(config: Any, kind: str) -> tuple[float, ...]:
    """Spreads at which a kind of non-ideality is simulated."""
    if kind in SINGLE:
        return config.single_levels
    return {"all": config.levels, _drone.SHARED: config.shared_levels, _drone.LIMITED: config.limited_levels}[kind]


def jobs(config: Any) -> list[str]:
    """``spread/<kind>/<level>/seed<n>``, ``plane/<layers>/seed<n>``, ``drone/<network>/seed<n>``."""
    found = [
        f"spread/{kind}/{level:g}/seed{s}"
        for s in seeds_of(config, True)
        for kind in ("all", _drone.LIMITED, _drone.SHARED, *SINGLE)
        for level in levels_of(config, kind)
    ]
    for s in seeds_of(config):
        found += [f"plane/two-layers/seed{s}", f"plane/one-layer/seed{s}"]
        found += [f"drone/ideal/seed{s}", f"drone/software/seed{s}"]
    return found


def accuracies(config: Any, results: dict[str, dict], kind: str, level: float, method: str) -> np.ndarray:
    """Test accuracy in percent, ``(seeds, chips)``."""
    return np.array([
        100 * np.array(results[f"spread/{kind}/{level:g}/seed{s}"]["test"][method]) for s in seeds_of(config, True)
    ])  # fmt: skip


def quantities(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """All rows."""
    return [*_drone_rows(config, results), *_spread_rows(config, results), *_plane_rows(config, results),
            *_energy_rows(config, results)]  # fmt: skip


def _row(name: str, values: Any, unit: str, note: str = "") -> Quantity:
    values = np.asarray(values, float)
    spread = float(values.std(ddof=1)) if len(values) > 1 else None
    return Quantity(name, float(values.mean()), spread, len(values), unit, note)


def curves(config: Any, results: dict[str, dict], kind: str) -> np.ndarray:
    """Test accuracy in percent after every epoch, ``(seeds, epochs)``."""
    return 100 * np.array([results[f"drone/{kind}/seed{s}"]["test"] for s in seeds_of(config)])


def _drone_rows(config: Any, results: dict[str, dict]) -> list[Quantity]:
    rows = []
    for kind, name in (("ideal", "network"), ("software", "perceptron")):
        curve = curves(config, results, kind)
        runs = [results[f"drone/{kind}/seed{s}"] for s in seeds_of(config)]
        trained = 100 * np.mean([r["train"] for r in runs])
        for epochs in (config.epochs, config.early):
            last = curve[:, epochs - config.averaged : epochs].mean(1)
            note = f"mean of epochs {epochs - config.averaged + 1} to {epochs}; seeds from {last.min():.1f} to "
            note += f"{last.max():.1f} %" + (f"; training set {trained:.2f} %" if epochs == config.epochs else "")
            label = "" if epochs == config.epochs else "-early"
            rows.append(_row(f"drone-{name}{label}", last, "%", note))
    runs = [results[f"drone/ideal/seed{s}"] for s in seeds_of(config)]
    note = f"processor time of {config.epochs} epochs on one core without the tests after every epoch"
    rows.append(_row("seconds-per-seed", [r["seconds"] for r in runs], "s", note))
    note = "r.m.s. of layer 1; the half linewidth is 1 %"
    rows.append(_row("learned-shift", [100 * r["shift"] for r in runs], "%", note))
    note = f"{np.mean([r['oscillating'] for r in runs]) * 100:.0f} % of them above threshold, test spectra"
    rows.append(_row("oscillator-current", [1e6 * r["mean_current"] for r in runs], "µA", note))
    return rows


_KINDS = {"all": "all-three", _drone.LIMITED: "all-three-limited-tuning", _drone.SHARED: "all-three-shared-positions"}
_SLUGS = {"software": "plain-blind", "tuned": "plain-tuned", "injected": "virtual-chips"}
_METHOD_NOTES = {
    "software": "plain training, written blind",
    "tuned": "plain training, every resonance measured and tuned to its place beside its own tone",
    "injected": "trained on virtual chips of the same spread, written blind",
    "ideal-twin": "chip forward, ideal twin backward, settings of the paper",
    "calibrated-twin": "chip forward, twin as measured backward, settings of the paper",
    "calibrated-tuned": "resonances tuned to plan, then chip forward and twin as measured backward",
}


def _spread_rows(config: Any, results: dict[str, dict]) -> list[Quantity]:
    """All three together at every level, each alone at its largest; the figure has the rest."""
    rows = []
    limited = f"; tuning by at most {100 * config.limited_tuning:g} %"
    extra = {_drone.LIMITED: limited, _drone.SHARED: "; one resonance deviation per position for all chains of a layer"}
    for kind in ("all", _drone.LIMITED, _drone.SHARED, *SINGLE):
        levels = levels_of(config, kind)
        for level in levels[-1:] if kind in SINGLE else levels:
            for method in _drone.methods_of(kind):
                found = accuracies(config, results, kind, level, method)
                note = _METHOD_NOTES[method] + extra.get(kind, "")
                note += f"; {found.size} chips from {found.min():.1f} to {found.max():.1f} %"
                rows.append(
                    _row(
                        f"{_KINDS.get(kind, kind)}-{100 * level:g}-percent-{_SLUGS.get(method, method)}",
                        found.mean(1),
                        "%",
                        note,
                    )
                )
    return rows


def _plane_rows(config: Any, results: dict[str, dict]) -> list[Quantity]:
    two = [results[f"plane/two-layers/seed{s}"] for s in seeds_of(config)]
    one = [results[f"plane/one-layer/seed{s}"] for s in seeds_of(config)]
    every = 100 * np.array([r["test"] for r in two])
    good = float((np.array([r["starts"] for r in two]) > 0.9).mean())
    rows = [
        _row("nine-junctions", every.mean(1), "%",
             f"{two[0]['junctions']} junctions; {every.size} chips from {every.min():.1f} to {every.max():.1f} %, "
             f"{config.plane_test_samples} new points; wiring, tones, regions, noise and sample counts assumed"),
        _row("nine-junctions-written", [100 * np.mean(r["written"]) for r in two], "%",
             "the same chips before their own training: trained in software, resonances measured and tuned"),
        _row("nine-junctions-ideal", [100 * r["software"] for r in two], "%",
             f"ideal devices; best of {config.plane_starts} starts on the training points, {100 * good:.0f} % of them "
             "find the band"),
        _row("one-layer", [100 * np.mean(r["test"]) for r in one], "%",
             f"{one[0]['junctions']} junctions, no hidden layer, trained in the same way"),
        _row("straight-line", [100 * r["half_plane"] for r in one], "%",
             "best straight line on the test points themselves: the limit of any network without hidden layer"),
        _row("nine-junctions-noise-limit", [100 * r["limit"] for r in two], "%",
             f"the true rule applied to the powers that arrive, {100 * config.plane_noise:g} % noise"),
    ]  # fmt: skip
    return rows


def energy_systems(config: Any, results: dict[str, dict]) -> list[_energy.System]:
    """Systems of the energy figure, with the mean powers over seeds."""
    chain = rf_layers(build(IDEAL, config.tuning, 0))[0].chain
    runs = [results[f"drone/ideal/seed{s}"] for s in seeds_of(config)]
    powers = {k: float(np.mean([r[k] for r in runs])) for k in ("line_power", "emitted_power", "oscillator_power")}
    return _energy.systems(powers, config, chain.band_low, chain.device.nominal_damping)


def _energy_rows(config: Any, results: dict[str, dict]) -> list[Quantity]:
    runs = [results[f"drone/ideal/seed{s}"] for s in seeds_of(config)]
    split = [_energy.network_power(r, config.amplifier_efficiency) for r in runs]
    without = [1e3 * sum(v for k, v in p.items() if k != "amplifiers") for p in split]
    causes = {
        "oscillators": "R I^2 of 128 oscillators, mean over test spectra",
        "synapses of layer 1": "power of the spectrum at each of 128 chains, every chain gets all of it",
        "synapses of layer 2": "power of 128 tones at each of 10 chains",
        "amplifiers": f"what amplifiers of efficiency {config.amplifier_efficiency:g} (unverified) waste to send it",
    }
    rows = [_row("power", without, "mW", "oscillators and synapses, amplifiers without loss as in the program")]
    rows += [
        _row("power-" + cause.replace(" of ", "-").replace(" ", "-"), [1e3 * p[cause] for p in split], "mW", note)
        for cause, note in causes.items()
    ]
    found = energy_systems(config, results)
    rows.append(Quantity("energy-projected", 1e12 * _energy.projection(), None, 1, "pJ",
                         f"projection: {_energy.SYNAPSES} synapses at 10 fJ, {_energy.NEURONS} neurons at 100 fJ, per "
                         "spectrum"))  # fmt: skip
    names = ("scaled", "fast", "settled", "asic-8-bit", "asic-float32", "radio-jetson", "radio-v100")
    for name, system in zip(names[1:], found[1:], strict=True):
        parts = ", ".join(f"{t.name} {1e9 * t.joule:.3g} nJ" for t in system.terms)
        rows.append(Quantity(f"energy-{name}", 1e9 * system.joule, None, 1, "nJ", f"per spectrum: {parts}"))
    settled = found[2].joule
    for name, system in zip(names[3:], found[3:], strict=True):
        note = f"{system.name} over this network with amplifiers, settled"
        rows.append(Quantity(f"orders-over-{name}", math.log10(system.joule / settled), None, 1, "orders", note))
    return rows
