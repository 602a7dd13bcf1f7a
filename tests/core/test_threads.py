"""Threads of linear algebra."""

import numpy as np
import pytest
from scipy import linalg
from threadpoolctl import threadpool_info, threadpool_limits

from nanoneurons.core.threads import one_blas_thread


def threads() -> list[int]:
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.fixture(autouse=True)
def two():
    linalg.inv(np.eye(2))  # loads SciPy's library
    with threadpool_limits(limits=2, user_api="blas"):
        yield


def test_one_thread_inside_and_as_many_as_before_after():
    before = threads()
    with one_blas_thread():
        assert set(threads()) == {1}
    assert threads() == before


def test_the_number_is_restored_after_an_error():
    before = threads()
    with pytest.raises(ZeroDivisionError), one_blas_thread():
        raise ZeroDivisionError
    assert threads() == before


def test_a_decorated_function_runs_on_one_thread_every_time():
    before, decorated = threads(), one_blas_thread()(threads)
    assert set(decorated()) == set(decorated()) == {1}
    assert threads() == before
