"""Tuners: what is learned inside a frozen tower."""

from plp.tuners.base import TextContext, Tuner

__all__ = ["TextContext", "Tuner"]
