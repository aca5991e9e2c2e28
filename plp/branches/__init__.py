"""Branches: lines of evidence for a class."""

from plp.branches.base import Branch
from plp.branches.cache_branch import CacheBranch
from plp.branches.global_branch import GlobalBranch
from plp.branches.linear_probe import LinearProbe
from plp.branches.local_branch import LocalBranch
from plp.branches.losses import PromptDropout

__all__ = [
    "Branch",
    "CacheBranch",
    "GlobalBranch",
    "LinearProbe",
    "LocalBranch",
    "PromptDropout",
]
