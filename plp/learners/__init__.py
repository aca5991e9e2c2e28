"""Learners: mmengine models that own a backbone and its branches."""

from plp.learners.prompt_learner import PromptLearner

__all__ = ["PromptLearner"]
