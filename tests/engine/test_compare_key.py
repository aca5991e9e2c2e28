"""A key changes with everything a number depends on, and with nothing else."""

import os
import shutil
from pathlib import Path

import pytest
import torch
from tiny_runs import CLASSES, make_photos

import plp
from plp.engine.result import versions
from plp.errors import ConfigError
from plp.sweeps.compare import Wanted, digests, make_plan
from plp.sweeps.compare.digests import code_digest
from plp.sweeps.compare.key import key_of

MODULE = "custom_imports = dict(imports=['{}'])\n"


@pytest.fixture
def insects(tmp_path):
    """A folder of images of the test's own."""
    return make_photos(tmp_path / "insects", dict.fromkeys(CLASSES, 8))


@pytest.fixture
def parts_of(tiny_config, insects, tmp_path):
    """Return the digests of one job."""

    def parts(config=tiny_config, data=insects, shots=2, seed=1, amp=None, **options):
        options = {key.replace("__", "."): value for key, value in options.items()}
        wanted = Wanted([str(config)], [f"mine={data}"], [shots], [seed], out=tmp_path / "out",
                        device="cpu", amp=amp, options=options)  # fmt: skip
        return dict(make_plan(wanted).jobs[0].parts)

    return parts


def swap(path):
    """Change what stands in a file and not how long it is."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def changed(one, other):
    assert (key_of(one) == key_of(other)) == (one == other)
    return {name for name in one if one[name] != other[name]}


def test_nothing_changed(parts_of):
    assert parts_of() == parts_of()


CHANGES = {  # what they change of the key
    ("config",): [
        {"optim_wrapper__optimizer__lr": 0.051},
        {"train_cfg__max_epochs": 5},
        {"model__branches__local__selector__k": 9},
        {"data__batch_size": 6},
        {"selection": "val"},
        {"amp": "bf16"},
    ],
    # what no number depends on
    (): [
        {"data__num_workers": 1},
        {"data__verify": False},
        {"save_seconds": 99},
        {"work_dir": "elsewhere"},
    ],
    # the draw
    ("config", "data"): [{"seed": 2}, {"shots": 1}, {"data__sampler": "stratified"}],
}


@pytest.mark.parametrize("parts", CHANGES, ids="-".join)
def test_settings(parts_of, parts):
    before = parts_of()
    found = {str(one): changed(before, parts_of(**one)) for one in CHANGES[parts]}
    assert found == {one: set(parts) for one in found}


def test_moving_the_data_changes_nothing(parts_of, insects, tmp_path):
    before = parts_of()
    moved = tmp_path / "elsewhere" / "insects"
    shutil.copytree(insects, moved)
    assert changed(before, parts_of(data=moved)) == set()


EDITS = {  # of the images, one after the other
    "image new": lambda root: shutil.copy(root / "bee" / "000.png", root / "bee" / "999.png"),
    "image gone": lambda root: (root / "bee" / "999.png").unlink(),
    "same size": lambda root: swap(root / "ant" / "000.png"),
    "images replaced": lambda root: [
        path.write_bytes(path.read_bytes() + b"x") for path in root.rglob("*.png")
    ],
    "class new": lambda root: (
        make_photos(root.parent / "more", {"others": 40, "wasp": 4})
        and shutil.move(root.parent / "more/wasp", root)
    ),
    "class renamed": lambda root: (root / "ant").rename(root / "aunt"),
}


def test_data(parts_of, insects):
    before, found = parts_of(), {}
    for name, edit in EDITS.items():
        edit(insects)
        now = parts_of()
        found[name] = changed(before, now)
        before = now
    assert found == {name: {"data"} for name in EDITS}


def test_weights_count_by_content_not_by_place(parts_of, tiny_file, tmp_path):
    before = parts_of()
    copy = tmp_path / "copy.pt"
    shutil.copy(tiny_file, copy)
    assert changed(before, parts_of(model__backbone__pretrained=str(copy))) == set()
    with open(copy, "ab") as file:
        file.write(b"x")
    assert changed(before, parts_of(model__backbone__pretrained=str(copy))) == {"config"}


def test_torch(parts_of, monkeypatch):
    before = parts_of()
    major, minor = torch.__version__.split(".")[:2]
    monkeypatch.setattr(torch, "__version__", f"{major}.{minor}.77+other")
    assert changed(before, parts_of()) == set()
    monkeypatch.setattr(torch, "__version__", f"{major}.{int(minor) + 1}.0")
    assert changed(before, parts_of()) == {"torch"}


def test_other_packages(parts_of, monkeypatch):
    before, found = parts_of(), versions()
    for package in ("timm", "pillow", "scikit-learn", "mmengine"):
        major, minor = found[package].split(".")[:2]
        for other, parts in ((f"{minor}.77", set()), (f"{minor}9.0", {"packages"})):
            changes = {package: f"{major}.{other}"}
            monkeypatch.setattr(digests, "versions", lambda changes=changes: found | changes)
            assert changed(before, parts_of()) == parts, changes


def test_modules_of_the_users_own(parts_of, config_with, monkeypatch):
    config = config_with(MODULE.format("own_component_of_key_test"))
    module = config.with_name("own_component_of_key_test.py")
    monkeypatch.syspath_prepend(str(config.parent))
    module.write_text("x = 1\n")
    before = parts_of(config=config)
    module.write_text("x = 2\n")
    assert changed(before, parts_of(config=config)) == {"modules"}


def test_packages_of_the_users_own(parts_of, config_with, monkeypatch):
    config = config_with(MODULE.format("own_package_of_key_test"))
    package = config.with_name("own_package_of_key_test")
    (package / "inner").mkdir(parents=True)
    monkeypatch.syspath_prepend(str(config.parent))
    (package / "__init__.py").write_text("")
    before = parts_of(config=config)
    (package / "inner" / "part.py").write_text("x = 2\n")
    assert changed(before, parts_of(config=config)) == {"modules"}


def test_the_run_that_a_run_starts_from(parts_of, config_with, trained, tmp_path):
    first = tmp_path / "first" / "mine_2shot_seed1"
    shutil.copytree(trained, first)
    start = tmp_path / "first"
    config = config_with(f"init_from = {str(start)!r} + '/mine_{{shots}}shot_seed{{seed}}'\n")
    before = parts_of(config=config)
    assert changed(before, parts_of(config=config)) == set()
    shutil.copytree(first, tmp_path / "moved" / first.name)
    moved = f"{tmp_path}/moved/mine_{{shots}}shot_seed{{seed}}"
    assert changed(before, parts_of(config=config, init_from=moved)) == set()
    swap(first / "model.safetensors")
    assert changed(before, parts_of(config=config)) == {"init_from"}
    with pytest.raises(ConfigError, match="trained first, in a call of its own"):
        parts_of(config=config, seed=7)
    assert "init_from" not in parts_of()


def test_a_module_that_is_gone_is_named(parts_of, config_with):
    with pytest.raises(ConfigError, match="no_such_module_of_key_test"):
        parts_of(config=config_with(MODULE.format("no_such_module_of_key_test")))


@pytest.fixture
def sources(tmp_path, monkeypatch):
    """A copy of plp's sources, which `code_digest` takes for plp."""
    here = Path(plp.__file__).parent
    copy = shutil.copytree(here, tmp_path / "plp", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(digests, "FOLDER", copy)
    return copy


@pytest.mark.parametrize("file", ["aligners/sinkhorn.py", "engine/train.py", "__init__.py"])
def test_code(sources, parts_of, file):
    before = parts_of()
    with open(sources / file, "a") as edited:
        edited.write("# edited\n")
    assert changed(before, parts_of()) == {"code"}


def test_a_new_file_is_code(sources):
    before = code_digest()
    (sources / "aligners" / "new.py").write_text("")
    assert code_digest() != before


@pytest.mark.parametrize(
    "file", ["cli/compare.py", "sweeps/compare/pool.py", "results/tables.py", "testing/laws.py"]
)
def test_code_that_enters_no_number(sources, file):
    before = code_digest()
    with open(sources / file, "a") as edited:
        edited.write("# edited\n")
    assert code_digest() == before


def test_an_image_replaced_with_its_size_and_time(parts_of, insects):
    before, path = parts_of(), insects / "ant/000.png"
    state = path.stat()
    swap(path)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert changed(before, parts_of()) == {"data"}


def test_weights_replaced_with_their_size_and_time(parts_of, tiny_file, tmp_path):
    weights = shutil.copy(tiny_file, tmp_path / "weights.pt")
    before = parts_of(model__backbone__pretrained=str(weights))
    state = weights.stat()
    swap(weights)
    os.utime(weights, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert changed(before, parts_of(model__backbone__pretrained=str(weights))) == {"config"}
