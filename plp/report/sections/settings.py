"""What was run: data, model, schedule, versions."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from plp.report.html import Child, join, tag
from plp.report.page import Section, folded
from plp.report.tables import facts
from plp.results.run import backbone_of
from plp.wording import count
from plp.zoo.names import label_of


def settings(result: Mapping[str, Any]) -> Section:
    """Return the settings that matter most, and all others folded."""
    config = result["config"]
    learned = result["learned_parameters"]
    parameters = sum(math.prod(shape) for shape in learned.values())
    images = result["images"]
    rows: list[tuple[str, Child]] = [
        ("config", tag("code", result["config_file"] or "from Python")),
        ("dataset", f"{result['dataset']}: {images['train']} images to train, {images['val']} to "
                     f"validate, {images['test']} to test"),
        ("draw", f"{result['shots']} shots per class, {result['sampler']} sampler, seed "
                 f"{result['seed']}, split hash {result['split_hash'][:12]}"),
        ("backbone", f"{_backbone(config)}, fingerprint {result['backbone_fingerprint'][:12]}, "
                     f"{result['precision']}"),
        ("branches", _branches(config["model"])),
        ("prompts at the start", _lines(result["prompts"])),
        ("learned by gradient", f"{parameters:,} parameters: " + _shapes(learned)),
        ("schedule", f"{count(result['epochs'], 'epoch')}, {count(result['steps'], 'step')}"),
        ("tested", "the last epoch" if result["selection"] == "last"
                   else "the epoch with the best accuracy on validation images"),
        ("optimiser", _optimiser(config) if result["epochs"] else "none"),
        ("transforms", _lines(f"{k}: {v}" for k, v in result["transforms"].items())),
        ("seconds", ", ".join(f"{k} {v:g}" for k, v in result["seconds"].items())),
        ("peak memory", ", ".join(f"{k.removesuffix('_mib')} {v} MiB"
                                  for k, v in result["peak_memory"].items())),
        ("same content twice", _duplicates(result.get("duplicates"))),
    ]  # fmt: skip
    if result.get("transport"):
        rows.append(("transport converged", _lines(_transport(result["transport"]))))
    if result["recipe"]:
        rows.insert(9, ("recipe", _lines(f"{k} = {v}" for k, v in result["recipe"].items())))
    if result.get("tuners"):
        rows.insert(6, ("tuners", _lines(result["tuners"])))
    whole = json.dumps(config, indent=2, ensure_ascii=False, default=str)
    body = join(
        facts(rows),
        folded(f"All {len(result['class_names'])} classes",
               tag("p", _names(result["class_names"]))),
        folded("The whole config", tag("pre", whole)),
    )  # fmt: skip
    return Section("settings", "Settings", body)


def _transport(found: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    for name, one in found.items():
        worst = one["worst_row_error"]
        error = "not finite" if worst is None else f"{worst:.2g}"
        yield (
            f"{name}: {one['converged']:,} of {one['problems']:,} test problems, worst L1 error of "
            f"row sums {error}"
        )


def _duplicates(counts: Mapping[str, int] | None) -> str:
    """Return how many images repeat others, by where.

    Example:
        >>> _duplicates({"images": 9, "test_in_train": 1})
        'test in train: 1 (of 9 images compared)'
        >>> _duplicates({"images": 9, "two_labels": 0})
        'none of 9 images compared'
    """
    if not counts:
        return "not looked for"
    found = [f"{k.replace('_', ' ')}: {v}" for k, v in counts.items() if v and k != "images"]
    compared = f"{count(counts['images'], 'image')} compared"
    return f"{', '.join(found)} (of {compared})" if found else f"none of {compared}"


def _names(names: Sequence[str]) -> Child:
    return [part for name in names for part in (tag("bdi", name), ", ")][:-1]


def _lines(lines: Any) -> Child:
    listed = list(lines)
    return [part for line in listed for part in (line, tag("br"))][:-1] if listed else "none"


def _shapes(learned: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} [{', '.join(map(str, shape))}]" for name, shape in learned.items())


def _backbone(config: Mapping[str, Any]) -> str:
    """Return the short name of a backbone and its arch, or its full name."""
    name, arch = label_of(config["model"].get("backbone")), backbone_of(config)
    return arch if not name else name if arch in name else f"{name} ({arch})"


def _branches(model: Mapping[str, Any]) -> Child:
    return _lines(f"{name}: {_branch(part)}" for name, part in model["branches"].items())


def _branch(part: Mapping[str, Any]) -> str:
    """Return the component of a branch and those it is made of."""
    inner = [f"{key} {value['type']}" for key, value in part.items()
             if isinstance(value, Mapping) and "type" in value]  # fmt: skip
    return f"{part.get('type', '')} ({', '.join(inner)})" if inner else str(part.get("type", ""))


def _optimiser(config: Mapping[str, Any]) -> str:
    optimizer = dict((config.get("optim_wrapper") or {}).get("optimizer") or {})
    kind = optimizer.pop("type", "")
    return f"{kind} ({', '.join(f'{key}={value}' for key, value in optimizer.items())})"
