"""What the catalogues say about an entry, as plain data: for the tables, for ``--json`` and for the documentation."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import TYPE_CHECKING, Any

from . import _fitted

if TYPE_CHECKING:
    from nanoneurons.core.energy import Price
    from nanoneurons.core.parameter import Parameterized
    from nanoneurons.devices import Device

__all__ = [
    "device",
    "device_in_list",
    "device_names",
    "paper",
    "paper_names",
    "rule",
    "rule_names",
    "task",
    "task_names",
]


def device_names() -> list[str]:
    """Every device and every preset, as ``name`` and ``name:preset``."""
    from nanoneurons import devices

    return [spec for name in devices.catalogue for spec in (name, *(f"{name}:{p}" for p in devices.presets(name)))]


def device(spec: str) -> dict[str, Any]:
    """A device with the parameter values of `spec`: a name, ``name:preset`` or a device file."""
    from nanoneurons import devices

    return device_in_list(spec) | _firing(devices.get(spec))


def device_in_list(spec: str) -> dict[str, Any]:
    """The same without what has to be simulated first."""
    from nanoneurons import devices

    made = devices.get(spec)
    name, _, preset = ("", "", "") if spec.endswith(".toml") else spec.partition(":")
    about = devices.presets(name).get(preset, {})
    return {
        "name": spec,
        "kind": made.kind,
        "title": about.get("title", type(made).title),
        "family": type(made).__name__,
        "summary": _first_line(type(made)),
        "not_modelled": made.not_modelled,
        "drive_unit": made.drive_unit,
        "read_unit": made.read_unit,
        **_memory(made),
        **_oscillation(made),
        **_resonance(made),
        "imperfections": [i.name for i in made.imperfections()],
        "identified": _fitted.identified(made),
        "parameters": _fitted.fitted_parameters(spec, _parameters(made, about)),
        "tables": dict(made.tables()),
        "presets": [] if preset or not name else [f"{name}:{p}" for p in devices.presets(name)],
        "prices": _prices(made.prices()),
        "source": about.get("source", ""),
        "notes": about.get("notes", ""),
        "citation": made.citation,
        **_fitted.of_file(spec),
    }


def _memory(made: Device) -> dict[str, Any]:
    """What only memory devices have; None for others, so that every entry has the same keys."""
    from nanoneurons.devices import MemoryDevice

    if not isinstance(made, MemoryDevice):
        return dict.fromkeys(("directions", "graded", "default_rule", "conductance_range"))
    low, high = made.conductance_range()
    return {
        "directions": list(made.directions),
        "graded": made.graded,
        "default_rule": made.default_rule,
        "conductance_range": {"low": low, "high": high, "unit": "S"},
    }


def _oscillation(made: Device) -> dict[str, Any]:
    """What an oscillator does at its default current; nothing for other devices."""
    import torch

    from nanoneurons.devices import OscillatorDevice

    if not isinstance(made, OscillatorDevice):
        return {}
    low, high = made.current_range()
    at = torch.tensor(made.default_current, dtype=torch.float64)
    forms = {"frequency": "Hz", "amplitude": "V", "linewidth": "Hz", "relaxation_time": "s"}
    values = {name: float(getattr(made, name)(at)) for name in forms}
    return {
        "threshold_current": {"value": made.threshold_current(), "unit": "A"},
        "current_range": {"low": low, "high": high, "unit": "A"},
        "default_current": {"value": made.default_current, "unit": "A"},
        "at_default_current": {  # JSON has no NaN: a linewidth without a closed form is null
            name: {"value": values[name] if math.isfinite(values[name]) else None, "unit": unit}
            for name, unit in forms.items()
        },
    }


def _resonance(made: Device) -> dict[str, Any]:
    """What a resonator does with a tone, nominally; nothing for other devices."""
    import torch

    from nanoneurons.core.random import generator_for
    from nanoneurons.devices import ResonatorDevice

    if not isinstance(made, ResonatorDevice):
        return {}
    ideal = made.ideal()
    centre = float(ideal.resonance(ideal.init((1,), generator_for(0))))
    low, high = made.frequency_range()
    half, noise = made.nominal_damping * centre, made.noise_voltage()
    # the smallest power whose voltage equals the noise, on a detector that may bend
    power = torch.logspace(-18, 0, 3601, dtype=torch.float64)
    heard = made.nominal_sensitivity * made.detected(power) >= noise
    found = {
        "linewidth": (2 * half, "Hz"),
        "settling_time": (1 / (2 * math.pi * half), "s"),
        "sensitivity": (made.nominal_sensitivity, "V/W"),
        "noise_of_a_reading": (noise, "V"),
        "power_as_large_as_noise": (float(power[heard][0]) if noise and bool(heard.any()) else None, "W"),
    }
    return {
        "default_rule": made.default_rule,
        "resonance": {"value": centre, "unit": "Hz"},
        "frequency_range": {"low": low, "high": high, "unit": "Hz"},
        "tuning_range": {"value": made.tuning_range, "unit": "1"},
        "at_resonance": {name: {"value": value, "unit": unit} for name, (value, unit) in found.items()},
    }


def _firing(made: Device) -> dict[str, Any]:
    """What a neuron does at its default drive, nominally, by simulation; nothing for other devices."""
    import torch

    from nanoneurons.devices import NeuronDevice
    from nanoneurons.lab.neuron_traces import firing_rates

    if not isinstance(made, NeuronDevice):
        return {}
    limits = made.time_constants()
    shortest = min(limits, key=lambda key: limits[key], default=None)
    rate = firing_rates(made.ideal(), torch.tensor([made.default_drive]), 1, 0)
    return {
        "threshold_drive": {"value": made.threshold_drive(), "unit": made.drive_unit},
        "default_drive": {"value": made.default_drive, "unit": made.drive_unit},
        "rate_at_default_drive": {"value": float(rate), "unit": "Hz"},
        "default_step": {"value": made.default_step, "unit": "s"},
        "longest_step": None if shortest is None
        else {"value": limits[shortest], "unit": "s", "parameter": shortest},
    }  # fmt: skip


def rule_names() -> list[str]:
    """Every learning rule."""
    from nanoneurons import learning

    return list(learning.catalogue)


def rule(name: str) -> dict[str, Any]:
    """A learning rule with its default hyper-parameters."""
    from nanoneurons import learning

    made = learning.catalogue[name]()
    return {
        "name": name,
        "title": made.title,
        "summary": _first_line(type(made)),
        "trains": made.trains,
        "local": made.local,
        # What only rules for layers have is None for others, so that every entry has the same keys.
        "in_situ": getattr(made, "in_situ", None),
        "layers": list(made.layers) if hasattr(made, "layers") else None,
        **{name: getattr(made, name, None) for name in ("default_epochs", "default_batch", "default_updates")},
        "parameters": _parameters(made, {}),
        "citation": made.citation,
    }


def task_names() -> list[str]:
    """Every data set."""
    from nanoneurons import data

    return list(data.catalogue)


def task(name: str) -> dict[str, Any]:
    """A data set, from its declaration; nothing is loaded."""
    from nanoneurons import data

    source = data.catalogue[name]
    train, test = source.sizes
    series: Any = source if source.kind == "series" else None
    return {
        "name": f"{name}:PATH" if source.takes_path else name,
        "kind": source.kind,
        "title": source.title,
        "summary": _first_line(source),
        "description": inspect.getdoc(source) or "",
        "shape": list(source.shape),
        "classes": source.classes,
        "train": train,
        "test": test,
        "embedded": source.embedded,
        "variants": dict(source.variants),
        "licence": source.licence,
        "downloads": [download.name for download in source.downloads],
        "parameters": _parameters(series(), {}) if series else [],
        "citation": source.citation,
    }


def paper_names() -> list[str]:
    """Every published work that can be reproduced."""
    from nanoneurons import papers

    return list(papers.catalogue)


def paper(key: str) -> dict[str, Any]:
    """A published work: its title, settings and published numbers."""
    from nanoneurons import papers

    module = papers.experiment(key)
    config: Any = module.Config()
    settings = config.model_dump() if hasattr(config, "model_dump") else dataclasses.asdict(config)
    quantities = [
        {
            "quantity": entry.id,
            "title": entry.title,
            "published": entry.published,
            "verified": entry.verified,
            "where": entry.where,
            "tolerance": entry.tolerance,
            "reason": entry.reason,
        }
        for entry in papers.load_published(key).values()
    ]
    return {
        "name": key,
        "title": module.TITLE,
        "summary": (module.__doc__ or "").partition("\n")[0],
        "config": settings,
        "quantities": quantities,
        "citation": module.CITATION,
    }


def _first_line(cls: type) -> str:
    return (inspect.getdoc(cls) or "").partition("\n")[0]


def _parameters(made: Parameterized, about: dict[str, Any]) -> list[dict[str, Any]]:
    """Declared parameters with the values of `made`; a preset's own values have the preset's source."""
    found: list[dict[str, Any]] = []
    for p in made.parameters():
        of_preset = p.name in about
        found.append(
            {
                "name": p.name,
                "value": getattr(made, p.name),
                "unit": p.unit,
                "low": p.low,
                "high": p.high,
                "choices": list(p.choices) if p.choices else None,
                "doc": p.doc,
                "source": about.get("source", p.source) if of_preset else p.source,
                "verified": bool(about.get("verified", True)) if of_preset else p.verified,
                "imperfection": p.imperfection,
                "ideal": p.ideal,
            }
        )
    return found


def _prices(prices: Any) -> list[dict[str, Any]]:
    declared: dict[str, Price] = dict(prices)
    return [
        {"event": event, "joule": p.joule, "source": p.source, "node": p.node, "verified": p.verified}
        for event, p in declared.items()
    ]
