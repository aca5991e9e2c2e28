"""A checkpoint stands alone but for the frozen weights, and runs no code that nobody trusts."""

import shutil

import pytest
import torch
from mmengine.config import Config
from PIL import Image
from tiny_runs import CLASSES

import plp
from plp.checkpoints.checkpoint import load_checkpoint, restore, save_checkpoint
from plp.engine.build import build_learner
from plp.errors import CheckpointError, ConfigError, WeightsError
from plp.registry import TRANSFORMS
from plp.structures import Shots
from plp.testing.clip_weights import TINY, write_clip_weights


def rewritten(trained, path, change, learner):
    """A checkpoint whose config was changed."""
    info = load_checkpoint(trained).info
    change(info["config"])
    return save_checkpoint(path, learner, {k: v for k, v in info.items() if k != "fingerprint"})


def test_file_and_moved_folder_are_the_run(trained, clf, paths, tmp_path, monkeypatch):
    moved = shutil.copytree(trained, tmp_path / "my run, größer")
    monkeypatch.chdir(moved)
    alone = shutil.copy(moved / "model.safetensors", tmp_path / "shipped.safetensors")
    for place, options in ((moved, {}), (".", {}), (alone, {"trust_header": True})):
        found = plp.load(place, device="cpu", **options)
        assert found.class_names == CLASSES
        assert found.predict(paths[0]) == clf.predict(paths[0])


def test_what_travels(clf):
    assert clf.info["dataset"] == "insects"
    assert any("[v] [v] [v] [v] ant" in line for line in clf.info["prompts"])
    assert repr(clf) == "Classifier(3 classes, OpenCLIPBackbone, cpu)"


def test_missing_weights_are_named_and_can_be_given(trained, clf, paths, tiny_file, tmp_path):
    gone = tmp_path / "gone.pt"
    path = rewritten(
        trained, tmp_path / "m.safetensors",
        lambda config: config["model"]["backbone"].update(pretrained=str(gone)), clf.learner,
    )  # fmt: skip
    with pytest.raises(CheckpointError, match=r"asks for .*gone\.pt' .*--pretrained FILE"):
        plp.load(path, device="cpu")
    with pytest.raises(WeightsError, match=r"must be there: OpenCLIPBackbone.*gone\.pt"):
        plp.load(path, device="cpu", trust_header=True)
    copy = shutil.copy(tiny_file, tmp_path / "elsewhere.pt")
    found = plp.load(path, device="cpu", pretrained=copy)
    assert found.predict(paths) == clf.predict(paths)


def test_other_weights_are_refused(trained, tmp_path):
    other = write_clip_weights(tmp_path / "other.pt", TINY, seed=1)
    with pytest.raises(CheckpointError, match="other backbone weights"):
        plp.load(trained, device="cpu", pretrained=other)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: c.update(custom_imports=dict(imports=["plp_no_such_module"])), "plp_no_such"),
        (
            lambda c: c["model"]["branches"]["local"].update(
                aligner=dict(type="subprocess.run", args="exit 3", shell=True)
            ),
            r"subprocess\.run",
        ),
        (lambda c: c["data"].update(eval_transform=dict(type="os.path.join")), r"os\.path\.join"),
        (lambda c: c["model"].update(type="a.b"), r"a\.b"),
    ],
)
def test_code_outside_plp_is_refused(trained, clf, tmp_path, change, named):
    path = rewritten(trained, tmp_path / "m.safetensors", change, clf.learner)
    with pytest.raises(CheckpointError, match=f"names code outside plp: {named}.*trust_code=True"):
        plp.load(path, device="cpu")


def test_trusted_code_is_imported(trained, clf, tmp_path, monkeypatch, paths):
    (tmp_path / "mine_for_loading.py").write_text(
        "from plp.registry import TRANSFORMS\n"
        "from plp.transforms import EvalTransform\n"
        "from plp.transforms.base import CropGeometry\n"
        "@TRANSFORMS.register_module()\n"
        "class TopLeft(EvalTransform):\n"
        "    def geometry(self, width, height):\n"
        "        height, width = self.size\n"
        "        return CropGeometry(2 * width, 2 * height, 0, 0, width, height)\n"
        "    def describe(self):\n"
        "        return 'TopLeft'\n"
    )

    def change(config):
        config["custom_imports"] = dict(imports=["mine_for_loading"])
        config["data"]["eval_transform"] = dict(type="TopLeft")

    path = rewritten(trained, tmp_path / "m.safetensors", change, clf.learner)
    with pytest.raises(ConfigError, match=r"mine_for_loading.*must be on PYTHONPATH"):
        plp.load(path, device="cpu", trust_code=True, trust_header=True)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(TRANSFORMS, "_module_dict", dict(TRANSFORMS.module_dict))
    found = plp.load(path, device="cpu", trust_code=True, trust_header=True)
    assert repr(found.transform) == "TopLeft"
    assert found.predict(paths[0]) != clf.predict(paths[0])


def test_nothing_to_load(tmp_path, trained):
    with pytest.raises(CheckpointError, match="nothing at"):
        plp.load(tmp_path)
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CheckpointError, match="damaged"):
        plp.load(tmp_path)
    with pytest.raises(CheckpointError, match="damaged"):
        plp.load(trained / "result.json")


def test_checkpoint_without_config(clf, tmp_path):
    path = save_checkpoint(tmp_path / "m.safetensors", clf.learner, {})
    with pytest.raises(CheckpointError, match="does not hold the config"):
        plp.load(path)


def test_device_that_is_not_there(trained):
    with pytest.raises(ConfigError, match="the device 'cuda:77' is not there"):
        plp.load(trained, device="cuda:77")


@pytest.mark.parametrize(
    "method",
    ["coop", "zeroshot", "linear_probe"]
    + [
        pytest.param(method, marks=pytest.mark.slow)
        for method in ("cocoop", "locoop", "plot", "gallop", "taskres")
    ],
)
def test_every_kind_of_method_loads(root, tiny_options, tmp_path, photos, method):
    """What a method learns, fits or only looks up: it comes back and predicts the same."""
    file = root / "configs" / method / "vitb16_16shot.py"
    learner = build_learner(file, CLASSES, tiny_options)
    if learner.needs_shots:
        width = learner.backbone.embed_dim
        pooled = torch.randn(1, 9, width, generator=torch.Generator().manual_seed(0))
        learner.fit(Shots(pooled, torch.arange(9) % 3), None)
    config = Config.fromfile(file).to_dict()
    config["model"]["backbone"] |= {
        key.rpartition(".")[2]: value for key, value in tiny_options.items()
    }
    path = save_checkpoint(tmp_path / "m.safetensors", learner, {"config": config})
    image = next(photos.rglob("*.png"))
    found = plp.load(path, device="cpu", trust_header=True)
    again = build_learner(file, CLASSES, tiny_options)
    restore(again, load_checkpoint(path))
    with torch.no_grad():
        logits = again.logits(found.transform(Image.open(image))[None])["logits"][0]
    top = found.predict(image)[0]
    assert top.probabilities == pytest.approx(
        logits.softmax(-1).sort(descending=True).values.tolist(), abs=1e-5
    )
