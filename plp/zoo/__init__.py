"""Backbones by name: short names, full names, and what of them lies in local caches.

Nothing here imports torch: flags, help and `plp list` read it.
"""

from plp.zoo.entry import Entry
from plp.zoo.names import find_backbone, label_of
from plp.zoo.table import ENTRIES

__all__ = ["ENTRIES", "Entry", "find_backbone", "label_of"]
