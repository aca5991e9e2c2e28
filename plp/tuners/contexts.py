"""What tuners of tokens read of a tower and of the prompts of branches."""

from collections.abc import Mapping

from plp.backbones.base import Backbone
from plp.errors import ConfigError
from plp.prompts.base import Prompt
from plp.prompts.context import ContextPrompt
from plp.tuners._blocks import block_tower
from plp.tuners.places import Side
from plp.wording import count


def token_width(backbone: Backbone, side: Side) -> int:
    """Return the width of a tower's tokens.

    Raises:
        ConfigError: for a tower that takes no tokens from outside.
    """
    return block_tower(backbone, side).width


def check_depth(backbone: Backbone, side: Side, depth: int, key: str, first: int = 0) -> None:
    """Refuse tokens before blocks that a tower does not have.

    Args:
        backbone: The frozen model.
        side: Which tower.
        depth: How many blocks get tokens.
        key: What this number is called in the config.
        first: The first of them.

    Raises:
        ConfigError: with the blocks there are.
    """
    blocks = len(block_tower(backbone, side).layers())
    if first not in range(blocks):
        raise ConfigError(
            f"expected first_block from 0 to {blocks - 1}, for the {side} tower has "
            f"{count(blocks, 'block')}, got {first}"
        )
    if depth not in range(blocks - first + 1):
        behind = f" from block {first} on" if first else ""
        raise ConfigError(
            f"expected {key} from 0 to {blocks - first}, for the {side} tower has "
            f"{count(blocks - first, 'block')}{behind}, got {depth}"
        )


def context_of(prompts: Mapping[str, Prompt], branch: str) -> ContextPrompt:
    """Return the learned context of a branch, which stands in front of its class names.

    Raises:
        ConfigError: for no such branch, or a prompt of another kind.
    """
    if branch not in prompts:
        raise ConfigError(
            f"expected the name of a branch with a prompt ({', '.join(prompts) or 'there is none'})"
            f", got {branch!r}"
        )
    prompt = prompts[branch].source
    if not isinstance(prompt, ContextPrompt) or prompt.position != "end":
        other = type(prompt).__name__
        if isinstance(prompt, ContextPrompt):
            other += f" with position={prompt.position!r}"
        raise ConfigError(
            "expected learned context in front of the class name, such as SharedContext, got "
            f"{other} in branch {branch!r}: deeper blocks replace what becomes of its tokens"
        )
    return prompt


def context_length(prompts: Mapping[str, Prompt]) -> int:
    """Return the number of context tokens, which all branches with a prompt must share.

    Raises:
        ConfigError: for branches of several lengths, or whose prompts are no such context.
    """
    lengths = {name: context_of(prompts, name).context.shape[-2] for name in prompts}
    if len(set(lengths.values())) != 1:
        found = ", ".join(f"{name} {length}" for name, length in lengths.items()) or "none"
        raise ConfigError(
            "expected branches whose contexts have the same number of tokens, for they go through "
            f"one text tower; got {found}"
        )
    return next(iter(lengths.values()))


def start_length(backbone: Backbone) -> int:
    """Return how many tokens of its own the text tower puts in front of every text."""
    start = backbone.embed_words(["x"]).start
    return 1 if start.ndim == 1 else len(start)
