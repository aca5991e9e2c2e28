"""Branches: lines of evidence for a class."""

from plp.branches.base import Branch
from plp.branches.blended_probe import BlendedProbe
from plp.branches.cache_branch import CacheBranch
from plp.branches.global_branch import GlobalBranch
from plp.branches.linear_probe import LinearProbe
from plp.branches.local_branch import LocalBranch
from plp.branches.losses import PromptDropout
from plp.branches.pass_branch import PassBranch
from plp.branches.staged_classifier import StagedClassifier
from plp.branches.text_probe import TextStartedProbe
from plp.branches.token_branch import TokenBranch

__all__ = [
    "BlendedProbe",
    "Branch",
    "CacheBranch",
    "GlobalBranch",
    "LinearProbe",
    "LocalBranch",
    "PassBranch",
    "PromptDropout",
    "StagedClassifier",
    "TextStartedProbe",
    "TokenBranch",
]
