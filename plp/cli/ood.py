"""Test how well a checkpoint tells its test images from images of other kinds: `plp ood`."""

from collections.abc import Mapping, Sequence
from typing import Any

from plp.checkpoints.run_places import config_and_run
from plp.cli.flags.ood import parser
from plp.cli.options import choices_of
from plp.datasets import OOD_BENCHMARKS, find_ood_folder
from plp.errors import ConfigError
from plp.inference.recorded import recorded_config
from plp.ood.file import expand_ood
from plp.ood.report import table_rows
from plp.ood.run import evaluate_ood


def main(argv: Sequence[str] | None = None) -> None:
    """Parse flags, test, show the result."""
    arguments = parser().parse_args(argv)
    named, run = config_and_run(arguments.run)
    choices = choices_of(arguments)
    config = named or recorded_config(
        run, choices, trust_code=arguments.trust_code, trust_header=arguments.trust_header
    )
    listed = expand_ood(arguments.ood, arguments.near, arguments.data_root)
    found = evaluate_ood(
        config,
        run,
        by_name(listed.sets, arguments.data_root),
        choices,
        near=listed.near,
        scores=arguments.scores,
        temperature=arguments.temperature,
        pooled=arguments.pooled,
        dense=arguments.dense,
        on_error=arguments.on_error,
        export_logits=arguments.export_logits,
        out=arguments.out,
        device=arguments.device,
    )
    print("\n".join([*ood_lines(found.result), f"written to {found.folder}"]))


def ood_lines(result: Mapping[str, Any]) -> list[str]:
    """Return a result as lines of text."""
    inside = result["in_distribution"]
    calibration = inside["calibration"]["fused"]
    lines = [
        f"{result['dataset']}: {inside['images']} test images, accuracy "
        f"{inside['accuracy']['fused']:.2f} %, ECE {calibration['ece']:.2f} %"
    ]
    parts = {"in-distribution": inside} | result["ood_sets"]
    lines += [
        f"{name}: {len(part['unreadable'])} unreadable images left out"
        for name, part in parts.items()
        if part["unreadable"]
    ]
    rows = table_rows(result)
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    head = f"{'score':<{widths[0]}}  {'set':<{widths[1]}}"
    lines.append(f"{head}   AUROC  FPR95(ID)  FPR95(OOD)  AUPR in  AUPR out")
    lines += [
        f"{name:<{widths[0]}}  {one:<{widths[1]}}  {m['auroc']:6.2f}  {m['fpr95_id']:9.2f}  "
        f"{m['fpr95_ood']:10.2f}  {m['aupr_in']:7.2f}  {m['aupr_out']:8.2f}"
        for name, one, m in rows
    ]
    return lines


def by_name(asked: Sequence[str], data_root: str | None = None) -> dict[str, str]:
    """Read out-of-distribution sets: NAME=ROOT, or the NAME of one of the field's.

    Args:
        asked: The sets.
        data_root: The folder above the field's datasets.

    Raises:
        ConfigError: for a set without a folder, or a name given twice.
        DataError: if a set of the field is not under the data root.
    """
    found: dict[str, str] = {}
    for one in asked:
        name, equals, root = one.partition("=")
        if not equals and name in OOD_BENCHMARKS and data_root is not None:
            root = str(find_ood_folder(name, data_root))
        if not (name and root):
            raise ConfigError(
                f"--ood: expected NAME=ROOT, such as dtd=data/dtd, got {one!r}. By name, under "
                f"--data-root: {', '.join(OOD_BENCHMARKS)}"
            )
        if name in found:
            raise ConfigError(f"--ood: expected each name once, got {name!r} twice")
        found[name] = root
    return found
