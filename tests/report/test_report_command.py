"""The command in a report, read by the tool, means what was run."""

import argparse
import shlex

import pytest

from plp.cli.options import add_choices, add_training, choices_of
from plp.config.choices import Choices
from plp.config.command import tool_command, train_command

OPTIONS = {
    "optim_wrapper.optimizer.lr": 0.1, "train_cfg.max_epochs": 3, "report": False,
    "model.backbone.pretrained": "weights.pt", "data.feature_cache": None,
    "model.sizes": [1, 2.5, "x"], "model.pair": (1, (2, 3)),
}  # fmt: skip


@pytest.mark.parametrize(
    "choices",
    [
        Choices(),
        Choices("folder", "my photos/$HOME", 4, 2, "bf16"),
        Choices("coop", "a'b", options=OPTIONS),
        Choices(epochs=5, lr=0.25, val=True, test_fraction=0.3),
    ],
)
def test_the_command_says_what_was_chosen(choices):
    command = train_command("configs/a b.py", choices, device="cpu")
    words = shlex.split(command)
    assert words[:3] == ["python", "tools/train.py", "configs/a b.py"]
    parser = argparse.ArgumentParser()
    parser.add_argument("config")
    add_choices(parser)
    add_training(parser)
    arguments = parser.parse_args(words[2:])
    assert choices_of(arguments) == choices
    assert arguments.device == "cpu"


def test_several_processes_and_runs_from_python():
    found = train_command("c.py", Choices(), launcher="pytorch", processes=2)
    assert found == "torchrun --nproc-per-node 2 tools/train.py c.py --launcher pytorch"
    assert train_command(None, Choices()) is None


def test_a_tool_is_told_as_it_was_called(monkeypatch):
    monkeypatch.setattr("sys.argv", ["plp compare", "--out", "my runs"])
    assert tool_command("compare", None) == "plp compare --out 'my runs'"
    assert tool_command("collect", ["a"]) == "plp collect a"
