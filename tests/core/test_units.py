import subprocess
import sys

import pytest

from nanoneurons.core.errors import ParameterError
from nanoneurons.core.units import quantity


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        ("25 uS", "S", 25e-6),
        ("25uS", "S", 25e-6),
        ("25 µS", "S", 25e-6),
        ("7 kohm", "ohm", 7e3),
        ("1.5 kΩ", "ohm", 1.5e3),
        ("-7 mA", "A", -7e-3),
        ("1e-3 us", "s", 1e-9),
        ("25 degC", "K", 298.15),
        ("0.25", "1", 0.25),
        ("25 %", "1", 0.25),
        ("120 pulses", "pulses", 120.0),
        ("120", "pulses", 120.0),
        ("3 1/pulse", "1/pulse", 3.0),
        ("2 pJ", "J", 2e-12),
        ("3", "1/pulse", 3.0),
        ("100 cycles", "cycle", 100.0),
        ("100", "cycle", 100.0),
        ("0.05", "ln ohm", 0.05),
        ("0.05 ln ohm", "ln ohm", 0.05),
        (3, "S", 3.0),
        (2.5e-5, "S", 2.5e-5),
    ],
)
def test_converts_to_si(value, unit, expected):
    assert quantity(value, unit) == pytest.approx(expected, rel=1e-12)  # one multiplication in double precision


@pytest.mark.parametrize(
    ("value", "unit", "example"),
    [
        ("25 kg", "S", '"25 uS"'),
        ("25", "S", '"25 uS"'),
        ("25 flurbs", "ohm", '"25 kohm"'),
        ("twenty-five", "ohm", '"25 kohm"'),
        ("", "V", '"25 mV"'),
        ("25 ** uS", "S", '"25 uS"'),
        ("25 uS", "1", '"25 %"'),
        ("25 uS", "ln ohm", '"25 ln ohm"'),
        ("nan S", "S", '"25 uS"'),
        ("1e400 S", "S", '"25 uS"'),
        (True, "S", '"25 uS"'),
        (None, "S", '"25 uS"'),
        ("1e308 GS", "S", '"25 uS"'),
    ],
)
def test_refusals_name_parameter_unit_and_example(value, unit, example):
    with pytest.raises(ParameterError) as caught:
        quantity(value, unit, "g_max")
    message = str(caught.value)
    assert message.startswith("g_max: ")
    assert example in message
    assert "\n" not in message


def test_plain_numbers_do_not_import_pint():
    code = (
        "import sys; from nanoneurons.core.units import quantity; quantity(1.0, 'S'); assert 'pint' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
