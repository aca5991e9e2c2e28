"""Several processes take the step that one would have taken, each with a part of texts and images.

Processes are started by torchrun and talk by gloo; they compare for themselves (`sharded_step.py`).
"""

from functools import partial
from pathlib import Path

import pytest
import torch
from processes import torchrun

from plp.branches import losses
from plp.branches.losses import PromptDropout
from plp.learners import sharded_texts
from plp.learners.sharded_texts import encode_share
from plp.prompts.base import cut_tokens
from plp.structures import PromptTokens

pytestmark = pytest.mark.timeout(600)  # `torchrun` gives up first, and says where it hung

SCRIPT = Path(__file__).with_name("sharded_step.py")


@pytest.mark.parametrize(
    ("processes", "classes", "images"),
    [
        (2, 5, 4),  # parts of 3 and 2 classes
        pytest.param(3, 4, 6, marks=pytest.mark.slow),  # of 2, 2 and none
    ],
)
def test_losses_and_gradients_are_those_of_one_process(processes, classes, images):
    ended = torchrun(processes, SCRIPT, classes, images)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert ended.stdout.count("same: ") == 8


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["mean", "own"])
def test_a_wrong_gradient_would_be_noticed(mistake):
    """Parts that get the mean of the gradients, or that of their own process alone."""
    ended = torchrun(2, SCRIPT, 5, 4, SHARDED_STEP_MISTAKE=mistake)
    assert ended.returncode != 0
    assert "Tensor-likes are not close" in ended.stderr
    assert "same: " not in ended.stdout


@pytest.mark.parametrize("chunk", [None, 1, 2, 9])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("classes", [2, 5, 9])
def test_every_class_is_encoded_once_where_it_belongs(monkeypatch, classes, processes, chunk):
    """The shares, put together as they are gathered."""
    end = torch.zeros(classes, 1, dtype=torch.long)
    tokens = PromptTokens(torch.arange(classes * 1.0).view(-1, 1, 1, 1), end)
    shares, rooms = [], set()

    def gather(own, room, count):
        rooms.add(room)
        return torch.cat([own, own.new_full((room - len(own), 1, 1), -1.0)])

    def encode(parts):
        assert all(len(part().end) <= (chunk or classes) for part in parts)
        return torch.cat([part().embeddings[:, 0] for part in parts])

    monkeypatch.setattr(sharded_texts._Gather, "apply", gather)
    for rank in range(processes):
        monkeypatch.setattr(sharded_texts, "get_dist_info", lambda r=rank: (r, processes))
        cut = partial(cut_tokens, tokens)
        shares.append(encode_share(classes, chunk, cut, encode))
    assert len(rooms) <= 1
    assert torch.cat(shares)[:classes].flatten().tolist() == list(range(classes))


def test_images_of_a_step_draw_together(monkeypatch):
    """Process r of R gets what one process draws for its images r, r + R, ..."""
    drawn = {}
    for rank, processes in ((0, 1), (0, 2), (1, 2)):
        monkeypatch.setattr(losses, "get_dist_info", lambda r=rank, n=processes: (r, n))
        torch.manual_seed(0)
        drawn[rank, processes] = PromptDropout._draw(4, 6 // processes, 2, torch.device("cpu"))
    assert torch.equal(drawn[0, 2], drawn[0, 1][0::2])
    assert torch.equal(drawn[1, 2], drawn[0, 1][1::2])
    assert not torch.equal(drawn[0, 2], drawn[1, 2])
