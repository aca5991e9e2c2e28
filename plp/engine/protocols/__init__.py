"""Protocols beyond one data set: new classes, other data sets, shifts, out-of-distribution.

Each is a comparison (`plp.engine.compare`) whose trained runs are tested again elsewhere; what is
done is skipped and an interrupted protocol goes on, by the same rules.
"""

from plp.engine.protocols.plan import (
    PROTOCOLS,
    Asked,
    ProtocolPlan,
    plan_protocol,
    refuse_bound_methods,
)
from plp.engine.protocols.run import Finished, run_protocol

__all__ = [
    "PROTOCOLS",
    "Asked",
    "Finished",
    "ProtocolPlan",
    "plan_protocol",
    "refuse_bound_methods",
    "run_protocol",
]
