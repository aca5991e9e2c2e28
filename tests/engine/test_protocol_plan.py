"""From flags to trainings and tests: what is tested where, and what makes it run again."""

import pytest
from image_trees import grow
from tiny_runs import make_photos, write_config

from plp.config.load import choose, load_config
from plp.datasets import BENCHMARKS
from plp.datasets.imagenet_classes import synsets
from plp.errors import ConfigError
from plp.sweeps.compare import Wanted
from plp.sweeps.protocols import Asked, plan_protocol

FIVE = ("ant", "bee", "cat", "dog", "elk")


@pytest.fixture(scope="module")
def coop(root, tiny_backbone, tmp_path_factory):
    path = tmp_path_factory.mktemp("methods") / "coop.py"
    return write_config(path, root / "configs/coop/vitb16_16shot.py", tiny_backbone)


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    """A data root with ImageNet, V2 and A, an image per class and part."""
    root = tmp_path_factory.mktemp("data")
    shown = [f"{part}/{one}/0.JPEG" for one in synsets() for part in ("train", "val")]
    grow(root / "imagenet/images", shown)
    for name, classes in {"imagenetv2": range(1000), "imagenet_a": synsets()[:1000:5]}.items():
        facts = BENCHMARKS[name]
        grow(root / facts.folder / facts.images, [f"{one}/0.jpg" for one in classes])
    return root


@pytest.fixture
def animals(tmp_path):
    return make_photos(tmp_path / "animals", dict.fromkeys(FIVE, 6))


def planned(protocol, config, datasets, out, *, options=None, seeds=(1,), **more):
    wanted = Wanted([str(config)], datasets, [2], seeds, out=out, device="cpu", options=options)
    return plan_protocol(Asked(protocol, wanted, **more))


def test_shifts_have_the_classes_and_the_recipe_of_imagenet(coop, field, tmp_path):
    targets = [f"{name}={field}" for name in ("imagenetv2", "imagenet_a")]
    plan = planned("domain", coop, [f"imagenet={field}"], tmp_path, targets=targets)
    assert [job.dataset for job in plan.tests] == list(plan.targets) == ["imagenetv2", "imagenet_a"]
    for job in plan.tests:
        assert (job.task.classes, job.task.recipe_of) == ("subset", "imagenet")
        assert job.task.trained == plan.trainings.jobs[0].folder
        _, _, recipe = choose(load_config(job.config), job.choices)
        assert recipe == {"train_cfg.max_epochs": 50}


def test_half_of_the_classes_is_in_the_config(coop, animals, tmp_path):
    plan = planned("base-to-new", coop, [f"zoo={animals}"], tmp_path / "out", seeds=(1, 2))
    assert [job.dataset for job in plan.trainings.jobs] == ["zoo-base"] * 2
    assert [job.dataset for job in plan.tests] == ["zoo-new"] * 2
    for train, test in zip(plan.trainings.jobs, plan.tests, strict=True):
        assert train.options["data.classes"] == "base"
        assert (test.options["data.classes"], test.task.classes) == ("new", "new")
        assert train.parts["data"] != test.parts["data"]
        assert (train.seed, train.folder) == (test.seed, test.task.trained)
    titles = [job.title for job in (*plan.trainings.jobs, *plan.tests)]
    assert len(set(titles)) == 4
    assert titles[2].endswith("zoo-new 2 shots seed 1, trained on zoo-base")


def test_a_test_depends_on_its_training_and_on_the_images_of_its_sets(coop, animals, tmp_path):
    def parts(**more):
        plan = planned("ood", coop, [f"zoo={animals}"], tmp_path / "out",
                       ood={"bugs": str(bugs)}, **more)  # fmt: skip
        return plan.tests[0].parts

    def changed(other):
        return {name for name in first if first[name] != other[name]}

    bugs = make_photos(tmp_path / "bugs", {"fly": 3})
    first = parts()
    assert changed(parts()) == set()
    assert changed(parts(near=("bugs",))) == {"ood"}
    assert changed(parts(options={"train_cfg.max_epochs": 3})) == {"config", "trained"}
    (bugs / "fly" / "001.png").write_bytes(b"shorter")
    assert changed(parts()) == {"ood"}


def test_what_was_trained_on_is_no_target(coop, animals, photos, tmp_path):
    sets = [f"zoo={animals}", f"bugs={photos}"]
    plan = planned("cross-dataset", coop, sets, tmp_path / "out", targets=sets)
    sources = {job.folder: job.dataset for job in plan.trainings.jobs}
    found = [(sources[job.task.trained], job.dataset) for job in plan.tests]
    assert found == [("zoo", "bugs"), ("bugs", "zoo")]
    with pytest.raises(ConfigError, match="'zoo' is another dataset than the one trained on"):
        planned("cross-dataset", coop, sets[:1], tmp_path / "out", targets=[f"zoo={photos}"])


def test_more_targets_leave_what_is_trained_alone(coop, animals, photos, tmp_path):
    flags = ("cross-dataset", coop, [f"zoo={animals}"], tmp_path / "out")
    one = planned(*flags, targets=[f"bugs={photos}"])
    two = planned(*flags, targets=[f"bugs={photos}", f"more={animals}"])
    assert [job.parts for job in one.trainings.jobs] == [job.parts for job in two.trainings.jobs]
    assert one.tests[0] == two.tests[0]
    assert len({job.folder for job in two.tests}) == 2


def test_a_set_that_holds_test_images_is_told_in_front_of_the_tables(coop, animals, tmp_path):
    plan = planned("ood", coop, [f"zoo={animals}"], tmp_path / "out", seeds=(1, 2),
                   ood={"same": str(animals)})  # fmt: skip
    (note,) = [note for note in plan.trainings.notes if "by content" in note]
    assert note.startswith("zoo: same, by content: 15 of 30 images are test images of the")
