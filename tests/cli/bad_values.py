"""Values that flags do not take: command lines by command, each with what the message must name."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from bad_slots import Argv
from bad_world import World

_NO_COUNT = ("0", "-1", "nan", "1.5", "two", "1e400", "")
_NO_SEED = ("-1", "nan", "1.5", "x", "")
_NO_OPTIONS = (
    ("data", "data"), ("=1", "=1"), ("data..shots=1", "data..shots=1"),
    ("data.shots=", "data.shots"),
    ("data.shot=1", "shot"), ("data.shots=0", "0"), ("data.shots=nan", "nan"),
    ("data.batch_size=0", "0"), ("data.batch_size=-8", "-8"), ("data.batch_size=1.5", "1.5"),
    ("data.batch_size=many", "many"), ("data.batch_size=None", "None"),
    ("data.num_workers=-1", "-1"), ("data.sampler=random", "random"),
    ("data.classes=old", "old"), ("data.views=0", "0"), ("data.on_error=pray", "pray"),
    ("data.eval_batch_size=[1,2", "[1,2"), ("data=3", "3"), ("date.shots=1", "date"),
    ("train_cfg.max_epoch=1", "max_epochs"), ("train_cfg.max_epochs=-1", "-1"),
    ("train_cfg.max_epochs=nan", "nan"), ("train_cfg.max_epochs=some", "some"),
    ("train_cfg.val_interval=0", "0"), ("train_cfg.by_epoch=False", "False"), ("train_cfg=2", "2"),
    ("randomness.seed=-1", "-1"), ("recipes=3", "3"),
)  # fmt: skip
_NO_MODEL = (
    ("model.backbone.type=Nothing", "Nothing"),
    ("model.backbone.pretrain=x", "pretrain"), ("model.type=Nothing", "Nothing"),
    ("model.precision=int3", "int3"), ("model.branches.local.selector.k=0", "0"),
    ("model.branches.local.aligner.epsilon=0", "0"),
    ("model.branches.local.aligner.epsilon=nan", "nan"),
    ("model.branches.local.aligner.epsilon=-1", "-1"), ("model.branches=3", "3"),
)  # fmt: skip
_NO_TRAINING = (
    ("optim_wrapper.optimizer.lr=-1", "-1"), ("optim_wrapper.optimizer.lr=fast", "fast"),
    ("optim_wrapper.optimizer.lr=nan", "nan"), ("optim_wrapper.optimizer.type=Nothing", "Nothing"),
    ("optim_wrapper.optimizer.rate=1", "rate"), ("save_seconds=-1", "-1"),
    ("selection=best", "best"), ("report=perhaps", "perhaps"),
)  # fmt: skip
_NO_RECALL = ("0", "1", "-1", "2", "nan", "inf", "most")


class Value(NamedTuple):
    """A command line that is no command line.

    Attributes:
        command: The command.
        label: What is wrong, for the name of the case.
        argv: The command line, of a world.
        needle: What the message must name.
    """

    command: str
    label: str
    argv: Callable[[World], Argv]
    needle: str


def _cases(
    command: str, start: Callable[[World], Argv], pairs: Sequence[tuple[str, str]], needle: str = ""
) -> Iterator[Value]:
    """Yield a good command line with a bad flag behind it."""
    for flag, value in pairs:
        told = needle or value or flag
        yield Value(command, f"{flag} {value!r}", _with(start, flag, value), told)


def _with(start: Callable[[World], Argv], *more: str) -> Callable[[World], Argv]:
    return lambda world: [*start(world), *more]


def _options(
    command: str, start: Callable[[World], Argv], options: Sequence[tuple[str, str]]
) -> Iterator[Value]:
    for option, needle in options:
        yield Value(command, option, _with(start, "--cfg-options", option), needle)


def _lines(command: str, lines: Sequence[tuple[str, Callable[[World], Argv]]]) -> Iterator[Value]:
    """Yield whole command lines, by what the message must name."""
    for number, (needle, argv) in enumerate(lines, start=1):
        yield Value(command, f"line {number}, {needle!r}", argv, needle)


def _each(flag: str, values: Sequence[str]) -> list[tuple[str, str]]:
    return [(flag, value) for value in values]


def _train(w: World) -> Argv:
    return [w.config, *w.data, "--work-dir", "new"]


def _test(w: World) -> Argv:
    return [w.config, w.run, *w.data]


def _ood(w: World) -> Argv:
    return [w.config, w.run, *w.data, "--ood", f"dogs={w.others}", "--out", "new"]


def _config(w: World) -> Argv:
    return [w.config, *w.data]


def _predict(w: World) -> Argv:
    return [w.run, w.image, "--device", "cpu"]


def _visualize(w: World) -> Argv:
    return [*_predict(w), "--out", "new"]


def _export(w: World) -> Argv:
    return [w.run, "--device", "cpu", "--out", "new.pt2"]


def _compare(w: World) -> Argv:
    return ["--methods", w.config, "--datasets", f"photos={w.photos}", "--shots", 1, "--seeds", 1,
            "--out", "new", "--device", "cpu", "--jobs", 0]  # fmt: skip


def _few_shot(w: World) -> Argv:
    return ["few-shot", *_compare(w)]


def _collect(w: World) -> Argv:
    return [w.run, "--out", "new"]


_CHOICES = [
    ("--dataset", "no_such_set"), *_each("--shots", _NO_COUNT), *_each("--seed", _NO_SEED),
    ("--amp", "fp8"), ("--amp", "fp16"), ("--device", "gpu"), ("--device", "cuda:99"),
    ("--device", ""),
]  # fmt: skip
_CLASSIFIER = [
    *_each("--recall", _NO_RECALL), ("--score", "NoScore"), ("--device", "cuda:99"),
]  # fmt: skip
_COMPARISON = [
    ("--methods", "no_such_method"), ("--datasets", "no_such_set"), ("--datasets", "=here"),
    ("--datasets", "there="), ("--datasets", "a/b"), *_each("--shots", _NO_COUNT),
    *_each("--seeds", _NO_SEED), *_each("--jobs", ("-1", "nan", "all")), ("--amp", "fp8"),
    ("--device", "gpu"),
]  # fmt: skip

VALUES = [
    *_cases("train", _train, [*_CHOICES, ("--launcher", "ssh")]),
    *_options("train", _train, (*_NO_OPTIONS, *_NO_MODEL, *_NO_TRAINING)),
    *_cases("test", _test, [*_CHOICES, ("--classes", "old")]),
    *_options("test", _test, _NO_OPTIONS),
    *_cases("config", _config, [("--dataset", "no_such_set"), ("--amp", "fp8")]),
    *_options("config", _config, [one for one in _NO_OPTIONS if one[0].startswith(
        ("data.shots=", "=", "data..", "date", "train_cfg", "data=", "recipes"))
        and one[0] not in ("data.shots=0", "data.shots=nan")]),
    *_cases("predict", _predict, [
        *_CLASSIFIER, *_each("--top-k", _NO_COUNT), *_each("--batch-size", _NO_COUNT),
        *_each("--workers", _NO_COUNT), ("--format", "xml")]),
    *_lines("predict", [("--calibrate", lambda w: [*_predict(w), "--save", "new.safetensors"])]),
    *_cases("visualize", _visualize, [*_CLASSIFIER, ("--class", "wasp"), ("--branch", "globe")]),
    *_cases("export", _export, [
        *_CLASSIFIER, *_each("--iterations", _NO_COUNT), ("--format", "tflite"),
        ("--out", "new.pkl"), ("--check", "gone.png")]),
    *_cases("ood", _ood, [
        *_CHOICES, *_each("--temperature", ("0", "-1", "nan", "warm")), ("--scores", "NoScore"),
        ("--pooled", "globe"), ("--dense", "globe"), ("--near", "cats"), ("--on-error", "pray"),
        ("--ood", "dogs"), ("--ood", "=dogs"), ("--ood", "dogs=")]),
    *_lines("ood", [("dogs", lambda w: [w.config, w.run, *w.data, "--out", "new", "--ood",
                                        f"dogs={w.others}", f"dogs={w.photos}"])]),
    *_cases("compare", _compare, _COMPARISON),
    *_options("compare", _compare, _NO_OPTIONS[:12]),
    *_lines("compare", [("no_such_variant", lambda w: [
        *_compare(w), "--methods", "sotglp", "--variant", "no_such_variant"])]),
    *_cases("protocol", _few_shot, [*_COMPARISON, ("--targets", "dtd"), ("--near", "dogs")],),
    *_lines("protocol", [
        ("many-shot", lambda w: ["many-shot", *_compare(w)]),
        ("--ood", lambda w: ["ood", *_compare(w)]),
        ("--targets", lambda w: ["cross-dataset", *_compare(w)]),
        ("cats", lambda w: ["ood", *_compare(w), "--ood", f"dogs={w.others}", "--near", "cats"]),
    ]),
    *_cases("collect", _collect, [
        ("--methods", "no_such_method"), ("--datasets", "no_such_set"), ("--score", "NoScore")]),
    *_lines("data", [
        ("no_such_set", lambda w: ["check", "no_such_set", "--root", w.base]),
        ("no_such_set", lambda w: ["download", "no_such_set", "--root", w.base]),
        ("lend", lambda w: ["lend"]), ("command", lambda w: []),
        ("--root", lambda w: ["check", "dtd"]), ("NAME", lambda w: ["download", "--root", w.base]),
        ("sun", lambda w: ["download", "sun", "--root", w.base]),
    ]),
    *_lines("list", [("no_such_kind", lambda w: ["no_such_kind"]), ("at", lambda w: [""])]),
    *_lines("doctor", [("--data-root", lambda w: ["--data-root"])]),
]  # fmt: skip
COMMANDS = ("train", "test", "predict", "visualize", "compare", "protocol", "collect", "ood",
            "data", "list", "doctor", "config", "export")  # fmt: skip
VALUES += [Value(one, "unknown flag", lambda w: ["--no-such-flag"], "usage") for one in COMMANDS]
VALUES += [
    Value(one, "nothing at all", lambda w: [], "required")
    for one in COMMANDS if one not in ("list", "doctor", "data")
]  # fmt: skip
