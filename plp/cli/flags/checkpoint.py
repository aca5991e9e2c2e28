"""The flags that say which trained classifier is meant, and how it is loaded."""

import argparse

from plp.checkpoints.run_places import config_and_run, find_checkpoint
from plp.cli.flags.known import PROBABILITIES, RECALL
from plp.cli.options import check_backbone
from plp.config.paths import check_config
from plp.errors import ConfigError


def add_classifier(flags: argparse.ArgumentParser) -> None:
    """Add the flags that say which classifier, where it computes, and what it looks at."""
    add_checkpoint(flags)
    flags.add_argument("images", nargs="*", help="files, folders, patterns such as 'new/*.jpg'")


def add_run(flags: argparse.ArgumentParser) -> None:
    """Add a trained run with or without its config, and what a run without one needs."""
    flags.add_argument(
        "run", nargs="+", metavar="[CONFIG] RUN",
        help="work directory of a run, or its model.safetensors: config, dataset, shots, seed and "
        "classes are those of its training; or a config or method, then the run, and flags",
    )  # fmt: skip
    add_trust(flags)


def add_trust(flags: argparse.ArgumentParser) -> None:
    """Add the flags that say how far what stands in a checkpoint is trusted."""
    flags.add_argument(
        "--trust-code", action="store_true",
        help="import the modules that the checkpoint's config names",
    )  # fmt: skip
    flags.add_argument(
        "--trust-header", action="store_true",
        help="open the files, folders and repositories that the checkpoint's header names",
    )  # fmt: skip


def check_checkpoint(arguments: argparse.Namespace) -> None:
    """Refuse what is no trained run, and a run without images to look at."""
    find_checkpoint(arguments.checkpoint)
    if not getattr(arguments, "images", True):
        raise ConfigError("expected images behind the run: files, folders, or patterns")


def check_run(arguments: argparse.Namespace) -> None:
    """Refuse what is no trained run, a config that is not there, and an unknown backbone."""
    config, run = config_and_run(arguments.run)
    if config is not None:
        check_config(config)
    find_checkpoint(run)
    check_backbone(arguments)


def add_checkpoint(flags: argparse.ArgumentParser) -> None:
    """Add the flags that say which classifier, and where it computes."""
    flags.add_argument("checkpoint", help="work directory of a run, or its model.safetensors")
    flags.add_argument("--device", help="such as cpu or cuda:1; default: a GPU if there is one")
    flags.add_argument(
        "--pretrained", metavar="FILE",
        help="weights of the backbone, if they are not where they were in training; a folder where "
        "the model came from one",
    )  # fmt: skip
    flags.add_argument(
        "--score",
        help="out-of-distribution score; default: GlobalLocalMCM, MCM without patches, MaxSigmoid "
        "with --probability sigmoid",
    )  # fmt: skip
    flags.add_argument(
        "--recall", type=float, default=RECALL, metavar="R",
        help=f"share of in-distribution images to accept (default {RECALL})",
    )  # fmt: skip
    flags.add_argument(
        "--probability", choices=PROBABILITIES,
        help="softmax over the classes, or sigmoid of each by itself (SigLIP); default: as in the "
        "training",
    )  # fmt: skip
    add_trust(flags)
