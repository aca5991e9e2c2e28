"""From flags to jobs: methods, datasets, numbers, what they are called, where they run."""

import errno
import json
import logging
import shutil
import sys
from pathlib import Path

import pytest
from tiny_runs import CLASSES, make_photos

from plp.errors import ConfigError, DataError, PlpError
from plp.sweeps.compare import Wanted, find_methods, make_plan
from plp.sweeps.compare.compare import only_one, run_missing
from plp.sweeps.compare.methods import _distinct
from plp.sweeps.compare.progress import Durations
from plp.sweeps.compare.sources import find_datasets
from plp.sweeps.compare.worker import Outcome


@pytest.fixture
def configs(tmp_path):
    """A folder of configs with two methods; nothing reads what is in them."""
    for name in ("coop/lite_16shot", "coop/lite_16shot_end", "sotglp/vitb16_16shot", "_base_/x"):
        path = tmp_path / "configs" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path / "configs"


@pytest.fixture(scope="module")
def textures(tmp_path_factory):
    """A dataset in CoOp's layout."""
    root = tmp_path_factory.mktemp("textures")
    make_photos(root / "images", dict.fromkeys(CLASSES, 6))
    rows = [[f"{name}/{i:03d}.png", c, name] for c, name in enumerate(CLASSES) for i in range(6)]
    parts = {"train": rows[::2], "test": rows[1::2]}
    (root / "split_zhou_DescribableTextures.json").write_text(json.dumps(parts))
    return root


def names(methods):
    return [(method.name, method.folder.as_posix()) for method in methods]


def test_methods_by_folder_variant_and_path(configs, tmp_path):
    own = tmp_path / "my" / "idea.py"
    own.parent.mkdir()
    own.write_text("")
    found = find_methods(["coop", "coop/lite_16shot_end", str(own)], configs=configs)
    assert names(found) == [
        ("coop", "coop/lite_16shot"),
        ("coop/lite_16shot_end", "coop/lite_16shot_end"),
        ("my/idea", "my/idea"),
    ]
    assert found[2].config == own.resolve()


def test_another_variant_has_runs_of_its_own(configs):
    assert names(find_methods(["sotglp"], "vitb16_16shot", configs)) == [
        ("sotglp", "sotglp/vitb16_16shot")
    ]


def test_methods_without_the_usual_config_take_the_one_they_share(configs, caplog):
    with caplog.at_level(logging.INFO, "plp"):
        found = find_methods(["sotglp", "coop/lite_16shot_end"], configs=configs)
    assert names(found)[0] == ("sotglp", "sotglp/vitb16_16shot")
    assert "sotglp has no config lite_16shot: taking sotglp/vitb16_16shot" in caplog.text
    (configs / "coop" / "vitb16_16shot.py").write_text("")
    with pytest.raises(ConfigError, match="All these methods have vitb16_16shot: add --variant vi"):
        find_methods(["coop", "sotglp"], configs=configs)  # not two backbones unasked
    found = find_methods(["coop", "sotglp"], "vitb16_16shot", configs)
    assert {method.config.stem for method in found} == {"vitb16_16shot"}


def test_the_path_of_a_methods_config_is_that_method(configs):
    found = find_methods([str(configs / "coop" / "lite_16shot.py")], configs=configs)
    assert names(found) == [("coop", "coop/lite_16shot")]


def test_files_of_one_name_are_told_apart_whatever_their_order(configs, tmp_path):
    paths = []
    for parent in ("a", "b"):
        path = tmp_path / parent / "my" / "idea.py"
        path.parent.mkdir(parents=True)
        path.write_text("")
        paths.append(str(path))
    forth, back = find_methods(paths, configs=configs), find_methods(paths[::-1], configs=configs)
    assert names(forth) == [("a-my/idea", "a-my/idea"), ("b-my/idea", "b-my/idea")]
    assert names(back) == names(forth)[::-1]


