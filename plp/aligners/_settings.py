"""Settings of the entropic solvers, checked."""

import math
from typing import Literal, NamedTuple, get_args

from plp.errors import ConfigError

Gradient = Literal["detach", "envelope", "unroll", "implicit"]
Implementation = Literal["auto", "plain", "fused", "fixed"]


class Settings(NamedTuple):
    """Settings of a solver; rho = inf keeps a marginal, rho = 0 drops it."""

    epsilon: float
    rho_a: float
    rho_b: float
    max_iterations: int
    tolerance: float
    gradient: Gradient
    implementation: Implementation = "auto"

    @property
    def balanced(self) -> bool:
        """Whether both marginals are kept."""
        return self.rho_a == math.inf and self.rho_b == math.inf

    def solver_arguments(self) -> tuple[float, float, float, int, float]:
        """Arguments of the operator after cost and marginals."""
        tau_a, tau_b = self._tau(self.rho_a), self._tau(self.rho_b)
        return float(self.epsilon), tau_a, tau_b, self.max_iterations, float(self.tolerance)

    def _tau(self, rho: float) -> float:
        return 1.0 if rho == math.inf else rho / (rho + self.epsilon)

    def describe(self) -> str:
        """Show what all aligners share, as keywords."""
        shown = (
            f"epsilon={self.epsilon}, max_iterations={self.max_iterations}, "
            f"tolerance={self.tolerance}, gradient={self.gradient!r}"
        )
        chosen = self.implementation
        return shown if chosen == "auto" else f"{shown}, implementation={chosen!r}"


def check_settings(settings: Settings) -> None:
    """Raise ConfigError for a setting no solver can work with."""
    if not 0 < settings.epsilon < math.inf:
        raise ConfigError(
            f"expected epsilon > 0, got {settings.epsilon!r}; cosines are usually aligned with "
            "0.01 to 0.1"
        )
    for name, rho in (("rho_a", settings.rho_a), ("rho_b", settings.rho_b)):
        if not rho >= 0:
            raise ConfigError(f"expected {name} >= 0 (inf keeps the marginal), got {rho!r}")
    if settings.max_iterations < 1:
        raise ConfigError(f"expected max_iterations >= 1, got {settings.max_iterations!r}")
    if not 0 <= settings.tolerance < math.inf:
        raise ConfigError(f"expected tolerance >= 0, got {settings.tolerance!r}")
    for name, kind in (("gradient", Gradient), ("implementation", Implementation)):
        value = getattr(settings, name)
        if value not in get_args(kind):
            known = ", ".join(map(repr, get_args(kind)))
            raise ConfigError(f"expected {name} to be one of {known}, got {value!r}")


def check_aligner_settings(settings: Settings) -> None:
    """Raise ConfigError for a setting an aligner cannot work with."""
    check_settings(settings)
    if settings.gradient == "envelope":
        raise ConfigError(
            "expected gradient 'detach', 'unroll' or 'implicit', got 'envelope': the envelope "
            "theorem concerns the entropic cost, and leaves the plan constant, as 'detach' does"
        )
