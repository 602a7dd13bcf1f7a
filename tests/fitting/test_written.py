"""A fit becomes a device file, alone or on top of an earlier one."""

import numpy as np

from nanoneurons import devices, fitting
from nanoneurons.fitting import Estimate, Fit
from nanoneurons.measurements import NoiseSeries, Origin, Pulses


def a_fit(device, *estimates, **changes):
    values = {
        "name": "pulsed", "variant": "constant", "device": device, "estimates": estimates,
        "correlation": np.eye(len(estimates)), "fixed": {"step_shape": "chosen"}, "kept": {"read_time": "no data"},
        "notes": ("one outlier",), "log_likelihood": 0.0,
    }  # fmt: skip
    return Fit(**{**values, **changes})


def test_a_written_fit_loads_again(tmp_path):
    step = Estimate("pulse_step", 0.012, 0.011, 0.013, "log", 0.04)
    noise = Estimate("read_noise", 0.02, 0.018, 0.025, "log", 0.08)
    device = devices.get("pulsed", pulse_step=0.012, read_noise=0.02)
    origin = Origin("x.csv", "ab", 30, 28, {"G": "conductance in S"}, ("2 rows without a reading",))
    reading = np.zeros((2, 14))
    zero = np.zeros(2, int)
    data = Pulses(zero, ("a", "b"), reading=reading, pulses=reading.astype(int), cycle=zero, origin=origin)
    first = fitting.device_file(a_fit(device, step, noise, correlation=np.array([[1, 0.5], [0.5, 1]])), data)
    assert devices.load_file(first.write(tmp_path / "first.toml")) == first
    (source,) = first.origin
    assert (source.rows, source.used, source.devices, source.kind) == (30, 28, 2, "pulses")
    assert source.parameters == ("pulse_step", "read_noise") and first.notes == (*origin.notes, "one outlier")

    later = Estimate("read_noise", 0.019, 0.0185, 0.0196, "log", 0.01)
    noise_data = NoiseSeries(zero, ("a", "b"), reading=reading, time=reading, origin=Origin("noise.csv"))
    fit = a_fit(device.replace(read_noise=0.019), later, kept={"pulse_step": "noise does not tell it"}, variant="")
    both = fitting.device_file(fit, noise_data, first, date="2026-11-27", version="1.2")
    assert devices.load_file(both.write(tmp_path / "both.toml")) == both
    assert both.known["pulse_step"] == first.known["pulse_step"] and both.known["read_noise"].error == 0.01
    assert both.correlation == ((1.0, 0.0), (0.0, 1.0))
    assert dict(both.kept) == {"read_time": "no data"}, "the earlier reason stands"
    assert both.origin_of("pulse_step").file == "x.csv" and both.origin_of("read_noise").version == "1.2"