def test_files_that_differ_in_their_suffix_or_lie_at_the_root():
    same, plain = [Path("/w/my/x.py"), Path("/w/my/x.json")], Path("/w/coop/lite.py")
    assert _distinct([*same, plain]) == [Path("my/x.py"), Path("my/x.json"), Path("coop/lite")]
    for files in ([Path("/x.py")], [Path("/configs/x.py"), Path("/work/configs/x.py")]):
        found = _distinct(files)
        assert len(set(found)) == len(files)
        assert not any(one.is_absolute() for one in found), "runs stay below --out"


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        (["cop"], "method 'cop' is not known. Did you mean 'coop'? Known: coop, sotglp"),
        (["coop", "nowhere.py"], "--methods: no such file: 'nowhere.py'."),
        (["my/idea.py"], "no such file: 'my/idea.py'. There is no folder 'my'."),
        (["a/b/idea"], "no such file: 'a/b/idea'."),
        (["coop", "sotglp"], "without a config 'lite_16shot' ('sotglp' has: vitb16_16shot)"),
        (["coop", "sotglp"], "Name the config that is meant, such as sotglp/vitb16_16shot"),
        (["coop/end"], "method 'coop' has no config 'end'. It has: lite_16shot"),
        (["coop", "coop/lite_16shot"], "'coop' and 'coop/lite_16shot' are one"),
    ],
)
def test_methods_that_are_none(configs, asked, part):
    with pytest.raises(ConfigError) as caught:
        find_methods(asked, configs=configs)
    assert part in str(caught.value)


def test_data_sets(photos, textures):
    asked = [
        "textile",
        f"mine={photos}",
        f"folder={photos}",
        f"flat={textures}",
        f"coop={textures}",
    ]
    assert [tuple(choice) for choice in find_datasets(asked)] == [
        ("textile", "textile", None),
        ("mine", "folder", str(photos)),
        ("insects", "folder", str(photos)),
        ("flat", "coop", str(textures)),
        ("dtd", "coop", str(textures)),  # from the name of its split file
    ]


@pytest.mark.parametrize(
    ("asked", "kind", "part"),
    [
        (["dtdd"], ConfigError, "'dtdd' is not registered: give its folder, dtdd=ROOT"),
        (["/my/photos"], ConfigError, "give its folder, photos=ROOT"),
        (["mine=nowhere"], DataError, "no such folder: 'nowhere'"),
        (["=x"], ConfigError, "expected NAME or NAME=ROOT, got '=x'"),
        (["mine="], ConfigError, "expected NAME or NAME=ROOT, got 'mine='"),
        (["textile", "textile"], ConfigError, "are both called 'textile'"),
        (["folder"], ConfigError, "'folder' needs the folder of its images: folder=ROOT, or"),
        (
            ["fgvc_aircraft"],
            ConfigError,
            "needs the folder above fgvc_aircraft/: fgvc_aircraft=ROOT, or --data-root",
        ),
        (
            ["dtd"],
            ConfigError,
            "needs the folder above dtd/: dtd=ROOT, or dtd/ itself with its split file: "
            "dtd=ROOT/dtd, or --data-root ROOT for all",
        ),
        (
            ["dtdd", "textile", "mine=nowhere"],
            ConfigError,
            "2 datasets do not fit:\n  --datasets: 'dtdd' is not registered",
        ),
        (["dtdd", "mine=nowhere"], ConfigError, "\n  no such folder: 'nowhere'"),
        (["textile=."], ConfigError, "takes no --data-root"),
        (["../x=."], ConfigError, "expected a name of letters"),
    ],
)
def test_data_sets_that_are_none(asked, kind, part):
    with pytest.raises(kind) as caught:
        find_datasets(asked)
    assert part in str(caught.value)


@pytest.fixture
def wanted(tiny_config, photos, tmp_path):
    """Return what is wanted, with changes."""

    def make(**changes):
        return Wanted(
            [str(tiny_config)], [f"mine={photos}"], [1, 2], [1, 2],
            out=tmp_path / "out", device="cpu",
        )._replace(**changes)  # fmt: skip

    return make


def test_an_interrupt_loses_no_failure(wanted, monkeypatch):
    plan = make_plan(wanted())

    def outcomes(jobs):
        yield Outcome(jobs[0], "a broken image", 1.0)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules[run_missing.__module__], "run_here", outcomes)
    failures = {}
    with pytest.raises(KeyboardInterrupt):
        run_missing(plan.jobs, "cpu", 0, failures)
    assert failures == {plan.jobs[0].title: "a broken image"}


def test_a_file_system_without_locks_is_used_and_told(tmp_path, monkeypatch, caplog):
    fcntl = pytest.importorskip("fcntl")

    def lockf(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "lockf", lockf)
    with only_one(tmp_path):
        assert "start no second comparison in it" in caplog.text


