"""Methods, data sets, shots and seeds against each other; `tools/compare.py` is the door to it.

Whatever stands in this folder starts runs and reads their results; nothing in it enters a number.
"""

from plp.engine.choices import VARIANT
from plp.engine.compare.compare import INTERRUPTED, compare, survey
from plp.engine.compare.methods import find_methods
from plp.engine.compare.plan import Plan, Wanted, make_plan
from plp.engine.compare.state import Kind, State, is_done, state_of
from plp.engine.compare.tables import Comparison

__all__ = [
    "INTERRUPTED",
    "VARIANT",
    "Comparison",
    "Kind",
    "Plan",
    "State",
    "Wanted",
    "compare",
    "find_methods",
    "is_done",
    "make_plan",
    "state_of",
    "survey",
]
