"""A parser of flags that says which flag may be meant by an unknown one."""

import argparse
import re
import sys
from collections.abc import Sequence
from typing import Any

from plp.errors import did_you_mean

_FLAG = re.compile(r"-{1,2}[A-Za-z][\w-]*")  # what argparse takes for a flag; -1 is a number
_OTHER_WORDS = {  # flags of other programs: the flag here, and what to give it
    "--batch-size": ("--cfg-options", " data.batch_size=N"),
    "--workers": ("--cfg-options", " data.num_workers=N"),
    "--num-workers": ("--cfg-options", " data.num_workers=N"),
    "--pretrained": ("--cfg-options", " model.backbone.pretrained=FILE"),
    "--gpu": ("--device", " cuda:0"),
    "--learning-rate": ("--lr", ""),
    "--max-epochs": ("--epochs", ""),
    "--output": ("--out", ""),
    "--output-dir": ("--work-dir", ""),
    "--data": ("--data-root", ""),
    "--root": ("--data-root", ""),
    "--k": ("--shots", ""),
}


class Flags(argparse.ArgumentParser):
    """Flags are never abbreviated; an unknown one is reported first, with the nearest.

    Args:
        intermixed: Whether flags may stand between positional arguments.
        keywords: Those of `argparse.ArgumentParser`.
    """

    def __init__(self, *, intermixed: bool = False, **keywords: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **keywords})
        self._intermixed = intermixed

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Read the flags."""
        if self._intermixed:
            return self.parse_intermixed_args(args, namespace)
        return super().parse_args(args, namespace)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Refuse unknown flags before missing ones: one may be the other, misspelt."""
        words = sys.argv[1:] if args is None else list(args)
        if self._subparsers is None:
            self._refuse_unknown(words)
        return super().parse_known_args(words, namespace)

    def _refuse_unknown(self, words: Sequence[str]) -> None:
        for word in words:
            if word == "--":
                return
            flag = word.partition("=")[0]
            if _FLAG.fullmatch(flag) and flag not in self._option_string_actions:
                self.error(f"unknown flag {flag}.{self._nearest(flag)}")

    def _nearest(self, flag: str) -> str:
        plain = "--" + flag.lstrip("-").lower().replace("_", "-")
        flags = [name for name in self._option_string_actions if name.startswith("--")]
        if plain in flags:
            return f" Did you mean {plain!r}?"
        ours, value = _OTHER_WORDS.get(plain, ("", ""))
        if ours in flags:
            return f" Did you mean {ours + value!r}?"
        return did_you_mean(plain, flags) or f" `{self.prog} --help` lists the flags"
