"""What a tower does not have, and checkpoints of other shapes: one message, before a run begins."""

import pytest
from representatives import slow_but
from small_towers import fitting, nested
from unchecked import as_installed

from plp.testing.clip_weights import ClipSize, write_clip_weights

SIZE = ClipSize(64, 64, 16, 128, 2, 128, 2)
SETTINGS = """\
_base_ = {base!r}
_tiny = dict(arch='tiny', pretrained={weights!r}, model_config={size!r})
model = dict(backbone=dict(**_tiny), **{inside!r})
data = dict(shots=2, batch_size=6, eval_batch_size=16, num_workers=0, drop_last=False)
train_cfg = dict(max_epochs=1, val_interval=1)
report = False
shot_recipes = dict(_delete_=True)
"""
LORA, NORMS, PROMPTS = "model.tuners.lora.", "model.tuners.norms.", "model.tuners.prompts."
ADAPTERS, TOKENS = "model.tuners.adapters.", "model.tuners.representation."
CLASSES, SETS = "model.tuners.class_aware.", "model.tuners.image."
REFUSED = [  # a method, an option, what the message must say
    ("cliplora", LORA + "matrices=['x']", "nothing is called 'x'. There are: blocks.{0-1}.fc1"),
    ("cliplora", LORA + "matrices=[1]", "expected names in a list or tuple, got [1]"),
    ("cliplora", LORA + "blocks=[0,7]", "numbers of blocks from 0 to 1"),
    ("cliplora", LORA + "blocks=[]", "expected blocks as a list of their numbers, or None for all"),
    ("cliplora", LORA + "blocks=1", "expected blocks as a list of their numbers, or None for all"),
    ("cliplora", LORA + "r=999", "expected r, the rank, from 0 to 128, the smaller side of"),
    ("twostage", NORMS + "norms=['bn1']", "nothing is called 'bn1'. There are: blocks.{0-1}.norm1"),
    ("twostage", NORMS + "learned_in=[5]", "nothing is learned in stage 0 of 2"),
    ("twostage", NORMS + "learned_in=[]", "expected learned_in as a list of stages"),
    ("twostage", NORMS + "learned_in=0", "expected learned_in as a list of stages"),
    ("twostage", "model.branches.global.stage=3", "nothing is learned in stage 1 of 2"),
    ("promptsrc", PROMPTS + "image_depth=9", "image_depth from 0 to 2, for the image tower has 2"),
    ("promptsrc", "hooks.aggregation.mean=nan", "mean (in epochs) to be a finite number >= 0, got"),
    ("promptsrc", "model.losses.text.weight=nan", "weight to be a finite number >= 0, got nan"),
    ("promptsrc", "model.losses.text.teacher=x", "reads the reference 'x', which is not available"),
    ("promptsrc", "model.references=x", "expected references as a dict of branches by name"),
    ("maple", PROMPTS + "depth=1.5", "expected depth to be an integer >= 0, got 1.5"),
    ("maple", PROMPTS + "std=nan", "expected std to be a finite number >= 0, got nan"),
    ("mma", ADAPTERS + "blocks=[4,5]", "the image tower has blocks 0 to 1, got 4, 5"),
    ("mma", ADAPTERS + "blocks=[]", "nothing in this model is learned by gradient"),
    ("mma", ADAPTERS + "scale=nan", "expected scale to be a finite number >= 0, got nan"),
    ("mmrl", TOKENS + "width=1.5", "expected width to be an integer >= 1, got 1.5"),
    ("tcp", CLASSES + "block=9", "the text tower has blocks 0 to 1, got 9"),
    ("tcp", CLASSES + "reference=zero", "'zero', which is not available. Did you mean 'zero_shot'"),
    ("plotpp", SETS + "num_sets=1.5", "expected num_sets to be an integer >= 1, got 1.5"),
    ("prolip", "model.tuners.projection.penalty=x", "penalty to be a finite number >= 0, got 'x'"),
    ("clap", "model.branches.probe.penalty=x", "penalty to be a finite number >= 0, got 'x'"),
]  # fmt: skip
OTHERS = [  # a method, an option that its checkpoint does not have, what the message must say
    ("cliplora", LORA + "r=3", "shape [2, 3, 2, 128], expected [2, 3, 3, 128]"),
    ("twostage", NORMS + "norms=['norm1']", "acted on blocks.{0-1}.norm1, blocks.{0-1}.norm2"),
    ("ivlp", PROMPTS + "image_depth=1", "shape [2, 2, 128], expected [1, 2, 128]"),
    ("maple", PROMPTS + "depth=1", "deep_text_context is not part of this model"),
    ("vpt", PROMPTS + "image_depth=1", "shape [2, 8, 128], expected [1, 8, 128]"),
    ("vpt", f"{PROMPTS}image_depth=1 {PROMPTS}first_block=1", "expected [1, 8, 128]"),
    ("mma", ADAPTERS + "blocks=[0]", "adapters acted on blocks.1 of the image tower, here on"),
    ("mmrl", TOKENS + "blocks=[0]", "representation acted on blocks.1 of the image tower, here on"),
    ("tcp", CLASSES + "block=0", "class_aware acted on blocks.1 of the text tower, here on"),
    ("plotpp", SETS + "num_sets=2", "shape [4, 2, 128], expected [2, 2, 128]"),
]  # fmt: skip
QUICK = (0, 3, 8, 10, 14, 19)


