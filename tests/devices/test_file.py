"""Device files: an exact round trip, draws that follow the intervals, and one clear line for every mistake."""

import math
import re
import struct

import pytest
import torch
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from nanoneurons import devices
from nanoneurons.core.errors import DataError, NanoneuronsError, ParameterError, UnknownNameError
from nanoneurons.core.random import generator_for
from nanoneurons.core.units import quantity
from nanoneurons.devices import DeviceFile, Provenance, Uncertainty

ORIGIN = Provenance(
    file='weird "name" µ\x7f.csv', sha256="ab" * 32, date="2026-11-27", rows=1200, used=1180, devices=24,
    kind="pulses", variant="soft-bounds", version="0.1", columns={"G (uS)": "conductance in uS", "n": "pulse number"},
)  # fmt: skip


def bits(value):
    return struct.pack("d", value) if isinstance(value, float) else value


def pulsed_file(**changes):
    device = devices.get("pulsed", step_shape="soft-bounds", pulse_step=0.0123, zero_conductance=2.7e-05)
    known = {
        "pulse_step": Uncertainty(0.0111, 0.0136, "log", 0.052),
        "zero_conductance": Uncertainty(2.5e-05, 2.9e-05, "linear", 1e-06),
        "cycle_spread": Uncertainty(0.25, 0.37, "log", 0.1),
        "stuck_share": Uncertainty(0.0, 0.07, "logit", 1.0),
    }
    values = {
        "name": "pulsed", "device": device, "known": known, "origin": (ORIGIN,),
        "correlation": ((1.0, 0.3, 0.0, 0.0), (0.3, 1.0, -0.1, 0.0), (0.0, -0.1, 1.0, 0.0), (0.0, 0.0, 0.0, 1.0)),
        "fixed": {"step_shape": "the family that predicts best"}, "kept": {"read_voltage": "no data\ntell it"},
        "notes": ("one device of 24 is stuck",),
    }  # fmt: skip
    return DeviceFile(**{**values, **changes})


def test_all_that_a_file_says_comes_back(tmp_path):
    file = pulsed_file()
    path = file.write(tmp_path / "mine.toml")
    assert devices.load_file(path) == file
    assert devices.get(str(path)) == file.device
    assert devices.load_file(path).to_toml() == path.read_text(encoding="utf-8")
    two = pulsed_file(origin=(ORIGIN, Provenance(file="noise.csv", parameters=("read_noise",))))
    assert devices.load_file(two.write(tmp_path / "two.toml")) == two


def numbers(declared):
    low = -1e30 if declared.low is None else declared.low
    high = 1e30 if declared.high is None else declared.high
    if declared.integer:
        return st.integers(math.ceil(low), math.floor(min(high, 2**53)))
    return st.floats(low, high, allow_nan=False, allow_infinity=declared.high is None)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(data=st.data())
def test_a_written_device_loads_bit_for_bit(data, tmp_path_factory):
    name = data.draw(st.sampled_from(devices.catalogue.names))
    device = devices.catalogue[name]()
    chosen = data.draw(st.lists(st.sampled_from(device.parameters()), max_size=4, unique=True))
    values = {p.name: data.draw(st.sampled_from(p.choices) if p.choices else numbers(p), p.name) for p in chosen}
    try:
        device = device.replace(**values)
    except ParameterError:
        assume(False)  # a relation between parameters
    known = {
        p.name: Uncertainty(float(getattr(device, p.name)), float(getattr(device, p.name)), "log", 0.1)
        for p in chosen
        if not p.choices and math.isfinite(getattr(device, p.name))
    }
    file = DeviceFile(name, device, known)
    again = devices.load_file(file.write(tmp_path_factory.mktemp("file") / "x.toml"))
    assert again == file
    assert type(again.device) is type(device)
    assert {k: bits(v) for k, v in again.device.values().items()} == {k: bits(v) for k, v in device.values().items()}


PLAIN = """
device = "pulsed:reram-es"
[parameters]
read_noise = "2 %"
zero_conductance = "30 uS"
unit_conductance = 4e-6
"""


def test_a_small_file_by_hand(tmp_path):
    (tmp_path / "hand.toml").write_text("\ufeff" + PLAIN, encoding="utf-8")
    found = devices.get(str(tmp_path / "hand.toml"), read_noise=0.5)
    preset = devices.get("pulsed:reram-es")
    assert found == preset.replace(read_noise=0.5, zero_conductance=quantity("30 uS", "S"), unit_conductance=4e-6)
    file = devices.load_file(tmp_path / "hand.toml")
    assert not file.known and not file.origin and file.name == "pulsed:reram-es"
    assert file.draws(2, generator_for(0)) == [file.device] * 2


