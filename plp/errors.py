"""Errors that a user can cause and mend.

Every tool prints a `PlpError` as one message without a traceback and exits with status 2; so it
does an `OSError`, told by `describe_os_error`. Anything else that escapes a tool is a bug in plp or
in a user's component, and keeps its traceback.
"""

import difflib
import errno
from collections.abc import Iterable


class PlpError(ValueError):
    """Base of all errors that name what was expected, what came, and what to do."""


class ConfigError(PlpError):
    """A config, a flag, or the keywords of a component do not fit."""


class UnknownComponentError(ConfigError):
    """A registry was asked for a name it does not hold."""


class DataError(PlpError):
    """A folder, a split file or an image is missing or unreadable."""


class WeightsError(PlpError):
    """Pretrained weights cannot be had or do not fit the architecture."""


class CheckpointError(PlpError):
    """A checkpoint is missing, damaged, or belongs to another model or other classes."""


class NotFiniteError(PlpError):
    """A loss, a parameter, logits or scores became NaN or infinite."""


class ExportError(PlpError):
    """A classifier cannot be exported, or what was exported does not compute what it should."""


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, with a message that says what is kept and how to go on.

    Attributes:
        USUAL: What is told where nothing is kept.
    """

    USUAL = "interrupted; no file is left half written. Rerun the same command to start over"


def did_you_mean(name: str, known: Iterable[str], cutoff: float = 0.6) -> str:
    """Return a question about the known name that is most like one that is not; '' if none is.

    Args:
        name: What was given.
        known: What there is.
        cutoff: Least likeness, from 0 to 1.

    Example:
        >>> did_you_mean('sinkhron', ['mean', 'sinkhorn'])
        " Did you mean 'sinkhorn'?"
    """
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=cutoff)
    return f" Did you mean {near[0]!r}?" if near else ""


_DENIED = "permission denied. Look at owner and mode (`ls -ld`), or name another place"
_OS_ERRORS = {
    errno.ENOENT: "no such file or folder",
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "the file system is read-only. Name a place that can be written",
    errno.ENOSPC: "the disk is full. Make room or name another place, then start again",
    errno.EDQUOT: "disk quota exceeded. Make room or name another place",
    errno.EFBIG: "the file would be larger than this system or `ulimit -f` allows",
    errno.ENOTDIR: "a part of the path is a file, expected a folder",
    errno.EISDIR: "it is a folder, expected a file",
    errno.EEXIST: "it is there already, and is not what is expected",
    errno.ENAMETOOLONG: "the name is too long for the file system",
    errno.ELOOP: "symbolic link loop",
    errno.EMFILE: "too many open files. Lower data.num_workers, or raise `ulimit -n`",
    errno.EIO: "the disk fails to read or write it (input/output error)",
    errno.ENOMEM: "not enough memory",
}


def describe_os_error(error: OSError) -> str:
    """Return in words what the system refused, and which file it was about.

    Example:
        >>> describe_os_error(OSError(errno.EROFS, 'Read-only file system', '/mnt/x.json'))
        "'/mnt/x.json': the file system is read-only. Name a place that can be written"
    """
    if error.errno is None:
        return str(error) or "the system refused to read or write a file"
    what = _OS_ERRORS.get(error.errno) or error.strerror or str(error)
    name = error.filename if error.filename2 is None else error.filename2
    return what if name is None else f"{name!r}: {what}"
