import pytest

from nanoneurons import devices
from nanoneurons.core.errors import ParameterError


def test_operating_point_must_oscillate():
    with pytest.raises(ParameterError, match="operating_current"):
        devices.get("spin-torque-oscillator", operating_current=1e-3)