@pytest.fixture(autouse=True)
def unchecked():
    """Without the checks of types of the test run, which would speak first."""
    with as_installed():
        yield


@pytest.fixture(scope="module")
def method_config(root, tmp_path_factory):
    """Write the CLIP config of a method for towers of two blocks."""
    folder = tmp_path_factory.mktemp("methods")
    weights = write_clip_weights(folder / "small.pt", SIZE)

    def write(method):
        path = folder / f"{method}.py"
        inside = nested(fitting(method, 2)).get("model", {})
        base = root / "configs" / method / "vitb16_16shot.py"
        settings = dict(base=str(base), weights=str(weights), size=SIZE.model_config())
        path.write_text(SETTINGS.format(inside=inside, **settings), encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("method", "option", "needle"), slow_but([REFUSED[i] for i in QUICK], REFUSED)
)
def test_what_there_is_not_is_refused(train_tool, method_config, tmp_path, method, option, needle):
    ended = train_tool("--cfg-options", option, config=method_config(method))
    assert needle in ended.told()
    assert not (tmp_path / "work/state.pth").exists(), "refused before the first step"


@pytest.mark.parametrize(("method", "option", "needle"), slow_but(OTHERS[6:7], OTHERS))
def test_a_checkpoint_of_another_shape_or_place(
    train_tool, tool, method_config, photos, tmp_path, method, option, needle
):
    config, run = method_config(method), tmp_path / "work"
    assert train_tool(config=config).status == 0
    data = ("--dataset", "folder", "--data-root", photos, "--device", "cpu")
    ended = tool("test", config, run, *data, "--cfg-options", *option.split())
    assert needle in ended.told()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("tuner", "options"),
    [
        ("DeepPrompts", ("image_depth=2", "image_length=2")), ("DeepPrompts", ("text_depth=2",)),
        ("CoupledPrompts", ()), ("ResidualAdapters", ("blocks=[0]",)), ("ClassAwareTokens", ()),
        ("RepresentationTokens", ("blocks=[0]",)), ("ImagePromptSets", ()),
    ],
)  # fmt: skip
def test_towers_that_nothing_can_act_in_between(train_tool, root, tuner, options):
    options = [f"model.tuners.x.{option}" for option in (f"type={tuner}", *options)]
    ended = train_tool("--cfg-options", *options, config=root / "configs/coop/lite_16shot.py")
    assert "tower is run as a whole by its library" in ended.told()
    assert f"tuner {tuner}: " in ended.err