def test_jobs_of_a_plan(wanted, tiny_config):
    plan = make_plan(wanted())
    method = f"{tiny_config.parent.name}/tiny"
    assert [(job.method, job.dataset, job.shots, job.seed) for job in plan.jobs] == [
        (method, "mine", 2, 1), (method, "mine", 1, 1),
        (method, "mine", 2, 2), (method, "mine", 1, 2),
    ]  # fmt: skip
    paths = [job.path.as_posix() for job in plan.jobs]
    assert paths[0] == f"runs/{method}/mine/2shot_seed1"
    assert len(set(paths)) == 4
    assert all(set(job.parts) == {"config", "data", "modules", "code", "torch", "packages"}
               for job in plan.jobs)  # fmt: skip
    assert (plan.methods, plan.datasets) == ((method,), ("mine",))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"shots": [0]}, "expected --shots to be an integer >= 1, got 0"),
        ({"shots": []}, "--shots: expected one number or more, each once, got []"),
        ({"shots": [1, 1]}, "--shots: expected one number or more, each once, got [1, 1]"),
        ({"seeds": [-1]}, "expected --seeds to be an integer >= 0, got -1"),
        ({"seeds": [3, 3]}, "--seeds: expected one number or more, each once, got [3, 3]"),
        ({"device": "cuda:77"}, "'cuda:77' is not there"),
        ({"amp": "fp16"}, "fp16 needs a GPU"),
        ({"options": {"modle.x": 1}}, "Did you mean 'model'?"),
        ({"options": {"data.batch_size": 0}}, "2 shots seed 1: expected data.batch_size"),
    ],
)
def test_plans_that_are_none(wanted, changes, part):
    with pytest.raises(PlpError) as caught:
        make_plan(wanted(**changes))
    assert part in str(caught.value)


UNTRAINED = "train_cfg = dict(max_epochs=0)\n"


@pytest.mark.parametrize(
    ("config", "options"),
    [
        (UNTRAINED, {"train_cfg.max_epochs": 3}),
        (UNTRAINED, {"train_cfg": {"max_epochs": 3}}),
        (
            "recipes = dict(insects={'train_cfg.max_epochs': 0})\n",
            {"train_cfg.max_epochs": 3, "dataset.name": "insects"},
        ),
    ],
    ids=["an entry", "a section", "by a recipe"],
)
def test_epochs_for_a_method_that_trains_nothing(wanted, config_with, tiny_config, config, options):
    """It runs as without them, which is reported once; the others take them."""
    asked = [str(tiny_config), str(config_with(config))]
    plan = make_plan(wanted(methods=asked, options={**options, "data.batch_size": 3}))
    named = {key: value for key, value in options.items() if key.startswith("dataset.")}
    alone = make_plan(wanted(methods=asked[1:], options={**named, "data.batch_size": 3}))
    name = plan.methods[1]
    assert {j.folder: j.parts for j in plan.jobs if j.method == name} == {
        j.folder: j.parts for j in alone.jobs
    }
    assert all(options.items() <= j.options.items() for j in plan.jobs if j.method != name)
    (said,) = plan.notes
    key, value = next(iter(options.items()))
    assert said == (
        f"{name} trains nothing (max_epochs is 0 in its config) and runs without {key}={value}."
    )
    assert not alone.notes


def test_several_that_train_nothing_are_reported_together(wanted, config_with):
    methods = [str(config_with(UNTRAINED)), str(config_with(UNTRAINED + "selection = 'last'\n"))]
    options = {"train_cfg.max_epochs": 3, "optim_wrapper.optimizer.lr": 0.1}
    plan = make_plan(wanted(methods=methods, options=options))
    (said,) = plan.notes
    assert said.startswith(", ".join(plan.methods) + " train nothing")
    assert said.endswith("run without train_cfg.max_epochs=3, optim_wrapper.optimizer.lr=0.1.")


@pytest.mark.parametrize("options", [{"train_cfg.max_epochs": 0}, {"train_cfg.val_interval": 1}])
def test_other_options_fit_a_method_that_trains_nothing(wanted, config_with, options):
    assert make_plan(wanted(methods=[str(config_with(UNTRAINED))], options=options)).jobs


def test_out_that_is_a_file(wanted, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match=r"--out: cannot write a folder .* expected a folder"):
        make_plan(wanted(out=tmp_path / "file"))


@pytest.mark.parametrize(
    ("options", "config", "cached"),
    [
        ({}, "", False),  # a new augmentation each epoch
        ({"data.views": 1}, "", True),
        ({}, "data['views'] = 2\n", True),
        ({"data.views": "epoch"}, "data['views'] = 2\n", False),
        ({}, "data['views'] = 2\ndata['feature_cache'] = False\n", False),
    ],
)
def test_features_of_fixed_views_go_through_the_disk(wanted, config_with, options, config, cached):
    jobs = make_plan(wanted(methods=[str(config_with(config))], options=options)).jobs
    assert all(job.options.get("data.feature_cache", False) is cached for job in jobs)


