"""`data.exif` and `data.value_range`: settled once, kept in the checkpoint, followed by all."""

import json
import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CLASSES, make_photos, read_result

import plp
from plp.checkpoints.checkpoint import load_checkpoint
from plp.config.choices import Choices
from plp.config.load import choose, load_config
from plp.config.pixel_options import same_in_all_runs
from plp.engine.evaluate import evaluate_checkpoint
from plp.errors import ConfigError
from plp.ood.run import evaluate_ood

TURNS = {  # what undoes an orientation, the other way round
    1: None, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}  # fmt: skip
ORIENTATION = 0x0112


def turned_copy(photos: Path, to: Path) -> Path:
    """Copy images as phones store them: turned, with the tag that undoes it."""
    for number, path in enumerate(sorted(photos.rglob("*.png"))):
        orientation = (6, 8, 3, 1)[number % 4]
        exif = Image.Exif()
        exif[ORIENTATION] = orientation
        image, turn = Image.open(path), TURNS[orientation]
        target = to / path.relative_to(photos)
        target.parent.mkdir(parents=True, exist_ok=True)
        (image if turn is None else image.transpose(turn)).save(target, exif=exif)
    return to


@pytest.fixture(scope="module")
def upright(tmp_path_factory):
    """48 photos, of which each class has a bright upper half: turned they look different."""
    root = make_photos(tmp_path_factory.mktemp("phone") / "photos", dict.fromkeys(CLASSES, 16))
    for path in root.rglob("*.png"):
        pixels = np.array(Image.open(path))
        pixels[: len(pixels) // 2] //= 4
        Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def turned(upright, tmp_path_factory):
    return turned_copy(upright, tmp_path_factory.mktemp("phone") / "photos")


@pytest.fixture
def run_of(train_tool, tmp_path):
    """Train on a folder; return its work directory and what was shown."""

    def run(photos, name, *options):
        flags = ("--cfg-options", "train_cfg.max_epochs=1", "data.views=1", *options)
        ended = train_tool(*flags, data=photos, work_dir=tmp_path / name)
        assert ended.status == 0, ended.err
        return tmp_path / name, ended.out + ended.err

    return run


def outputs(folder, images):
    clf = plp.load(folder, device="cpu")
    return [(one.label, one.probabilities, one.ood_score) for one in clf.predict(images)]


def test_phone_photos_give_what_upright_ones_give(upright, turned, run_of, tmp_path, tiny_config):
    cache = f"data.feature_cache={tmp_path / 'features'}"
    plain, _ = run_of(upright, "plain", cache)
    phone, shown = run_of(turned, "phone", cache)
    assert "EXIF orientation" not in shown
    assert read_result(phone)["accuracy"] == read_result(plain)["accuracy"]
    assert read_result(phone)["config"]["data"]["exif"] is True
    assert load_checkpoint(phone).info["config"]["data"]["exif"] is True
    listed = [sorted(root.rglob("*.png")) for root in (upright, turned)]
    assert len(listed[0]) == 48
    expected = outputs(plain, listed[0])
    assert outputs(phone, listed[0]) == outputs(phone, listed[1]) == expected
    clf = plp.load(phone, device="cpu")
    with Image.open(listed[1][0]) as image:  # a PIL image that still has its tag
        assert clf.predict(image)[0].probabilities == clf.predict(listed[1][0])[0].probabilities
    whys = [clf.explain(paths[0]) for paths in listed]
    np.testing.assert_array_equal(whys[0].plan, whys[1].plan)
    assert whys[0].image_size == whys[1].image_size
    choices = Choices("folder", str(turned), 4)
    report, _ = evaluate_checkpoint(tiny_config, phone, choices, device="cpu")
    tested = {name: round(value, 4) for name, value in report.accuracy.items()}
    assert tested == read_result(plain)["accuracy"]
    scores = [
        evaluate_ood(tiny_config, phone, {"far": root}, choices, scores=["MCM"], device="cpu",
                     out=tmp_path / f"ood{number}").metrics["MCM"]["far"]
        for number, root in enumerate((upright / "bee", turned / "bee"))
    ]  # fmt: skip
    assert scores[0] == scores[1]


@pytest.mark.slow
def test_off_is_kept_followed_and_warned_of_with_a_count(
    turned, upright, run_of, tmp_path, tiny_config, caplog
):
    cache = f"data.feature_cache={tmp_path / 'features'}"
    run_of(turned, "on", cache)
    off, shown = run_of(turned, "off", cache, "data.exif=False")
    assert "34 of 45 images carry an EXIF orientation" in shown.replace("\n", " ")
    assert "data.exif=True turns them upright" in shown
    assert any("EXIF orientation" in note for note in read_result(off)["notes"])
    listed = sorted(turned.rglob("*.png"))
    stripped = []
    for number, path in enumerate(listed):
        Image.fromarray(np.array(Image.open(path))).save(tmp_path / f"{number}.png")
        stripped.append(tmp_path / f"{number}.png")
    plain = outputs(off, stripped)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "plp"):
        assert outputs(off, listed) == plain
    assert [r.getMessage() for r in caplog.records if "36 of 48 images" in r.getMessage()]
    assert outputs(tmp_path / "on", listed) != outputs(tmp_path / "on", stripped)
    choices = Choices("folder", str(turned), 4)
    caplog.clear()
    with caplog.at_level(logging.WARNING, "plp"):
        _, result = evaluate_checkpoint(tiny_config, off, choices, device="cpu")
    assert result["config"]["data"]["exif"] is False
    assert caplog.text.count("carry an EXIF orientation") == 1
    caplog.clear()
    asked = choices._replace(options={"data.exif": True})
    with caplog.at_level(logging.WARNING, "plp"):
        _, result = evaluate_checkpoint(tiny_config, off, asked, device="cpu")
    assert result["config"]["data"]["exif"] is True
    assert "not as in training: data.exif was False, is True" in caplog.text


