"""Protocols beyond one dataset: new classes, other datasets, shifts, out-of-distribution.

Each is a comparison (`plp.sweeps.compare`) whose trained runs are tested again elsewhere; what is
done is skipped and an interrupted protocol goes on, by the same rules.
"""

from plp.sweeps.protocols.plan import (
    PROTOCOLS,
    Asked,
    ProtocolPlan,
    plan_protocol,
    refuse_bound_methods,
)
from plp.sweeps.protocols.run import Finished, run_protocol

__all__ = [
    "PROTOCOLS",
    "Asked",
    "Finished",
    "ProtocolPlan",
    "plan_protocol",
    "refuse_bound_methods",
    "run_protocol",
]
