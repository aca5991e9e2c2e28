"""Which options of a command line the rows of tables were run with."""

import itertools
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from plp.config.data_options import WITHOUT_EFFECT
from plp.results.records import Run

_FLAG = "--cfg-options"
_OTHER_FLAGS = ("--amp", "--backbone")
# Said by a row's own name, or without effect on its numbers.
_LEFT_OUT = ("report", "save_seconds", "data.classes", *(f"data.{key}" for key in WITHOUT_EFFECT))


def options_of(result: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return what the command of a run set beside its config; None where no command is known.

    Example:
        >>> options_of({'command': 'plp train a.py --amp bf16 --cfg-options b.c=1 report=False'})
        ('--amp bf16', 'b.c=1')
    """
    command = result.get("command")
    if not isinstance(command, str):
        return None
    try:
        words = shlex.split(command)
    except ValueError:
        return None
    return (*_flags(words), *_config_options(words))


def notes_on_options(runs: Sequence[Run]) -> tuple[str, ...]:
    """Return what each method was run with, where that is not the same for all.

    Example:
        >>> run = Run('a', 'dtd', 16, 1, {}, {}, 0, options=('x=1',))
        >>> notes_on_options([run, run._replace(method='b', options=())])
        ('Options of a: `x=1`.', 'Options of b: none.')
    """
    methods: dict[tuple[str, ...], dict[str, None]] = {}
    for run in runs:
        if run.options is not None:
            methods.setdefault(tuple(sorted(run.options)), {})[run.method] = None
    if len(methods) < 2:
        return ()
    return tuple(
        f"Options of {', '.join(names)}: {', '.join(f'`{one}`' for one in options) or 'none'}."
        for options, names in methods.items()
    )


def _flags(words: Sequence[str]) -> Iterator[str]:
    for word, value in itertools.pairwise(words):
        if word in _OTHER_FLAGS:
            yield f"{word} {value}"


def _config_options(words: Sequence[str]) -> Iterator[str]:
    inside = False
    for word in words:
        if word.startswith("--"):
            inside = word == _FLAG
        elif inside and not _has_key(word, _LEFT_OUT):
            yield word


def _has_key(word: str, keys: Iterable[str]) -> bool:
    name = word.partition("=")[0]
    return any(name == key or name.startswith(f"{key}.") for key in keys)
