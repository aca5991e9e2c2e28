"""Every argument of every command that is a path, and which bad paths it is given."""

from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from bad_paths import FILE_TARGETS, FILES, FOLDER_TARGETS, FOLDERS, Maker
from bad_world import World
from told import REFUSED

Argv = Sequence[object]


class Slot(NamedTuple):
    """A place for a path in a command line.

    Attributes:
        command: The command.
        argument: What the path is given to.
        kinds: Bad paths by name.
        good: What would be right, of a world.
        argv: The command line, of a world and a path.
        fine: Kinds that are no mistake here, and why.
        status: What the command ends with; a command that reports what it finds does not refuse.
        users_code: Whether the file is code of the user's.
        fine_status: As `status`, at a kind that is no mistake.
    """

    command: str
    argument: str
    kinds: Mapping[str, Maker]
    good: Callable[[World], Path]
    argv: Callable[[World, str], Argv]
    fine: Mapping[str, str] = {}
    status: int = REFUSED
    users_code: bool = False
    fine_status: int = 0


_config, _photos, _checkpoint = map(attrgetter, ("config", "photos", "checkpoint"))
_weights, _image, _split = map(attrgetter, ("weights", "image", "split"))


def _json(world: World) -> Path:
    return world.run / "result.json"


def _option(key: str, path: str) -> tuple[str, str]:
    return "--cfg-options", f"{key}={path}"


_PRETRAINED = "model.backbone.pretrained"
_UNREAD = {
    "--data-root": ("empty_folder", "hollow", "unreadable"),
    "dataset.split": ("zero_byte", "truncated", "random_bytes", "text", "utf_16", "huge",
                      "unreadable"),
}  # fmt: skip
_NEW = ("--work-dir", "new")
_FOLDER = ("--dataset", "folder", "--device", "cpu", "--data-root")
_COOP = ("--dataset", "coop", "--device", "cpu", "--data-root")


def _compare(world: World, **changes: object) -> Argv:
    flags: dict[str, object] = {
        "--methods": world.config, "--datasets": f"photos={world.photos}", "--shots": 1,
        "--seeds": 1, "--out": "new", "--device": "cpu", "--jobs": 0,
    }  # fmt: skip
    flags |= {f"--{key.replace('_', '-')}": value for key, value in changes.items()}
    return [item for pair in flags.items() for item in pair]


def _protocol(world: World, protocol: str, **changes: object) -> Argv:
    return [protocol, *_compare(world, **changes)]


def _trainings(command: str, more: Callable[[World], Argv], tail: Argv = ()) -> list[Slot]:
    """Return the slots of the flags that `add_choices` adds.

    Args:
        command: The command.
        more: What stands behind the config.
        tail: What stands last.
    """

    def slot(argument, kinds, good, argv, **others):
        return Slot(command, argument, kinds, good, lambda w, p: [*argv(w, p), *tail], **others)

    return [
        slot("config", FILES, _config, lambda w, p: [p, *more(w), *w.data], users_code=True),
        slot("--data-root", FOLDERS, _photos,
             lambda w, p: [w.config, *more(w), *_FOLDER, p]),
        slot("--data-root (coop)", FOLDERS, _photos, lambda w, p: [w.config, *more(w), *_COOP, p]),
        slot("dataset.split", FILES, _split, lambda w, p:
             [w.config, *more(w), *_COOP, w.coop, *_option("dataset.split", p)]),
        slot("dataset.image_dir", FOLDERS, _photos, lambda w, p:
             [w.config, *more(w), *_COOP, w.coop, *_option("dataset.image_dir", p)]),
    ]  # fmt: skip


def _weights_slot(command: str, tail: Callable[[World], Argv]) -> Slot:
    return Slot(command, "weights", FILES, _weights, lambda w, p:
                [w.config, *tail(w), *w.data, *_option(_PRETRAINED, p)])  # fmt: skip


def _askings(command: str, tail: Argv) -> list[Slot]:
    """Return the slots of the flags that `add_classifier` adds."""
    return [
        Slot(command, "checkpoint", FILES, _checkpoint,
             lambda w, p: [p, w.image, "--device", "cpu", *tail]),
        Slot(command, "checkpoint (work directory)", FOLDERS, lambda w: w.run,
             lambda w, p: [p, w.image, "--device", "cpu", *tail]),
        Slot(command, "image", FILES, _image,
             lambda w, p: [w.run, p, "--device", "cpu", *tail]),
        Slot(command, "image folder", {k: v for k, v in FOLDERS.items() if k != "file"}, _photos,
             lambda w, p: [w.run, p, "--device", "cpu", *tail]),
        Slot(command, "--pretrained", FILES, _weights,
             lambda w, p: [w.run, w.image, "--device", "cpu", "--pretrained", p, *tail]),
    ]  # fmt: skip


def _checkpoints(command: str, tail: Argv) -> list[Slot]:
    """Return the slots of a command that reads a checkpoint and no images."""
    return [
        Slot(command, "checkpoint", FILES, _checkpoint,
             lambda w, p: [p, "--device", "cpu", *tail]),
        Slot(command, "checkpoint (work directory)", FOLDERS, lambda w: w.run,
             lambda w, p: [p, "--device", "cpu", *tail]),
        Slot(command, "--pretrained", FILES, _weights,
             lambda w, p: [w.run, "--device", "cpu", "--pretrained", p, *tail]),
    ]  # fmt: skip


