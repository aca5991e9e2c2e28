"""`plp list --backbones`: every short name, filtered by words, without torch."""

import subprocess
import sys

import pytest

from plp.cli import listing
from plp.cli.backbones import table
from plp.errors import ConfigError
from plp.zoo import ENTRIES
from plp.zoo import cached as caches


@pytest.fixture
def no_caches(monkeypatch, tmp_path):
    monkeypatch.setattr(caches, "in_hub_cache", lambda repository, names: None)
    monkeypatch.setattr(caches, "in_url_cache", lambda url: None)


def names_in(text):
    return [line.split()[0] for line in text.splitlines() if line.startswith("  ")][1:]


@pytest.mark.usefixtures("no_caches")
def test_every_name_has_a_line_with_what_it_stands_for(capsys):
    listing.main(["--backbones"])
    text = capsys.readouterr().out
    assert sorted(names_in(text)) == sorted(ENTRIES)
    for entry in ENTRIES.values():
        (line,) = [one for one in text.splitlines() if one.split()[:1] == [entry.name]]
        for part in (
            entry.full_name.replace("lite", "LiteBackbone"),
            entry.licence,
            *entry.streams,
        ):
            assert part in line
    assert f"{len(ENTRIES)} backbones, weights of" in text


@pytest.mark.parametrize(
    ("words", "some", "others"),
    [
        (["siglip2", "384"], "siglip2-b16-384", "siglip2-b16"),
        (["Multilingual", "vv"], "nllb-clip-b", "vit-b16"),
        (["medicine"], "biomedclip", "bioclip"),
        (["mit", "convolutional"], None, None),
    ],
)
@pytest.mark.usefixtures("no_caches")
def test_words_filter(words, some, others):
    if some is None:
        with pytest.raises(ConfigError, match="no backbone has 'mit' and 'convolutional'"):
            table(words)
        return
    found = names_in(table(words))
    assert some in found
    assert others not in found


def test_a_word_that_is_none_gets_the_nearest_name():
    with pytest.raises(ConfigError, match=r"Did you mean 'siglip2-b16'"):
        table(["siglp2-b16"])


@pytest.mark.parametrize(
    ("name", "repository", "file"),
    [
        ("vit-b16", "timm/vit_base_patch16_clip_224.openai", "open_clip_model.safetensors"),
        ("siglip2-b16", "timm/ViT-B-16-SigLIP2", "open_clip_pytorch_model.bin"),
        ("vitamin-s", "jienengchen/ViTamin-S", "pytorch_model.bin"),
        ("bioclip", "imageomics/bioclip", "open_clip_model.safetensors"),
        ("git-rsclip", "lcybuaa/Git-RSCLIP", "model.safetensors"),
        ("dinov2-s14", "timm/vit_small_patch14_dinov2.lvd142m", "model.safetensors"),
    ],
)
def test_weights_in_the_hubs_cache_are_seen(name, repository, file, tmp_path, monkeypatch):
    real = caches.in_hub_cache
    monkeypatch.setattr(
        caches, "in_hub_cache", lambda repository, names: real(repository, names, str(tmp_path))
    )
    monkeypatch.setattr(caches, "in_url_cache", lambda url: None)
    assert caches.weights_here(ENTRIES[name]) == ""
    folder = tmp_path / f"models--{repository.replace('/', '--')}"
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc" / file).write_text("x")
    assert caches.weights_here(ENTRIES[name]).endswith(file)
    assert table([name, "cached"])


def test_a_file_of_clips_own_cache_is_seen(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(caches, "in_hub_cache", lambda repository, names: None)
    assert caches.weights_here(ENTRIES["vit-b32"]) == ""
    (tmp_path / ".cache/clip").mkdir(parents=True)
    (tmp_path / ".cache/clip/ViT-B-32.pt").write_text("x")
    assert caches.weights_here(ENTRIES["vit-b32"]).endswith("ViT-B-32.pt")


def test_it_needs_no_torch(root):
    code = (
        "import sys; from plp.cli.main import main; main(['list', '--backbones', 'lite']); "
        "print(sorted({'torch', 'open_clip', 'mmengine'} & {*sys.modules}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
