"""Several processes take the step that one would have taken, each with a part of texts and images.

Processes are started by torchrun and talk by gloo; they compare for themselves (`sharded_step.py`).
"""

import os
from math import ceil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from processes import torchrun

from plp.branches import losses
from plp.branches.losses import PromptDropout
from plp.learners import sharded_texts
from plp.learners.sharded_texts import encode_share

pytestmark = pytest.mark.timeout(600)  # `torchrun` gives up first, and says where it hung

SCRIPT = Path(__file__).with_name("sharded_step.py")
TESTS = Path(__file__).parents[1]
PATHS = os.pathsep.join((str(TESTS), str(TESTS.parent)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "classes", "images"),
    [
        (2, 5, 4),  # parts of 3 and 2 classes
        (3, 4, 6),  # of 2, 2 and none
    ],
)
def test_losses_and_gradients_are_those_of_one_process(processes, classes, images):
    ended = torchrun(processes, SCRIPT, classes, images, PYTHONPATH=PATHS)
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-3000:]
    assert ended.stdout.count("same: ") == 24, ended.stdout  # rows of its table, and ProGrad's step


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["mean", "own"])
def test_a_wrong_gradient_would_be_noticed(mistake):
    """Parts that get the mean of the gradients, or that of their own process alone."""
    ended = torchrun(2, SCRIPT, 5, 4, SHARDED_STEP_MISTAKE=mistake, PYTHONPATH=PATHS)
    assert ended.returncode != 0
    assert "Tensor-likes are not close" in ended.stderr
    assert "same: " not in ended.stdout


def rows_of(classes):
    """Texts that name their classes."""
    return classes.float().view(-1, 1, 1)


@pytest.fixture
def shares_of(monkeypatch):
    """Return a function that lists what each process encodes, and the classes of its share."""

    def run(order, processes):
        shares = []

        def apply(text, _, own):
            shares.append((text, own))
            return rows_of(order)

        monkeypatch.setattr(sharded_texts._Gather, "apply", apply)
        for rank in range(processes):
            monkeypatch.setattr(sharded_texts, "get_dist_info", lambda r=rank: (r, processes))
            encode_share(order, rows_of)
        return shares

    return run


@pytest.mark.parametrize("processes", [2, 3, 4, 7])
@pytest.mark.parametrize("classes", [2, 5, 9])
def test_every_class_is_encoded_once_where_it_belongs(monkeypatch, shares_of, classes, processes):
    """The shares, put together by the code that gathers them, and their gradient taken out."""
    order = torch.randperm(classes, generator=torch.Generator().manual_seed(0))
    shares, room = shares_of(order, processes), ceil(classes / processes)
    assert all(1 <= len(text) <= room for text, _ in shares)

    def all_gather(found, _):
        for place, (text, _) in zip(found, shares, strict=True):
            place.copy_(sharded_texts._of_length(text, room))

    calls = dict(get_world_size=lambda: processes, all_gather=all_gather)
    calls["all_reduce"] = lambda gradient: gradient.mul_(2)
    monkeypatch.setattr(sharded_texts, "dist", SimpleNamespace(**calls))
    for text, own in shares:
        ctx = SimpleNamespace()
        whole = sharded_texts._Gather.forward(ctx, text, order, own)
        assert whole.flatten().tolist() == list(range(classes))
        gradient, *_ = sharded_texts._Gather.backward(ctx, whole)
        assert torch.equal(gradient, 2 * rows_of(own) if len(own) else torch.zeros(1, 1, 1))


def test_one_process_has_all_classes_to_itself():
    order = torch.tensor([2, 0, 1])
    assert encode_share(order, rows_of).flatten().tolist() == [0, 1, 2]


def test_shares_have_texts_of_all_lengths(shares_of):
    """Sorted classes are dealt, so that no process waits for the one with the long names."""
    lengths = [float(text.sum()) for text, _ in shares_of(torch.arange(90), 3)]
    assert max(lengths) - min(lengths) == 60  # of 4005; cut in three it would be 1800


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
