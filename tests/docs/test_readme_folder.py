"""The README's example with a folder: its commands are read, and it leaves enough for rejection."""

import importlib
import re
import shlex

import numpy as np
import pytest
from PIL import Image

from plp.cli.main import COMMANDS
from plp.datasets import build_source, sample
from plp.inference import fewest_images
from plp.inference.rejection import RECALL


def commands(root):
    text = (root / "README.md").read_text(encoding="utf-8")
    blocks = "".join(re.findall(r"```bash\n(.*?)```", text, re.S)).replace("\\\n", " ")
    lines = [re.sub(r"^python tools/(\w+)\.py", r"plp \1", line) for line in blocks.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("plp ")]


def test_every_command_of_the_readme_is_read(root):
    found = commands(root)
    assert {words[0] for words in found} >= {"train", "test", "predict", "export", "compare"}
    for name, *words in found:
        importlib.import_module(COMMANDS[name].flags).parser().parse_args(words)


@pytest.mark.parametrize("pattern", ["IMG_{:04d}.jpg", "{1}-{0}.jpg", "photo ({}).jpg"])
def test_the_example_leaves_validation_images_for_rejection(root, pattern, tmp_path):
    (words,) = [words for words in commands(root) if "--test-fraction" in words]
    flags = dict(zip(words[2::2], words[3::2], strict=True))
    for label in range(6):
        (tmp_path / f"class {label}").mkdir()
        for i in range(24):
            pixels = np.random.default_rng([label, i]).integers(0, 256, (4, 4, 3), np.uint8)
            Image.fromarray(pixels).save(tmp_path / f"class {label}" / pattern.format(i, label))
    fraction = float(flags["--test-fraction"])
    splits = build_source("folder", tmp_path, test_fraction=fraction).splits()
    few = sample(splits, int(flags["--shots"]), 1, "exact")
    assert len(few.train) == 6 * 8
    assert len(few.test) >= 6
    assert len(few.val) == 24 >= fewest_images(RECALL) == 19
