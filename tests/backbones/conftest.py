"""Tiny models with the seeded weights that the parity fixtures were computed with."""

import pytest
import torch

from plp.backbones import OpenCLIPBackbone
from plp.structures import NameTokens, PromptTokens
from plp.testing.clip_weights import TINY, write_clip_weights


@pytest.fixture(scope="session")
def tiny_file(tmp_path_factory):
    """The weights file of the fixtures: a plain state dict in OpenAI's layout."""
    return write_clip_weights(tmp_path_factory.mktemp("weights") / "tiny.pt", TINY, seed=0)


@pytest.fixture(scope="session")
def tiny(tiny_file):
    """The backbone of the fixtures."""
    return OpenCLIPBackbone("tiny", str(tiny_file), model_config=TINY.model_config())


@pytest.fixture(scope="session")
def tiny_like(tmp_path_factory):
    """Build a backbone of its own, of the size of the fixtures, with the weights of a seed."""

    def build(seed: int) -> OpenCLIPBackbone:
        path = tmp_path_factory.mktemp("weights") / "tiny.pt"
        path = write_clip_weights(path, TINY, seed=seed)
        return OpenCLIPBackbone("tiny", str(path), model_config=TINY.model_config())

    return build


@pytest.fixture(scope="session")
def assemble():
    """Put context before bare names, as a prompt component does."""
    return _assemble


def _assemble(names: NameTokens, context: torch.Tensor) -> PromptTokens:
    """Start, context [C, N, T, D], bare name, end; then zeros."""
    classes, prompts, tokens, width = context.shape
    length = int(names.lengths.max()) + tokens + 2
    embeddings = torch.zeros(classes, prompts, length, width)
    for c, size in enumerate(names.lengths.tolist()):
        embeddings[c, :, 0] = names.start
        embeddings[c, :, 1 : 1 + tokens] = context[c]
        embeddings[c, :, 1 + tokens : 1 + tokens + size] = names.embeddings[c, :size]
        embeddings[c, :, 1 + tokens + size] = names.end
    end = (names.lengths + tokens + 1)[:, None].expand(classes, prompts)
    return PromptTokens(embeddings, end)
