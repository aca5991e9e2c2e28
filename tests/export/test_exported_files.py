"""The files of `plp export`: read back without plp, checked before they get their name."""

import ast
import json
import re
import shlex
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest
import torch
from page_blocks import blocks_of
from PIL import Image
from small_clip import CLASSES
from tiny_runs import Ended
from unchecked import as_installed

from plp.api import Classifier
from plp.cli import export as cli
from plp.cli.options import run_tool
from plp.errors import ConfigError, DataError, ExportError
from plp.export import export_onnx, export_program, onnx_file, write
from plp.export.description import resize_of, sides_of
from plp.transforms import ClipEval, Letterbox, ResizedCenterCrop, Squash

FORBIDDEN = ("plp", "torch", "torchvision", "mmengine")
TRANSFORMS = [
    ClipEval(32), ClipEval((24, 48), "bilinear"), ResizedCenterCrop(32), Squash((48, 24)),
    ResizedCenterCrop((24, 48)), Squash(24, resize=30), Letterbox(32), Letterbox((24, 48), fill=9),
    Letterbox((48, 24), "bilinear", fill=(1, 2, 3)),
]  # fmt: skip


@pytest.fixture(scope="session")
def clf(small):
    """A classifier with a threshold; tests do not change it."""
    return small("sotglp/vitb16_16shot")


@pytest.fixture(scope="session")
def onnx(clf, photos, tmp_path_factory):
    """The classifier as ONNX, checked on photos."""
    folder = tmp_path_factory.mktemp("onnx")
    with as_installed():
        return export_onnx(clf, folder / "insects.onnx", sorted(photos.rglob("*.png")))


def blocks(root, language):
    found = blocks_of(root / "docs/export.md")
    return [block.text for block in found if block.language == language]


