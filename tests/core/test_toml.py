"""What is written reads back the same, whatever kind of number it was."""

import tomllib

import numpy as np
import pytest

from nanoneurons.core import toml
from nanoneurons.core.errors import ParameterError


@pytest.mark.parametrize(
    "given", [0.1, np.float64(0.1), 1e-300, 3, True, 'a\n"b"', [1.5, np.float64(2.5)], {"a b": [1]}]
)
def test_a_value_reads_back(given):
    assert tomllib.loads(f"x = {toml.value(given)}")["x"] == given


def test_what_toml_has_no_word_for_is_refused():
    with pytest.raises(ParameterError, match="cannot be written"):
        toml.value(None)