def test_a_value_changed_by_hand_needs_only_its_interval_deleted(tmp_path):
    text = pulsed_file().to_toml()
    changed = text.replace("cycle_spread = 0.3 ", "cycle_spread = 0.5 ")
    assert changed != text
    path = tmp_path / "mine.toml"
    path.write_text(changed)
    with pytest.raises(
        ParameterError, match=r"\[intervals\] cycle_spread = .* delete the interval of a value that you"
    ):
        devices.load_file(path)
    path.write_text(re.sub(r"cycle_spread = \[0\.25.*\n", "", changed))
    found = devices.load_file(path)
    assert found.device.cycle_spread == 0.5
    assert list(found.known) == ["pulse_step", "zero_conductance", "stuck_share"]
    assert found.correlation == ((1.0, 0.3, 0.0), (0.3, 1.0, 0.0), (0.0, 0.0, 1.0))


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("device = ", DataError, r"is not TOML: Invalid value \(at .*; see 'device ='"),
        ('device = "pulsed"\ndevice = "ideal"', DataError, "; a key or table is given twice; see 'device = .id"),
        ('device = "pulsed"\n[kept]\nw_max = "a"\nw_max = "b"\n[fixed]', DataError, "twice; see 'w_max = .b.'"),
        ('device = "pulsed"\n[kept]\n[kept]', DataError, r"twice.*; a key or table is given twice; see '\[kept\]'"),
        ("[parameters]\nx = 1", DataError, 'NONEit must say which family it is: device = "pulsed"'),
        ("device = 3", DataError, "must say which family"),
        ('device = "mine.toml"', DataError, "names a file; give a family"),
        ('device = "pulsd"', UnknownNameError, "unknown device 'pulsd' .did you mean 'pulsed'"),
        ('divice = "pulsed"', UnknownNameError, "unknown key 'divice' .did you mean 'device'"),
        ('device = "pulsed"\n[paramters]\nread_noise = 1', UnknownNameError, "'paramters' .did you mean 'parameters'"),
        ('device = "pulsed"\nparameters = 3', DataError, r"parameters must be a table, \[parameters\]"),
        ('device = "pulsed"\n[tables]\nx = [1.0]', DataError, r"\[tables\]: Pulsed has none"),
        ('device = "pulsed"\nnotes = "x"', DataError, "notes must be a list of texts"),
        ("[parameters]\nread_nois = 0.1", UnknownNameError, r"\[parameters\] .* 'read_nois' .did you mean 'read_n"),
        ("[parameters]\nread_noise = true", ParameterError, r"\[parameters\] read_noise: True is not a quantity"),
        ("[parameters]\nread_noise = 11", ParameterError, r"'read_noise' = 11 is outside its range \[0, 10\]"),
        ("[parameters]\nread_noise = nan", ParameterError, "'read_noise' is NaN"),
        ('[parameters]\nzero_conductance = "2 V"', ParameterError, r"zero_conductance: '2 V' cannot be converted to S"),
        ('[parameters]\nzero_conductance = "2e-5"', ParameterError, "has no unit; give it in S"),
        ('[parameters]\nstep_shape = "soft-bound"', ParameterError, "not 'soft-bound' .did you mean 'soft-bounds'"),
        ("[parameters]\nstep_shape = 3", ParameterError, r"\[parameters\] step_shape must be one of constant"),
        ("[parameters]\nw_max = [0.5]", ParameterError, r"w_max: \[0.5\] is not a quantity"),
        ("[intervals]\nread_nois = [0, 1]", UnknownNameError, r"\[intervals\] .*did you mean 'read_noise'"),
        ("[intervals]\nread_noise = 0.01", DataError, r"\[intervals\] read_noise must be two values"),
        ("[intervals]\nread_noise = [0.0]", DataError, r"\[intervals\] read_noise must be two values"),
        ("[intervals]\nread_noise = [0.02, 0.0]", ParameterError, "ends the wrong way round"),
        ("[intervals]\nread_noise = [0.02, 0.03]", ParameterError, r"not contain the value 0.01 of \[parameters\]"),
        ("[intervals]\nread_noise = [-0.1, 0.03]", ParameterError, r"\[intervals\] .* = -0.1 is outside its range"),
        ('[intervals]\nread_noise = ["0 S", 0.1]', ParameterError, r"\[intervals\] read_noise: '0 S' cannot be"),
        ('[intervals]\nnoise = ["step", "pulse"]', ParameterError, "is a choice between words"),
        ("[errors]\nread_noise = 0.1", DataError, r"KNOWN\[errors\] read_noise must be \{ scale"),
        ("[errors]\nread_noise = { scale = 'lin' }", DataError, "KNOWNof linear, log, logit, not 'lin' .did you m"),
        ("[errors]\nread_noise = { eror = 0.1 }", UnknownNameError, "KNOWNunknown key 'eror' .did you mean 'error'"),
        ("[errors]\nread_noise = { error = -1 }", DataError, "KNOWNerror must be a number, 0 or larger"),
        ("[errors]\nread_noise = { error = inf }", DataError, "KNOWNerror must be a number, 0 or larger"),
        ("[errors]\nx = { error = 1 }", UnknownNameError, r"\[errors\] Pulsed has no parameter 'x'"),
        ("[fixed]\nread_noise = 3", DataError, r"\[fixed\] read_noise must be text that says why"),
        ("[kept]\nread_nois = 'no'", UnknownNameError, r"\[kept\] .*did you mean 'read_noise'"),
        ("[kept]\nread_noise = 'no'", DataError, r"KNOWN\[kept\] read_noise has an interval too"),
        ("[origin]\nfiel = 'x'", UnknownNameError, r"\[origin\] unknown key 'fiel' .did you mean 'file'"),
        ("[origin]\nrows = 'many'", DataError, r"\[origin\] rows must be a whole number, not 'many'"),
        ("[origin]\nfile = 3", DataError, r"\[origin\] file must be text"),
        ("[origin]\nparameters = ['rad_noise']", UnknownNameError, "did you mean 'read_noise'"),
        ("origin = 3", DataError, r"origin must be a table"),
        ("[correlation]\nread_noise = [1.0]", DataError, r"one row for each name of \[errors\]; 'read_"),
        ("[correlation]\npulse_step = [1.0]\nread_noise = [0.0, 1.0]", DataError, r"TWO\[correlation\] pulse_step"),
        ("[correlation]\npulse_step = [1.0, 0.0]\nread_noise = [0.0, 2.0]", DataError, r"TWO.*ones on its diagonal"),
        ("[correlation]\npulse_step = [1.0, 0.2]\nread_noise = [0.1, 1.0]", DataError, r"TWO.*not symmetric: pulse"),
        ("[correlation]\npulse_step = [1.0, 2.0]\nread_noise = [2.0, 1.0]", DataError, r"TWO.*not positive semi-def"),
        ("[correlation]\npulse_step = [1.0, nan]\nread_noise = [nan, 1.0]", DataError, r"TWO.*a row of 2 numbers"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_in_one_line(tmp_path, text, error, message):
    """A text without a device is about ``pulsed``; the marks before a message say what the file holds besides."""
    mark, message = re.fullmatch("(KNOWN|TWO|NONE)?(.*)", message).groups()
    head = "" if mark == "NONE" or re.match("d[ei]vice", text) else 'device = "pulsed"\n'
    more = "\n[intervals]\nread_noise = [0.0, 0.1]\n" if mark == "KNOWN" else ""
    if mark == "TWO":
        more = "\n[errors]\npulse_step = {error = 0.1}\nread_noise = {error = 0.1}\n"
    path = tmp_path / "bad.toml"
    path.write_text(head + text + more)
    with pytest.raises(error, match=message) as found:
        devices.load_file(path)
    said = str(found.value)
    assert said.startswith(f"device file {path}") and "\n" not in said


def test_a_missing_file_and_one_that_is_not_text(tmp_path):
    with pytest.raises(DataError, match=r"none\.toml does not exist; check the path"):
        devices.get(str(tmp_path / "none.toml"))
    pulsed_file().write(tmp_path / "mine-device.toml")
    with pytest.raises(DataError, match=r"my-device\.toml does not exist \(did you mean 'mine-device\.toml'\?\)"):
        devices.get(str(tmp_path / "my-device.toml"))
    (tmp_path / "lab.csv").write_text("n,G\n")
    with pytest.raises(UnknownNameError, match=r"is no device file; 'nanoneurons fit .*lab\.csv' makes one of a file"):
        devices.get(str(tmp_path / "lab.csv"))
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    with pytest.raises(DataError, match=r"binary\.toml is not text"):
        devices.get(str(tmp_path / "binary.toml"))
    with pytest.raises(DataError, match="cannot be read"):
        devices.get(str(_folder(tmp_path / "folder.toml")))


def _folder(path):
    path.mkdir()
    return path


@pytest.fixture(scope="module")
def many():
    return pulsed_file().draws(4000, generator_for(2))


@pytest.mark.parametrize("name", ["pulse_step", "zero_conductance", "cycle_spread", "stuck_share"])
def test_95_percent_of_the_draws_lie_in_the_interval(name, many):
    file = pulsed_file()
    drawn = torch.tensor([getattr(d, name) for d in many], dtype=torch.float64)
    known, value = file.known[name], getattr(file.device, name)
    inside = float(((drawn >= known.low) & (drawn <= known.high)).double().mean())
    at_edge = value == known.low  # half of the draws would lie below a share of 0 and become 0
    assert inside == pytest.approx(0.975 if at_edge else 0.95, abs=0.014)  # four standard errors
    assert float(drawn.median()) == pytest.approx(value, rel=0.02, abs=1e-3 * at_edge)


def test_draws_have_the_correlation_and_do_not_depend_on_their_number(many):
    file = pulsed_file()
    assert many[:3] == file.draws(3, generator_for(2))
    rows = torch.tensor([[math.log(d.pulse_step), d.zero_conductance] for d in many], dtype=torch.float64)
    assert float(torch.corrcoef(rows.T)[0, 1]) == pytest.approx(0.3, abs=0.06)
    untouched = {"read_noise", "w_max", "step_shape"}
    assert all(getattr(d, n) == getattr(file.device, n) for d in many[:50] for n in untouched)


def test_draws_stay_in_range_and_keep_relations():
    narrow = Uncertainty(0.0, 0.6)  # of a spread that may not be negative
    file = pulsed_file(known={"write_noise": narrow}, correlation=(), device=devices.get("pulsed", write_noise=0.01))
    assert min(d.write_noise for d in file.draws(200, generator_for(0))) == 0.0
    related = DeviceFile(
        "ideal", devices.get("ideal"), {"low": Uncertainty(1e-6, 90e-6), "high": Uncertainty(1e-6, 1.0)}
    )
    assert all(d.low < d.high for d in related.draws(200, generator_for(0)))
    full = ((1.0, 1.0), (1.0, 1.0))  # singular
    both = {"pulse_step": Uncertainty(0.01, 0.015, "log"), "read_noise": Uncertainty(0.005, 0.02, "log")}
    tied = pulsed_file(known=both, correlation=full).draws(50, generator_for(0))
    steps = [(d.pulse_step - 0.0123, d.read_noise - 0.01) for d in tied]
    assert all(a * b > 0 for a, b in steps)


def test_a_second_fit_keeps_what_the_first_told(tmp_path):
    first = pulsed_file()
    noise = Provenance(file="noise.csv", kind="noise")
    second = DeviceFile(
        "pulsed", first.device.replace(read_noise=0.03, cycle_spread=0.31),
        {"read_noise": Uncertainty(0.02, 0.04, "log", 0.2), "cycle_spread": Uncertainty(0.3, 0.32, "log", 0.01)},
        ((1.0, 0.5), (0.5, 1.0)),
        kept={"pulse_step": "noise does not tell it", "read_voltage": "not by noise", "w_max": "not by noise"},
        origin=(noise,),
    )  # fmt: skip
    both = second.after(first)
    assert devices.load_file(both.write(tmp_path / "both.toml")) == both
    assert list(both.known) == ["pulse_step", "zero_conductance", "stuck_share", "read_noise", "cycle_spread"]
    assert both.known["cycle_spread"] == second.known["cycle_spread"]
    assert both.correlation[0] == (1.0, 0.3, 0.0, 0.0, 0.0) and both.correlation[3] == (0.0, 0.0, 0.0, 1.0, 0.5)
    assert dict(both.kept) == {"read_voltage": first.kept["read_voltage"], "w_max": "not by noise"}
    assert dict(both.fixed) == dict(first.fixed)
    assert both.origin_of("pulse_step").file == ORIGIN.file
    assert both.origin_of("cycle_spread").file == both.origin_of("read_noise").file == "noise.csv"
    assert both.origin_of("read_voltage") is None
    with pytest.raises(NanoneuronsError, match="cannot go on from a file of 'ideal'"):
        second.after(DeviceFile("ideal", devices.get("ideal")))
