"""What a run says where nothing is trained, or nothing can be chosen."""

import pytest
from mmengine.config import Config
from tiny_runs import read_result
from torch import nn

from plp.engine.selection import selection_notes

pytest_plugins = ["tiny_runs"]


@pytest.mark.parametrize(
    ("section", "epochs", "said"),
    [
        ({"val_interval": 1}, 3, ""),
        ({"val_interval": 2}, 3, ""),  # epochs 2 and 3
        ({"val_interval": 10}, 3, "of 3 epochs only epoch 3 is validated"),
        ({"val_interval": 1, "val_begin": 3}, 3, "of 3 epochs only epoch 3 is validated"),
        ({"val_interval": 1}, 1, "of 1 epoch only epoch 1 is validated"),
    ],
)
def test_a_choice_among_one_epoch_is_noted(section, epochs, said):
    config = Config(dict(selection="val", train_cfg=section))
    notes = selection_notes(config, nn.Linear(2, 2), epochs)
    assert said in "".join(notes)
    assert bool(said) == bool(notes)


def test_a_run_that_trains_nothing_though_it_could_says_so(train_tool, tmp_path):
    ended = train_tool("--cfg-options", "train_cfg.max_epochs=0")
    assert ended.status == 0, ended.err
    (note,) = [
        one for one in read_result(tmp_path / "work")["notes"] if "nothing is trained" in one
    ]
    assert "24064 parameters" in note.replace(",", "")


def test_frozen_learners_are_no_news():
    assert selection_notes(Config({}), nn.Linear(2, 2).requires_grad_(False), 0) == ()
