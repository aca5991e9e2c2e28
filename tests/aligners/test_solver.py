"""The solver holds its knobs; functions and aligners pass theirs on to it."""

import inspect
from dataclasses import FrozenInstanceError, replace

import pytest
import torch

from plp.aligners import (
    PartialAligner,
    Sinkhorn,
    SinkhornAligner,
    UnbalancedSinkhornAligner,
    partial_sinkhorn,
    sinkhorn,
    unbalanced_sinkhorn,
)
from plp.errors import ConfigError
from plp.registry import ALIGNERS

KNOBS = dict(max_iterations=7, tolerance=1e-3, gradient="implicit", implementation="plain")
ALIGNER_TYPES = [SinkhornAligner, UnbalancedSinkhornAligner, PartialAligner]
FUNCTIONS = {
    sinkhorn: {},
    unbalanced_sinkhorn: dict(rho_a=0.5, rho_b=0.5),
    partial_sinkhorn: dict(mass=0.5),
}


@pytest.mark.parametrize("kind", ALIGNER_TYPES)
def test_an_aligner_holds_a_solver_with_its_knobs(kind):
    expected = Sinkhorn(0.3, **KNOBS)
    assert kind(epsilon=0.3, **KNOBS).solver == expected
    first = [0.3] if kind is SinkhornAligner else [0.5, 0.3]
    prices = [0.1, float("inf")] if kind is UnbalancedSinkhornAligner else []
    places = [0.3, *prices] if prices else first
    assert kind(*places, *KNOBS.values()).solver == expected, "knobs by place, as before 0.2"


@pytest.mark.parametrize("kind", [*ALIGNER_TYPES, *FUNCTIONS])
def test_signatures_name_the_knobs(kind):
    """What help shows, and what the registry holds the keywords of a config against."""
    parameters = inspect.signature(kind).parameters
    knobs = inspect.signature(Sinkhorn).parameters
    assert set(knobs) <= set(parameters)
    assert not any(p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in parameters.values())
    for name in ("tolerance", "gradient", "implementation"):
        assert parameters[name].default == knobs[name].default


def test_a_misspelt_knob_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match=r"no keyword 'tolerence'\. Did you mean 'tolerance'"):
        ALIGNERS.build(dict(type="PartialAligner", tolerence=1e-3))


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_passes_its_knobs_on(function):
    cost = torch.rand(4, 6, 3, requires_grad=True)
    result = function(cost, epsilon=0.05, **KNOBS, **FUNCTIONS[function])
    assert int(result.iterations.max()) <= 7
    assert result.plan.requires_grad


def test_the_solver_is_the_function():
    cost, solver = torch.rand(4, 6, 3), Sinkhorn(0.1)
    for name, value in sinkhorn(cost, epsilon=0.1)._asdict().items():
        torch.testing.assert_close(getattr(solver(cost), name), value, rtol=0, atol=0, msg=name)
    relaxed = unbalanced_sinkhorn(cost, epsilon=0.1, rho_a=0.2, rho_b=0.4)
    many = replace(solver, max_iterations=1000)
    assert torch.equal(many(cost, rho_a=0.2, rho_b=0.4).plan, relaxed.plan)


def test_knobs_stay_as_they_are():
    with pytest.raises(FrozenInstanceError):
        Sinkhorn(0.1).epsilon = 0.2


@pytest.mark.parametrize("kind", ALIGNER_TYPES)
def test_the_fused_kernel_of_an_old_config_is_refused_with_what_to_do(kind, as_installed):
    with pytest.raises(ConfigError, match=r"'fused', a Triton kernel, is gone.*Leave the keyword"):
        ALIGNERS.build(dict(type=kind.__name__, implementation="fused"))


def test_an_unknown_implementation_is_refused(as_installed):
    with pytest.raises(ConfigError, match="'auto', 'plain' or 'fixed', got 'triton'"):
        SinkhornAligner(implementation="triton")


def test_the_aligner_shows_its_implementation():
    assert repr(SinkhornAligner(implementation="fixed")).endswith("implementation='fixed')")


def test_old_places_of_names_still_serve():
    from plp.aligners import base, convergence
    from plp.engine import transport

    with pytest.warns(DeprecationWarning, match="lifted is called upcast"):
        assert base.lifted is base.upcast
    for name in ("BranchTransport", "TransportTally", "together"):
        with pytest.warns(DeprecationWarning, match="is in plp.engine.transport"):
            assert getattr(convergence, name) is getattr(transport, name)
    with pytest.raises(AttributeError, match="no attribute 'talley'"):
        convergence.talley  # noqa: B018


@pytest.mark.parametrize("name", ["rho_patches", "rho_prompts"])
def test_a_negative_price_is_refused_by_its_own_name(name):
    with pytest.raises(ConfigError, match=f"expected {name} >= 0"):
        UnbalancedSinkhornAligner(**{name: -1.0})
