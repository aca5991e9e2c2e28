"""Scores of a trained learner: which it allows, and those of its validation images."""
