"""Methods, datasets, shots and seeds against each other; `tools/compare.py` is the door to it.

Whatever stands in this folder starts runs and reads their results; nothing in it enters a number.
"""

from plp.config.choices import VARIANT
from plp.sweeps.compare.compare import INTERRUPTED, compare, survey
from plp.sweeps.compare.methods import find_methods
from plp.sweeps.compare.plan import Plan, Wanted, make_plan
from plp.sweeps.compare.state import Kind, State, is_done, state_of
from plp.sweeps.compare.tables import Comparison

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
