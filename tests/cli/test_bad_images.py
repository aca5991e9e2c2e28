"""What image files hold, for every command that reads them: told by name, or read."""

import shutil

import pytest
from bad_images import BAD, FINE
from told import check_nothing_written, check_told, look, run

COMMANDS = ("predict", "visualize", "train", "ood", "calibrate")
QUICK = ("predict", "train", "calibrate")
SLOW = pytest.mark.slow
NAME = "odd one.png"


def spread(contents):
    """Return every command with every content; by default some contents with one of them."""
    for number, content in enumerate(contents):
        for place_of, command in enumerate(COMMANDS):
            quick = place_of * 2 == number % (2 * len(COMMANDS)) and command in QUICK
            marks = () if quick else SLOW
            yield pytest.param(command, content, id=f"{command}: {content}", marks=marks)


def argv_of(command, world, folder):
    """Return a command line that reads the image, and what it is called."""
    flags = ("--device", "cpu")
    path = folder / "ant" / NAME
    if command == "predict":
        return "predict", [world.run, path, *flags]
    if command == "visualize":
        return "visualize", [world.run, path, *flags, "--out", "new"]
    if command == "calibrate":
        return "predict", [world.run, world.image, *flags, "--calibrate", folder]
    if command == "train":
        data = ("--dataset", "folder", "--data-root", folder, "--work-dir", "new")
        return "train", [world.config, *data, *flags, "--cfg-options", "train_cfg.max_epochs=1"]
    return "ood", [world.config, world.run, *world.data, "--ood", f"odd={folder}", "--out", "new"]


def folder_with(content, world, place):
    folder = place / "photos"
    if not folder.exists():
        shutil.copytree(world.photos, folder)
    (folder / "ant" / NAME).write_bytes(content)
    return folder


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("command", "content"), spread(BAD))
def test_bad_image(command, content, world, place, capsys):
    folder = folder_with(BAD[content](), world, place)
    name, argv = argv_of(command, world, folder)
    before = look(world.base)
    ended = run(name, argv, capsys)
    check_told(ended, [NAME])
    check_nothing_written(before, look(world.base))


@pytest.mark.timeout(60)
@pytest.mark.parametrize(("command", "content"), spread(FINE))
def test_image_that_is_no_mistake(command, content, world, place, capsys):
    name, argv = argv_of(command, world, folder_with(FINE[content](), world, place))
    ended = run(name, argv, capsys)
    assert ended.status == 0, ended
