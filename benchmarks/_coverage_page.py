"""docs/backbones.md, from the rows that `coverage.py` measured."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]
LARGE = 2e9  # parameters
ALL_STREAMS = ["tokens", "value", "vv"]
HEAD = (
    "architecture", "parameters, M", "pixels", "image tower", "text tower", "tokenizer",
    "zero-shot", "prompts", "streams", "methods", "step, s", "step, MiB",
)  # fmt: skip

TEXT = """# Backbones

Which of open_clip's architectures run in plp, and what one training step takes. This page is
written by `python benchmarks/coverage.py` from [its rows](results/backbones.json); each
architecture ran in a process of its own, with seeded random weights, in float32 on one thread.
Nothing here says how accurate a model is.

{counts}

## How to read the table

- **zero-shot**: largest difference of plp's image and text features, normalised, from open_clip's
  own `encode_image` and `encode_text(tokenizer(...))`, divided by the largest number.
- **prompts**: one training step each with `SharedContext` (`configs/coop`) and `ClassContext`.
- **streams**: the dense streams of the image tower ([formulas](architecture.md#towers)). A method
  whose config names a stream that the tower does not have ran on `value`, else on `tokens`.
- **methods**: how many of {number} made a training step with finite losses and gradients, or were
  fitted and predicted: {methods}. Fewer prompts than their configs have: GalLoP 1 + 2, PLOT 2.
  Where a text has fewer than 32 places, 16 learned tokens do not fit and 4 are learned.
- **step**: a SOT-GLP step of `configs/sotglp/vitb16_16shot.py` with 2 classes (14 texts) and 1
  image, from pixels to optimiser: seconds of processor time, and the peak of resident memory above
  the loaded model. A first step, not a mean; other processes ran beside it. Where padding counts
  (SigLIP, CLIPA, MobileCLIP2) all places of a text are computed, elsewhere only the tokens that
  differ ([performance](performance.md#techniques)).
- **tokenizer**: `CLIP` is open_clip's own. Others are published on the hub and were **stand-ins**
  here (`plp.testing.hub_stand_ins`): the real class of transformers with the published vocabulary
  size and special tokens, so that ids, padding and masks have the published layout, but other
  words. Text encoders of the hub are the real classes at their published sizes.
- **cut**: models of more than two billion parameters ran with the first four blocks of each tower;
  their step is that of the cut model, their parameters are those of the whole.

Rows were measured on {machine}, open_clip {version}.

## Families

{families}

## Architectures

{tables}

## Beyond open_clip

Tiny models with random weights, one of each family, as the tests have them: they show what runs,
not what it costs. Models of the transformers library are
[`TransformersBackbone`](components.md), image towers without texts `ImageOnlyBackbone`; on these
Tip-Adapter goes without its text term (`configs/tip_adapter/dinov2_s14_16shot.py`), and what needs
texts is refused.

{others}
"""


def page(
    rows: Sequence[Row], others: Sequence[Row], archs: Sequence[str], version: str, machine: str
) -> str:
    """Return the page.

    Args:
        rows: Of `coverage.py`.
        others: Its rows of families beyond open_clip.
        archs: All archs of open_clip, so that missing rows are counted.
        version: Of open_clip.
        machine: Where rows were measured.
    """
    names = max((list(row.get("methods", {})) for row in rows), key=len, default=[])
    groups: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row.get("parameters", 0), row["arch"])):
        groups.setdefault(row["family"], []).append(row)
    ordered = dict(sorted(groups.items(), key=lambda group: group[0].lower()))
    return TEXT.format(
        counts=counts(rows, archs, version, len(names)),
        number=len(names),
        methods=", ".join(sorted(names, key=str.lower)),
        machine=machine,
        version=version,
        families=families(ordered),
        others=beyond(others),
        tables="\n\n".join(section(name, group) for name, group in ordered.items()),
    )


def counts(rows: Sequence[Row], archs: Sequence[str], version: str, methods: int) -> str:
    """Return what the rows come to, a line a count."""
    fine = [row for row in rows if not row.get("refused")]
    differences = [row["zero_shot"] for row in fine if isinstance(row.get("zero_shot"), float)]
    lines = [
        f"{len(rows)} of the {len(archs)} architectures of open_clip {version} were measured, "
        f"{len(rows) - len(fine)} of them are refused",
        f"zero-shot: {len(differences)}, at most {max(differences, default=0.0):.1e} from the "
        "features of open_clip's own calls",
        f"learned prompts, `SharedContext` and `ClassContext`: {number(fine, learns)}",
        "streams: `tokens`, `value` and `vv` on "
        f"{number(fine, lambda row: row.get('streams') == ALL_STREAMS)}, `tokens` and `value` on "
        f"{number(fine, lambda row: row.get('streams') == ALL_STREAMS[:2])}, `tokens` on "
        f"{number(fine, lambda row: row.get('streams') == ALL_STREAMS[:1])}, none on "
        f"{number(fine, lambda row: row.get('streams') == [])}",
        f"all {methods} methods: {number(fine, lambda row: len(ran(row)) == methods)}",
        "with a tokenizer or text encoder of the hub, which a stand-in took the place of: "
        f"{number(fine, lambda row: row.get('tokenizer', {}).get('stand_in'))}",
        f"cut to four blocks per tower: {number(fine, lambda row: row.get('cut'))}"
        + early_cut(fine),
    ]
    late = [row["arch"] for row in rows if not row["finished"]]
    if late:
        lines.append(f"not measured to the end: {len(late)} ({', '.join(late)})")
    missing = [arch for arch in archs if arch not in {row["arch"] for row in rows}]
    if missing:
        lines.append(f"not measured: {len(missing)} ({', '.join(missing)})")
    lines += [f"refused: {row['arch']}, {row['refused']}" for row in rows if row.get("refused")]
    return "\n".join(f"- {line}." for line in lines)


def number(rows: Iterable[Row], holds: Callable[[Row], bool]) -> int:
    """Return of how many rows something holds; rows cut off early may lack it."""
    return sum(bool(holds(row)) for row in rows)


def was_cut(row: Row) -> bool:
    """Whether only the first blocks ran."""
    return bool(row.get("cut"))


def early_cut(rows: Sequence[Row]) -> str:
    """Return how many were cut though they are not large, if there are such."""
    short = [row["arch"] for row in rows if was_cut(row) and row["parameters"] <= LARGE]
    if not short:
        return ""
    return (
        f", {len(short)} of them although they have no more than two billion parameters: there was "
        f"no time for their whole depth ({', '.join(short)})"
    )


def learns(row: Row) -> bool:
    """Whether both kinds of learned context made a step."""
    contexts = row.get("ClassContext"), row.get("methods", {}).get("CoOp")
    return contexts == ("yes", "yes")


def ran(row: Row) -> list[str]:
    """Return the methods that ran."""
    return [name for name, cell in row.get("methods", {}).items() if not cell.startswith("no:")]


def families(groups: Mapping[str, Sequence[Row]]) -> str:
    """Return a table of a line a family."""
    lines = []
    for name, rows in groups.items():
        fine = [row for row in rows if "streams" in row]
        streams = sorted({" ".join(row["streams"]) or "none" for row in fine}, key=len)
        cells = [name, len(rows), rows[0]["arch"], unique(fine, "image"), unique(fine, "text")]
        lines.append([*cells, " or ".join(f"`{one}`" for one in streams)])
    head = ("family", "architectures", "smallest", "image towers", "text towers", "streams")
    return table(head, lines)


def unique(rows: Iterable[Row], key: str) -> str:
    """Return the values of a key, each once."""
    return "; ".join(dict.fromkeys(row[key] for row in rows))


def section(name: str, rows: Sequence[Row]) -> str:
    """Return the table of a family."""
    return f"### {name}\n\n{table(HEAD, [cells(row) for row in rows])}"


def cells(row: Row) -> list[object]:
    """Return the cells of an arch."""
    size = f"{row['parameters'] / 1e6:,.0f}" if row.get("parameters") else ""
    if row.get("refused") or "streams" not in row:
        return [row["arch"], size, *[""] * 4, row.get("refused") or row.get("early", ""), *[""] * 5]
    step = row.get("step", {})
    zero_shot = row.get("zero_shot", "")
    failed = {name: cell for name, cell in row["methods"].items() if cell.startswith("no:")}
    return [
        row["arch"],
        size + (" (cut)" if row["cut"] else ""),
        " x ".join(map(str, row["image_size"])),
        row["image"],
        row["text"],
        tokenizer(row["tokenizer"]),
        f"{zero_shot:.0e}" if isinstance(zero_shot, float) else zero_shot,
        "both" if learns(row) else "no",
        " ".join(row["streams"]) or "none",
        "; ".join([str(len(ran(row))), *(f"{name} {cell}" for name, cell in failed.items())]),
        f"{step['seconds']:.1f}" if "seconds" in step else step.get("refused", ""),
        step.get("mib", ""),
    ]


def beyond(rows: Sequence[Row]) -> str:
    """Return the table of families beyond open_clip."""
    lines = []
    for row in rows:
        if "methods" not in row:
            lines.append([row["family"], "", "", row.get("refused", "")])
            continue
        done = ran(row)
        told = f"all {len(done)}" if len(done) == len(row["methods"]) else ", ".join(done)
        streams = " ".join(row["streams"]) or "none"
        lines.append([row["family"], row["backbone"], streams, told])
    return table(("family", "backbone", "streams", "methods"), lines)


def tokenizer(found: Mapping[str, Any]) -> str:
    """Return the cell of a tokenizer."""
    if not found["stand_in"]:
        return "CLIP" if found["size"] == 49408 else f"{found['class']}, {found['size']:,}"
    return f"{found['class']}, {found['size']:,}, stand-in"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(str(cell) for cell in line) + " |" for line in lines)