def _comparisons(command: str, start: Argv) -> list[Slot]:
    """Return the slots of the flags that `add_comparison` adds."""
    return [
        Slot(command, "--methods", FILES, _config,
             lambda w, p: [*start, *_compare(w, methods=p)], users_code=True),
        Slot(command, "--datasets NAME=ROOT", FOLDERS, _photos,
             lambda w, p: [*start, *_compare(w, datasets=f"mine={p}")]),
        Slot(command, "--data-root", FOLDERS, _photos,
             lambda w, p: [*start, *_compare(w, datasets="dtd", data_root=p)]),
        Slot(command, "--out", FOLDER_TARGETS, _photos,
             lambda w, p: [*start, *_compare(w, out=p)]),
    ]  # fmt: skip


SLOTS = [
    *_trainings("train", lambda w: (), _NEW),
    _weights_slot("train", lambda w: _NEW),
    Slot("train", "--work-dir", FOLDER_TARGETS, _photos,
         lambda w, p: [w.config, *w.data, "--work-dir", p]),
    *_trainings("test", lambda w: (w.run,)),
    _weights_slot("test", lambda w: (w.run,)),
    Slot("test", "checkpoint", FILES, _checkpoint, lambda w, p: [w.config, p, *w.data]),
    Slot("test", "checkpoint (work directory)", FOLDERS, lambda w: w.run,
         lambda w, p: [w.config, p, *w.data]),
    Slot("test", "--out", FILE_TARGETS, _json,
         lambda w, p: [w.config, w.run, *w.data, "--out", p]),
    *_askings("predict", ()),
    Slot("predict", "--calibrate", FOLDERS, _photos,
         lambda w, p: [w.run, w.image, "--device", "cpu", "--calibrate", p]),
    Slot("predict", "--save", FILE_TARGETS, _checkpoint, lambda w, p:
         [w.run, w.image, "--device", "cpu", "--calibrate", w.photos, "--save", p]),
    Slot("predict", "--out", FILE_TARGETS, _json,
         lambda w, p: [w.run, w.image, "--device", "cpu", "--out", p]),
    *_askings("visualize", ("--out", "new")),
    Slot("visualize", "--out", FOLDER_TARGETS, _photos,
         lambda w, p: [w.run, w.image, "--device", "cpu", "--out", p]),
    *_checkpoints("export", ("--out", "new.pt2")),
    Slot("export", "--check", FILES, _image,
         lambda w, p: [w.run, "--device", "cpu", "--out", "new.pt2", "--check", p]),
    Slot("export", "--out", {k: v for k, v in FILE_TARGETS.items() if k != "device"},
         lambda w: Path("model.pt2"), lambda w, p: [w.run, "--device", "cpu", "--out", p]),
    *_comparisons("compare", ()),
    *_comparisons("protocol", ("few-shot",)),
    Slot("protocol", "--targets NAME=ROOT", FOLDERS, _photos,
         lambda w, p: _protocol(w, "cross-dataset", targets=f"mine={p}")),
    Slot("protocol", "--ood NAME=ROOT", FOLDERS, _photos,
         lambda w, p: _protocol(w, "ood", ood=f"mine={p}")),
    Slot("collect", "folder", FOLDERS, lambda w: w.run, lambda w, p: [p, "--out", "new"]),
    Slot("collect", "--out", FOLDER_TARGETS, _photos, lambda w, p: [w.run, "--out", p]),
    *_trainings("ood", lambda w: (w.run, "--ood", f"dogs={w.others}"), ("--out", "new")),
    Slot("ood", "checkpoint", FILES, _checkpoint, lambda w, p:
         [w.config, p, *w.data, "--ood", f"dogs={w.others}", "--out", "new"]),
    Slot("ood", "--ood NAME=ROOT", FOLDERS, _photos,
         lambda w, p: [w.config, w.run, *w.data, "--out", "new", "--ood", f"mine={p}"]),
    Slot("ood", "--ood NAME=SPLIT", FILES, _split,
         lambda w, p: [w.config, w.run, *w.data, "--out", "new", "--ood", f"mine={p}"]),
    Slot("ood", "--out", FOLDER_TARGETS, _photos, lambda w, p:
         [w.config, w.run, *w.data, "--ood", f"dogs={w.others}", "--out", p]),
    Slot("data", "check --root", FOLDERS, _photos, lambda w, p: ["check", "dtd", "--root", p],
         status=1),
    Slot("data", "check --root (all)", FOLDERS, _photos, lambda w, p: ["check", "--root", p],
         fine=dict.fromkeys(("empty_folder", "hollow"), "a root where nothing is found"),
         fine_status=1),
    Slot("data", "download --root", FOLDER_TARGETS, _photos,
         lambda w, p: ["download", "dtd", "--root", p]),
    Slot("doctor", "--data-root", FOLDERS, _photos, lambda w, p: ["--data-root", p], status=0,
         fine=dict.fromkeys(("empty_folder", "hollow"), "a root where nothing is found")),
    *(slot._replace(fine=dict.fromkeys(_UNREAD.get(slot.argument, ()), "config reads no data"))
      for slot in _trainings("config", lambda w: ()) if slot.argument != "dataset.image_dir"),
]  # fmt: skip
