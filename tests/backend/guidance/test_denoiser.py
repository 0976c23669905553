"""The interface between the engine and a model: what the loop is tested with has all of it."""

import inspect

import pytest

from sjc.guidance.denoiser import Denoiser
from sjc.models.text_denoiser import TextDenoiser
from tests.backend.stubs import StubDenoiser, bent

MEMBERS = sorted(name for name in vars(Denoiser) if not name.startswith("_"))
METHODS = [name for name in MEMBERS if inspect.isfunction(vars(Denoiser)[name])]


def test_the_stub_has_all_that_a_denoiser_has():
    assert len(MEMBERS) > 10
    assert [name for name in MEMBERS if not hasattr(StubDenoiser(bent), name)] == []


@pytest.mark.parametrize("name", METHODS)
def test_methods_are_called_alike(name):
    """With the arguments of the protocol by name: TextDenoiser and the stub take them."""
    parameters = list(inspect.signature(vars(Denoiser)[name]).parameters)
    for implementation in (TextDenoiser, StubDenoiser):
        signature = inspect.signature(getattr(implementation, name))
        signature.bind(**dict.fromkeys(parameters))
