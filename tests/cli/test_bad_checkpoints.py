"""Damaged and foreign checkpoints, for every command that reads one: see the rules in `told`."""

import pytest
from bad_checkpoints import BAD, BAD_CONFIG, read
from told import check_nothing_written, check_told, look, run

ALONE = ("--device", "cpu", "--trust-header")
ARGV = {
    "predict": lambda w, path: [path, w.image, *ALONE],
    "visualize": lambda w, path: [path, w.image, *ALONE, "--out", "new"],
    "export": lambda w, path: [path, *ALONE, "--out", "new.pt2"],
    "test": lambda w, path: [w.config, path, *w.data],
    "ood": lambda w, path: [w.config, path, *w.data, "--ood", f"dogs={w.others}", "--out", "new"],
}
OWN_CONFIG = ("predict", "visualize", "export")  # build the model by the checkpoint's config


def spread(commands, kinds):
    """Return every command with every kind; by default each kind runs with one of them."""
    for number, kind in enumerate(kinds):
        for place_of, command in enumerate(commands):
            quick = place_of == number % len(commands)
            marks = () if quick else pytest.mark.slow
            yield pytest.param(command, kind, id=f"{command}: {kind}", marks=marks)


@pytest.mark.parametrize(("command", "kind"), [*spread(ARGV, BAD), *spread(OWN_CONFIG, BAD_CONFIG)])
def test_bad_checkpoint(command, kind, world, place, capsys):
    path = place / f"bad {command}.safetensors"
    good = world.checkpoint
    path.write_bytes((BAD | BAD_CONFIG)[kind](good.read_bytes(), read(good)))
    before = look(world.base)
    ended = run(command, ARGV[command](world, path), capsys)
    check_told(ended)
    check_nothing_written(before, look(world.base))