def test_a_checkpoint_without_the_key_ignores_orientation(turned, run_of, tmp_path):
    folder, _ = run_of(turned, "run")
    clf = plp.load(folder, device="cpu")
    assert clf.reading.exif
    clf.info["config"]["data"].pop("exif")
    clf.save(tmp_path / "old.safetensors")
    assert not plp.load(tmp_path / "old.safetensors", device="cpu", trust_header=True).reading.exif


@pytest.mark.slow
def test_twelve_bits_are_noticed_and_a_range_makes_them_eight_bit_ones(upright, run_of, tmp_path):
    deep, grey = tmp_path / "deep", tmp_path / "grey"
    for path in sorted(upright.rglob("*.png")):
        values = np.asarray(Image.open(path).convert("L")).astype(np.uint16)
        for root, pixels in ((deep, values * 16), (grey, values.astype(np.uint8))):
            (root / path.parent.name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(root / path.parent.name / path.name)
    _, shown = run_of(deep, "dark")
    assert "the 12 16-bit shots never exceed 4095 (values seen:" in shown.replace("\n", " ")
    assert "data.value_range=[0,4095]" in shown
    scaled, shown = run_of(deep, "scaled", "data.value_range=[0,4080]")
    assert "never exceed" not in shown
    plain, _ = run_of(grey, "eight")
    assert read_result(scaled)["accuracy"] == read_result(plain)["accuracy"]
    assert read_result(scaled)["config"]["data"]["value_range"] == [0, 4080]
    listed = [sorted(root.rglob("*.png")) for root in (deep, grey)]
    assert outputs(scaled, listed[0]) == outputs(plain, listed[1])
    arrays = [np.asarray(Image.open(path))[..., None].repeat(3, -1) for path in listed[0][:3]]
    assert outputs(scaled, arrays) == outputs(plain, listed[1][:3])
    _, shown = run_of(deep, "cut", "data.value_range=[0,1000]")
    assert "have values beyond data.value_range=[0,1000]" in shown.replace("\n", " ")
    _, shown = run_of(grey, "none", "data.value_range=[0,1000]")
    assert "applies to none of the shots" in shown


def test_auto_is_settled_by_the_data_source(tiny_config, photos):
    config = load_config(tiny_config)
    for source, expected in ((Choices("folder", str(photos)), True), (Choices("textile"), False)):
        assert choose(config, source)[0].data.exif is expected
        for value in (True, False):
            asked = source._replace(options={"data.exif": value})
            assert choose(config, asked)[0].data.exif is value
        auto = source._replace(options={"data.exif": "auto"}, trained_data={"exif": not expected})
        assert choose(config, auto)[0].data.exif is not expected
        assert choose(config, source._replace(trained_data={}))[0].data.exif is False


@pytest.mark.parametrize(
    "option",
    [{"exif": "yes"}, {"exif": 1}, {"value_range": 4095}, {"value_range": [0]},
     {"value_range": [5, 5]}, {"value_range": [0, float("nan")]}, {"value_range": "0-4095"}],
)  # fmt: skip
def test_other_values_are_refused(tiny_config, option):
    ((key, value),) = option.items()
    with pytest.raises(ConfigError, match=f"data.*{key}"):
        choose(load_config(tiny_config), Choices("textile", options={f"data.{key}": value}))


def test_states_and_runs_of_before_the_keys_are_of_the_usual_kind():
    assert same_in_all_runs({"exif": False, "value_range": None, "shots": 4}) == {"shots": 4}
    assert same_in_all_runs({"exif": True, "value_range": [0, 9]}) == {
        "exif": True, "value_range": [0, 9],
    }  # fmt: skip


def test_a_description_says_how_files_are_read(turned, run_of):
    from plp.export.description import describe
    from plp.export.program import ClassifierProgram
    from plp.scoring.validation import scores_of

    folder, _ = run_of(turned, "run", "data.value_range=[0,4095]")
    clf = plp.load(folder, device="cpu")
    program = ClassifierProgram(clf.learner, scores_of(clf.learner)[clf.score], None, None)
    found = json.loads(json.dumps(describe(clf, program)))["preprocessing"]
    assert (found["exif_orientation"], found["value_range"]) == ("applied", [0, 4095])
