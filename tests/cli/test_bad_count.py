"""How many bad inputs there are, over all commands."""

from collections import Counter

import test_bad_checkpoints
import test_bad_images
import test_bad_paths
import test_ctrl_c
import test_full_disk
from bad_values import VALUES

from plp.cli import main as door


def test_there_are_five_hundred_and_every_command_has_some():
    run = test_bad_paths.spread(test_bad_paths.CASES)
    counts = Counter(case.values[0].command for case in run)
    counts.update(value.command for value in VALUES)
    checkpoints = test_bad_checkpoints
    counts.update({name: len(checkpoints.BAD) for name in checkpoints.ARGV})
    counts.update({name: len(checkpoints.BAD_CONFIG) for name in checkpoints.OWN_CONFIG})
    aliases = {"calibrate": "predict"}
    counts.update({aliases.get(name, name): len(test_bad_images.BAD) for name in
                   test_bad_images.COMMANDS if name not in aliases})  # fmt: skip
    counts.update(test_full_disk.WRITERS[name][0] for name, _ in test_full_disk.CASES)
    counts.update(test_full_disk.WRITERS[case[0]][0] for case in test_ctrl_c.CASES)
    assert set(door.COMMANDS) <= set(counts)
    assert min(counts[name] for name in door.COMMANDS) >= 3
    assert sum(counts.values()) >= 500
