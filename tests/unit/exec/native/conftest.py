"""Fixtures of the native engine's tests."""

import pytest

from intact.exec.native.library import native


@pytest.fixture(params=native.Isa, ids=lambda isa: isa.name)
def isa(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> native.Isa:
    """Each level that this CPU has, as the best."""
    if request.param.value > native.best_isa().value:
        pytest.skip(f"this CPU has no {request.param.name}")
    monkeypatch.setattr(native, "best_isa", lambda: request.param)
    return request.param
