"""Branches: lines of evidence for a class."""

from plp.branches.base import Branch
from plp.branches.global_branch import GlobalBranch
from plp.branches.local_branch import LocalBranch
from plp.branches.losses import PromptDropout

__all__ = ["Branch", "GlobalBranch", "LocalBranch", "PromptDropout"]
