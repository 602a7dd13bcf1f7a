"""How many threads the libraries of linear algebra use."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["one_blas_thread"]


@contextmanager
def one_blas_thread() -> Generator[None]:
    """Linear algebra of NumPy and SciPy on one thread, in a ``with`` block or a decorated function.

    Small matrices gain nothing from a second thread. It waits for its work in a loop, and where another program has
    that processor, the first thread waits for it: a fit then takes several times as long. And sums over large matrices
    are taken in the same order whatever the number of processors.
    """
    from threadpoolctl import threadpool_limits  # pyright: ignore[reportMissingTypeStubs]

    with threadpool_limits(limits=1, user_api="blas"):
        yield
