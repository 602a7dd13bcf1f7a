"""``devices NAME --plot``: a population of one device as a figure."""

from __future__ import annotations

from pathlib import Path

from ._show import print_json, print_text

FORMATS = (".png", ".svg", ".pdf")


def plot_device(name: str | None, out: Path | None, count: int, seed: int, json: bool) -> None:
    """Simulate, draw and say where the figure is."""
    from rich.progress import Progress

    from nanoneurons import devices
    from nanoneurons.core.errors import ParameterError, RefusedError
    from nanoneurons.lab.device_figures import response_picture
    from nanoneurons.lab.drawing import save

    if name is None:
        raise ParameterError("--plot needs the name of a device; 'nanoneurons devices' lists them")
    target = out or Path(Path(name).stem.replace(":", "-") + ".png")
    if target.suffix.lower() not in FORMATS:
        raise ParameterError(f"--out {target} must end in {', '.join(FORMATS)}")
    if not target.parent.is_dir():
        raise ParameterError(f"--out {target}: the folder {target.parent} does not exist; make it first")
    device = devices.get(name)
    if isinstance(device, devices.OscillatorDevice):
        from nanoneurons.lab.current_sweep import current_sweep, sweep_picture

        with Progress(transient=True, disable=json) as bar:
            task = bar.add_task(f"{count} devices, 16 currents", total=1.0)
            sweep = current_sweep(
                device, devices=count, seed=seed, name=name, progress=lambda f: bar.update(task, completed=f)
            )
        picture = sweep_picture(sweep)
    elif isinstance(device, devices.MemoryDevice):
        from nanoneurons.lab.response import response

        found = response(device, seed)
        if found is None:
            raise RefusedError(f"{name} is not driven in pulses, so there is no response to pulses to draw")
        picture = response_picture({"response": found})
    elif isinstance(device, devices.ResonatorDevice):
        from nanoneurons.lab.resonances import resonance_lines, resonance_picture

        picture = resonance_picture(resonance_lines(device, count, seed), name)
    elif isinstance(device, devices.NeuronDevice):
        from nanoneurons.lab import neuron_traces

        shown = neuron_traces.behaviours(name) if ":" not in name and not name.endswith(".toml") else {}
        if shown:
            picture = neuron_traces.behaviours_picture(shown, name)
        else:
            picture = neuron_traces.neuron_picture(neuron_traces.neuron_traces(name, count, seed), name)
    else:
        raise RefusedError(
            f"there is no plot for a device of kind {device.kind!r} yet; oscillators, resonators, neurons and memories "
            "have one"
        )
    save(picture, target)
    if json:
        print_json({"device": name, "plot": str(target), "caption": picture.caption})
    else:
        print_text(f"{picture.caption}\n\nplot: {target}")