def run_script(text, folder, *arguments):
    """Run a script in a process of its own, in which plp and torch cannot be imported."""
    script = folder / "classify.py"
    script.write_text(text, encoding="utf-8")
    hidden = f"import sys; sys.modules.update(dict.fromkeys({FORBIDDEN!r})); import runpy; "
    code = (
        hidden + f"sys.argv[0] = {str(script)!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True, text=True, check=False, timeout=200,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_the_script_of_the_page_says_what_plp_says(root, clf, onnx, photos, tmp_path):
    (script,) = [text for text in blocks(root, "python") if "onnxruntime" in text]
    paths = sorted(photos.rglob("*.png"))
    rows = run_script(script, tmp_path, onnx.path, *paths)
    expected = clf.predict(paths, top_k=3)
    for row, one in zip(rows, expected, strict=True):
        assert (row["image"], row["label"]) == (one.name, one.label)
        shares = dict(zip(one.labels, one.probabilities, strict=True))
        assert row["probabilities"] == pytest.approx(shares, abs=1e-4)
        assert row["ood_score"] == pytest.approx(one.ood_score, abs=1e-4)
        if abs(one.ood_score - clf.rejection.threshold) > 1e-4:
            assert row["accepted"] == one.accepted
    assert len({row["label"] for row in rows} | {row["accepted"] for row in rows}) > 2


@pytest.mark.parametrize("transform", TRANSFORMS, ids=repr)
def test_the_script_prepares_images_as_each_transform_does(root, transform, tmp_path):
    """Pixel for pixel, by the description alone."""
    (script,) = [text for text in blocks(root, "python") if "onnxruntime" in text]
    tree = ast.parse(script)
    tree.body = [one for one in tree.body if isinstance(one, ast.FunctionDef)]
    how = {
        "resize": resize_of(transform), "crop": sides_of(transform.size),
        "interpolation": transform.interpolation, "exif_orientation": "ignored",
        "value_range": None,
    }  # fmt: skip
    names = {"np": np, "Image": Image, "about": {"preprocessing": json.loads(json.dumps(how))}}
    exec(compile(tree, "classify.py", "exec"), names)
    generator = np.random.default_rng(0)
    for width, height in [(60, 40), (40, 60), (97, 31), (33, 33), (20, 90)]:
        pixels = generator.integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        image.save(tmp_path / "image.png")
        prepared = names["prepare"](tmp_path / "image.png")
        np.testing.assert_array_equal(prepared, transform(image).numpy())


def test_any_batch_in_one_file(clf, onnx):
    session = onnxruntime.InferenceSession(onnx.path, providers=["CPUExecutionProvider"])
    (pixels,) = session.get_inputs()
    assert (pixels.name, pixels.type, pixels.shape[1:]) == ("pixels", "tensor(uint8)", [3, 64, 64])
    assert isinstance(pixels.shape[0], str)  # a name, no number
    generator = torch.Generator().manual_seed(1)
    for images in (1, 2, 7):
        batch = torch.randint(0, 256, (images, 3, 64, 64), dtype=torch.uint8, generator=generator)
        found = session.run(["probabilities", "ood_score", "accepted"], {"pixels": batch.numpy()})
        assert [list(value.shape) for value in found] == [[images, 3], [images], [images]]
        expected = clf.predict(batch.permute(0, 2, 3, 1).numpy(), top_k=3)
        for shares, one in zip(found[0], expected, strict=True):
            told = dict(zip(one.labels, one.probabilities, strict=True))
            assert dict(zip(CLASSES, shares, strict=True)) == pytest.approx(told, abs=1e-4)


def test_the_description_is_in_the_file_and_beside_it(clf, onnx):
    session = onnxruntime.InferenceSession(onnx.path, providers=["CPUExecutionProvider"])
    inside = json.loads(session.get_modelmeta().custom_metadata_map["plp"])
    assert inside == json.loads(onnx.description.read_text(encoding="utf-8"))
    assert inside["class_names"] == list(CLASSES)
    assert inside["preprocessing"]["transform"] == repr(clf.transform)
    assert inside["rejection"] == {
        "score": "GlobalLocalMCM", "threshold": clf.rejection.threshold, "recall": 0.6,
        "validation_images": 9,
    }  # fmt: skip
    assert inside["input"] | {"shape": None} == {
        "name": "pixels", "dtype": "uint8", "shape": None, "channels": "RGB", "range": [0, 255],
        "normalised_inside": True,
    }  # fmt: skip
    assert {name: (told["dtype"], told["shape"]) for name, told in inside["outputs"].items()} == {
        output.name: (
            {"tensor(float)": "float32", "tensor(bool)": "bool"}[output.type],
            ["batch", *output.shape[1:]],
        )
        for output in session.get_outputs()
    }
    assert onnx.checked.images == 10 + 36
    assert onnx.checked.difference < 1e-4
    assert min(onnx.checked.speed, onnx.checked.torch_speed) > 0
    assert onnx.bytes == onnx.path.stat().st_size < 4e6  # text tower and vocabulary: 26 MB more
    assert {path.name for path in onnx.path.parent.iterdir()} == {
        "insects.onnx", "insects.onnx.json",
    }  # fmt: skip


PT2 = """
import sys
sys.modules["plp"] = None
import torch
extra = {"plp.json": ""}
program = torch.export.load(sys.argv[1], extra_files=extra).module()
assert '"class_names"' in extra["plp.json"]
print([list(v.shape) for v in program(torch.zeros(4, 3, 64, 64, dtype=torch.uint8)).values()])
"""


@pytest.mark.slow
def test_a_torch_program_runs_without_plp(clf, tmp_path):
    few = Classifier(clf.learner, clf.transform, {})  # no validation images, so no threshold
    made = export_program(few, tmp_path / "insects.pt2")
    done = subprocess.run(
        [sys.executable, "-c", PT2, made.path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip() == "[[4, 3], [4]]"


@pytest.mark.slow
def test_a_wrong_program_gets_no_name(clf, tmp_path, monkeypatch):
    def wrong(path):
        def run(pixels):
            good = write.open_torch(path)(pixels)
            return good | {"probabilities": good["probabilities"] + 2e-4}

        return run

    kept = tmp_path / "insects.pt2"
    kept.write_bytes(b"old")
    monkeypatch.setattr(write, "_export", _with(write._export, opened=wrong))
    with pytest.raises(ExportError, match=r"differs from the classifier: probabilities by 0\.0002"):
        export_program(clf, kept)
    assert kept.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["insects.pt2"]


def _with(function, opened):
    return lambda *inputs: function(*inputs[:-1], opened)


@pytest.fixture
def tool(trained, tmp_path, capsys):
    def run(*flags, out="insects.pt2"):
        argv = [str(trained), "--device", "cpu", "--out", str(tmp_path / out), *map(str, flags)]
        capsys.readouterr()
        return Ended(run_tool(cli.main, argv), *capsys.readouterr())

    return run


@pytest.mark.slow
def test_tool(tool, photos, tmp_path):
    ended = tool("--recall", "0.8", "--check", photos / "ant", out="new/insects.pt2")
    assert (ended.status, ended.err) == (0, "")
    assert "by 6 validation images" in ended.out
    said = re.search(
        r"insects\.pt2: ([\d.]+) MB, largest difference from torch (\S+) on 22 ", ended.out
    )
    assert said is not None, ended.out
    assert float(said[2]) < 1e-4
    assert {path.name for path in (tmp_path / "new").iterdir()} == {
        "insects.pt2", "insects.pt2.json",
    }  # fmt: skip


def test_tool_refuses(tool, tmp_path, monkeypatch):
    assert "ends in .onnx or .pt2, got 'insects.pt'" in tool(out="insects.pt").told()
    assert "ends in .onnx, got 'insects.pt2'" in tool("--format", "onnx").told()
    assert "iterations to be an integer >= 1, got 0" in tool("--iterations", "0").told()
    (tmp_path / "insects.pt2").mkdir()
    assert "insects.pt2" in tool().told()
    assert "no file matches" in tool("--check", "nowhere/*.jpg", out="a.pt2").told()
    monkeypatch.setattr(onnx_file, "find_spec", lambda name: None)
    told = tool(out="a.onnx").told()
    assert 'needs onnx, onnxscript, onnxruntime: pip install "plp[export]"' in told


def test_python_door_refuses(clf, tmp_path):
    with pytest.raises(ConfigError, match=r"ends in \.onnx or \.pt2, got 'a\.torch'"):
        clf.export(tmp_path / "a.torch")
    with pytest.raises(DataError, match=r"nothing\.jpg"):
        clf.export(tmp_path / "a.pt2", images=tmp_path / "nothing.jpg")
    assert list(tmp_path.iterdir()) == []


def test_images_that_cannot_be_read_are_told_and_the_others_compared(tool, photos, tmp_path):
    (tmp_path / "bad.png").touch()
    good = photos / "ant" / "000.png"
    ended = tool("--check", tmp_path / "bad.png", good, tmp_path / "gone.png", out="b.pt2")
    assert "2 of 3 images could not be read:" in ended.told()
    assert "bad.png" in ended.err
    assert "gone.png" in ended.err
    assert "2 of 3 images cannot be read, the program is compared on the others" in ended.out
    assert "on 11 images" in ended.out, "ten of noise, and one"
    assert list(tmp_path.rglob("b.pt2"))


def test_too_large_for_onnx(tmp_path):
    weight = torch.empty(3 * 2**30, dtype=torch.uint8, device="meta")
    huge = SimpleNamespace(state_dict={"weight": weight})
    with pytest.raises(ExportError, match=r"at most 2 GiB, these weights take 3\.0 GiB"):
        onnx_file.save_onnx(huge, tmp_path / "a.onnx", "{}", ["probabilities"])


@pytest.mark.slow
def test_page(root, trained, photos, tmp_path):
    import doctest

    result = doctest.testfile(
        str(root / "docs/export.md"), module_relative=False, encoding="utf-8",
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS,
        globs={"run": trained, "photos": photos, "folder": tmp_path},
    )  # fmt: skip
    assert result.attempted >= 10
    assert result.failed == 0


def test_commands_of_the_page(root):
    lines = "".join(blocks(root, "bash")).splitlines()
    commands = [line.removeprefix("plp export ") for line in lines if line.startswith("plp export")]
    assert commands
    for command in commands:
        cli.parser().parse_args(shlex.split(command))
