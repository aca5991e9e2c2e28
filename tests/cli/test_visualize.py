"""`plp visualize`: a picture per image, whole or not at all, clear words where there is none."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from tiny_runs import CLASSES, Ended

import plp
from plp.checkpoints.checkpoint import save_checkpoint
from plp.cli import visualize as cli
from plp.cli.options import run_tool
from plp.config.load import load_config
from plp.engine.build import build_learner


@pytest.fixture
def visualize(trained, capsys, tmp_path):
    """Run the tool on the trained run."""

    def run(*flags, checkpoint=trained, out=tmp_path / "pictures"):
        capsys.readouterr()
        argv = [str(checkpoint), *map(str, flags), "--device", "cpu", "--out", str(out)]
        return Ended(run_tool(cli.main, argv), *capsys.readouterr())

    return run


def test_pictures_of_a_class(visualize, photos, tmp_path):
    images = [photos / "ant" / "000.png", photos / "bee" / "000.png"]
    ended = visualize(*images, "--class", "bee")
    assert ended.status == 0, ended.err
    folder = tmp_path / "pictures"
    assert {path.name for path in folder.iterdir()} == {
        *(f"{name}{kind}.png" for name in ("000", "000_2") for kind in ("", "_classes", "_plans")),
        "sheet.png",
    }
    for path in folder.iterdir():
        with Image.open(path) as picture:
            picture.load()
            assert min(picture.size) > 100
    assert all("bee (" in line for line in ended.out.splitlines() if "000" in line)


@pytest.mark.slow
def test_nothing_is_written_over_but_pictures_of_its_own(visualize, photos, tmp_path):
    folder = tmp_path / "mine"
    shutil.copytree(photos / "ant", folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    told = visualize(*sorted(folder.glob("*.png"))[:2], out=folder).told()
    assert "holds files that plp visualize has not written and would write over: '000.png'" in told
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    for _ in range(2):  # its own pictures are replaced
        assert visualize(folder / "000.png").status == 0


def test_names_of_pictures_never_meet():
    paths = [Path("a_classes.png"), Path("a.png"), Path("sheet_2.png"), *[Path("x.png")] * 30]
    names = cli.file_names(paths)
    pictures = [f"{name}{kind}" for name in names for kind in ("", "_classes", "_plans")]
    assert len({*pictures, "sheet", "sheet_2"}) == len(pictures) + 2


def test_class_and_strongest_rival(trained, photos):
    clf = plp.load(trained, device="cpu")
    path = photos / "cat" / "003.png"
    labels = clf.predict(path)[0].labels
    chosen, rival = cli.explain_image(clf, path, None)
    assert (chosen.explanation.class_name, rival.explanation.class_name) == labels[:2]
    chosen, rival = cli.explain_image(clf, path, labels[-1])
    assert (chosen.explanation.class_name, rival.explanation.class_name) == (labels[-1], labels[0])
    assert chosen.title.startswith(f"{labels[-1]} (")


def test_unreadable_images_are_passed_over_and_named(visualize, photos, tmp_path):
    (tmp_path / "bad.png").touch()
    ended = visualize(tmp_path / "bad.png", photos / "ant" / "000.png")
    assert "1 of 2 images could not be read:" in ended.told()
    assert (tmp_path / "pictures" / "000.png").is_file()


def test_pictures_of_an_earlier_call_are_kept(visualize, photos, tmp_path):
    image, folder = photos / "ant" / "000.png", tmp_path / "pictures"
    assert visualize(image).status == 0
    first = (folder / "000.png").read_bytes()
    assert "earlier call" not in visualize(image).out
    assert not (folder / "set_aside").exists(), "the same pictures again"
    shutil.copy(photos / "bee" / "001.png", tmp_path / "000.png")
    ended = visualize(tmp_path / "000.png")
    assert f"4 pictures of an earlier call: now in {folder / 'set_aside'}" in ended.out
    assert (folder / "set_aside" / "000.png").read_bytes() == first
    assert (folder / "000.png").read_bytes() != first
    visualize(image)
    assert {path.name for path in (folder / "set_aside").glob("000*.png")} >= {
        "000.png", "000_2.png", "000_plans_2.png"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("flags", "part"),
    [
        (("--class", "dog"), "expected a class among 'ant', 'bee', 'cat', got 'dog'"),
        (("--branch", "global"), "expected a branch that compares patches (local), got 'global'"),
    ],
)
def test_wrong_flags(visualize, photos, flags, part, tmp_path):
    assert part in visualize(photos / "ant" / "000.png", *flags).told()
    assert not (tmp_path / "pictures").exists()


def test_methods_without_patches_are_told(visualize, root, tiny_options, photos, tmp_path):
    file = root / "configs/coop/vitb16_16shot.py"
    learner = build_learner(file, CLASSES, tiny_options)
    config = load_config(file)
    config.merge_from_dict(tiny_options)
    path = save_checkpoint(tmp_path / "m.safetensors", learner, {"config": config.to_dict()})
    message = visualize(photos / "ant" / "000.png", "--trust-header", checkpoint=path).told()
    assert "compares whole images only (global (GlobalBranch))" in message
    assert "sotglp" in message


def test_without_matplotlib(visualize, photos, monkeypatch):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert "pip install matplotlib" in visualize(photos / "ant" / "000.png").told()