@pytest.mark.parametrize("said", [False, "features"])
def test_what_the_user_says_about_the_cache_holds(wanted, said):
    options = {"data.views": 1, "data.feature_cache": said}
    jobs = make_plan(wanted(options=options)).jobs
    assert all(job.options["data.feature_cache"] == said for job in jobs)


def test_classes_with_fewer_images_than_shots_are_told_once(wanted, tiny_config):
    assert make_plan(wanted()).notes == ()
    told = "3 of 3 classes with fewer than {} training images: "
    found = make_plan(wanted(shots=[1, 7, 16])).notes  # of six images per class, for two seeds
    assert [note.partition("images: ")[0] + "images: " for note in found] == [
        f"mine, 16 shots: {told.format(16)}",
        f"mine, 7 shots: {told.format(7)}",
    ]
    by_size = wanted(shots=[5], options={"data.sampler": "stratified"})
    assert make_plan(by_size).notes == ()  # each draw has others


def test_a_near_file_is_named(configs):
    file = configs / "coop" / "lite_16sho.py"
    with pytest.raises(ConfigError, match=r"no such file: .*Did you mean 'lite_16shot.py'"):
        find_methods([str(file)], configs=configs)


def test_each_data_set_is_listed_once(wanted, monkeypatch):
    from plp.datasets import Folder

    listed = []
    splits = Folder.splits
    monkeypatch.setattr(Folder, "splits", lambda self: listed.append(1) or splits(self))
    assert len(make_plan(wanted(seeds=[1, 2, 3])).jobs) == 6
    assert len(listed) == 1


def test_long_jobs_first_once_durations_are_known(wanted):
    jobs = make_plan(wanted(shots=[1, 2, 4])).jobs[:3]
    durations = Durations()
    assert durations.order(jobs) == jobs
    assert durations.left(jobs, 1) is None
    by_shots = {job.shots: job for job in jobs}
    for shots, seconds in ((1, 30.0), (1, 50.0), (2, 7.0), (4, 9.0)):
        durations.add(by_shots[shots], seconds)
    assert [job.shots for job in durations.order(jobs)] == [1, 4, 2]
    new = by_shots[4]._replace(method="new")
    assert durations.order([*jobs, new])[0] is new
    assert durations.left(jobs, 2) == pytest.approx((40.0 + 7.0 + 9.0) / 2)
    assert durations.estimate(new.method, "mine", 4) is None
    assert durations.left([new], 1) == pytest.approx(19.5)  # the median of 7, 9, 30, 50


def test_paths_of_jobs_do_not_lie_in_each_other(wanted, tiny_config, tmp_path):
    copy = tmp_path / "tiny" / "mine.py"
    copy.parent.mkdir()
    copy.write_text(Path(tiny_config).read_text())
    paths = {job.path for job in make_plan(wanted(methods=[str(tiny_config), str(copy)])).jobs}
    assert len(paths) == 8
    assert not any(one in other.parents for one in paths for other in paths)


@pytest.mark.parametrize(
    ("asked", "expected"), [(None, 4), ("", 4), ("1", 1), ("3", 3), ("0", 4), ("many", 4)]
)
def test_threads_of_a_worker(monkeypatch, asked, expected):
    """A share of the cores, or what OMP_NUM_THREADS says."""
    from plp.sweeps.compare.compare import _threads

    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    if asked is not None:
        monkeypatch.setenv("OMP_NUM_THREADS", asked)
    assert _threads(8, 2) == expected
    assert _threads(1, 2) == (1 if expected == 4 else expected)


def test_what_stands_twice_is_told_once_for_a_dataset(tiny_config, tmp_path):
    photos = make_photos(tmp_path / "photos", dict.fromkeys(CLASSES, 8))
    parts = tmp_path / "parts"
    for part in ("train", "test"):
        shutil.copytree(photos, parts / part)
    wanted = Wanted([str(tiny_config)], [f"mine={parts}"], [1, 2], [1, 2], out=tmp_path / "out")
    notes = [note for note in make_plan(wanted).notes if "test images" in note]
    assert len(notes) == 1
    assert "24 of 24 test images are also training images: 'test/ant/000.png' is" in notes[0]


def test_an_image_in_two_classes_is_refused_before_anything_runs(tiny_config, tmp_path):
    photos = make_photos(tmp_path / "photos", dict.fromkeys(CLASSES, 4))
    shutil.copy(photos / "ant/000.png", photos / "bee/more.png")
    wanted = Wanted([str(tiny_config)], [f"mine={photos}"], [1], [1], out=tmp_path / "out")
    with pytest.raises(DataError, match="1 image stands in several classes"):
        make_plan(wanted)
    options = {"data.two_labels": "report"}
    assert "in several classes" in make_plan(wanted._replace(options=options)).notes[-1]
