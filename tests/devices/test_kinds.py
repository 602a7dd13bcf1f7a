"""A device of a kind that nobody foresaw is registered, held to the general contract and refused with a reason."""

import inspect

import pytest

from nanoneurons import circuits, devices
from nanoneurons.core.errors import RefusedError
from nanoneurons.devices import Device, MemoryDevice, OscillatorDevice


@pytest.mark.parametrize(
    ("name", "kind", "special"), [("relaxing-oscillator", "oscillator", 11), ("switching-junction", "junction", 0)]
)
def test_a_sample_of_another_kind_is_found_and_keeps_its_contract(samples, name, kind, special):
    assert name in devices.catalogue
    device = devices.get(name)
    assert device.kind == kind
    checks = devices.contract(device)
    assert sum(not check.__module__.endswith("general") for check in checks) == special
    for check in checks:
        check(device)


def test_samples_are_gone_afterwards():
    assert "switching-junction" not in devices.catalogue


@pytest.mark.parametrize("base", [Device, MemoryDevice, OscillatorDevice])
def test_bases_are_abstract_and_no_entries(base):
    assert inspect.isabstract(base)
    for name in devices.catalogue:
        assert devices.catalogue[name] is not base


@pytest.mark.parametrize("name", list(circuits.catalogue))
def test_circuits_refuse_what_holds_no_weight(samples, name):
    for spec in ("relaxing-oscillator", "switching-junction"):
        with pytest.raises(RefusedError, match="kind.*use a device of kind '(memory|resonator)'"):
            circuits.catalogue[name](device=devices.get(spec))
