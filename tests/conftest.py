"""Every test runs without network, data folder or cache of this machine."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def no_local_data(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Hide the user's data folder and cache, so results do not depend on what lies there."""
    monkeypatch.delenv("NANONEURONS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "no-cache"))
