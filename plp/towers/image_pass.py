"""One pass over the blocks of an image tower, from one block to another."""

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from plp.errors import ConfigError
from plp.structures import ImageFeatures, ImagePrefix
from plp.towers.block import Block
from plp.towers.checkpointed import run_block
from plp.towers.image import ImageTower
from plp.towers.points import TowerPoints
from plp.towers.rows import Rows, moved


class ImagePass:
    """The loop behind `TransformerStreams`, which says what it computes.

    Rows of tokens: class and register tokens, extra tokens, patches.

    Args:
        tower: The tower.
        streams: Dense streams wanted.
        alias_first_block: See `TransformerStreams`.
        points: What acts on the tower.
        block: The first block that is run.
    """

    def __init__(
        self,
        tower: ImageTower,
        streams: Sequence[str],
        alias_first_block: bool,
        points: TowerPoints | None,
        block: int = 0,
    ) -> None:
        self.tower = tower.at(points)
        self.points = points
        self.streams = streams
        self.alias_first_block = alias_first_block
        self.rows = Rows(points, tower.prefix, block)

    def start(self, images: Float[Tensor, "B 3 H X"]) -> ImagePrefix:
        """Return images in front of the first block."""
        return ImagePrefix(0, self.tower.embed(images), {})

    def until(self, state: ImagePrefix, stop: int | None) -> ImagePrefix:
        """Run the blocks up to one; None for all."""
        x, dense = state.tokens, dict(state.dense)
        blocks = self.tower.acting_blocks(x.device)
        stop = len(blocks) if stop is None else stop
        _check_range(state.block, stop, len(blocks))
        if state.block:
            known = [*dense] if state.block == len(blocks) else [*dense, "value", "tokens"]
            _check_known(self.streams, known)
        for index in range(state.block, stop):
            x = self._enter(index, x)
            last = index == len(blocks) - 1
            read = self._read_rows(x.shape[1]) if last else None
            # Bound now: rows move on before the block is computed again, if it is.
            run = partial(self._block, blocks[index], index, self._first, read)
            x, dense = run_block(self.points, run, x, dense)
        return ImagePrefix(stop, x, dense)

    def read(self, state: ImagePrefix) -> ImageFeatures:
        """Run the blocks that are left, and return what is read behind the last."""
        x, dense = self.until(state, None)[1:]
        tower, extra = self.tower, self.rows.read
        found = {name: tower.finish(dense[name]) for name in self.streams}
        states = {name: tower.finish(x[:, self.rows.of(name)]) for name in extra}
        return ImageFeatures(tower.pool(self._own(x)), found, tower.grid, states)

    @property
    def _first(self) -> int:
        """Row of the first patch."""
        return self.tower.prefix + self.rows.count

    def _enter(self, index: int, x: Float[Tensor, "B L W"]) -> Float[Tensor, "B R W"]:
        """Return what enters a block: tokens are put in, replaced, taken out."""
        if index == 0:
            for move in self.rows.moves(0, before_first_norm=True):
                x = moved(x, move)
            x = self.tower.first_norm(x)
        for move in self.rows.moves(index):
            x = moved(x, move)
        return x

    def _block(
        self,
        block: Block,
        index: int,
        first: int,
        read: int | None,
        x: Float[Tensor, "B L W"],
        dense: dict[str, Tensor],
    ) -> tuple[Float[Tensor, "B R W"], dict[str, Tensor]]:
        """Run a block; return its tokens and the streams behind it.

        Args:
            block: The block.
            index: Its number.
            first: Row of the first patch.
            read: How many rows are read behind the last block; None for another block.
            x: Tokens.
            dense: Streams so far.
        """
        streams, dense = self.streams, dict(dense)
        rows = x.shape[1] if read is None else read
        normed = block.normed(x)
        attended, value = _attention(block, normed, rows)
        if "vv" in streams:
            stream = x[:, first:] if index == 0 else dense["vv"]
            mixed = block.mix_values(value[:, first:], value)
            dense["vv"] = stream + block.output(mixed, normed[:, first:])
            if index == 0 and self.alias_first_block:
                dense["vv"] = dense["vv"] + attended[:, first:]
        if read is not None and "value" in streams:
            added = block.output(value[:, first:], normed[:, first:])
            dense["value"] = block.finish(x[:, first:], normed[:, first:], added)
        x = block.finish(x[:, :rows], normed[:, :rows], attended)
        if read is not None and "tokens" in streams:
            dense["tokens"] = x[:, first:]
        return x, dense

    def _read_rows(self, rows: int) -> int:
        """Return how many of the last block's tokens are read."""
        if "tokens" in self.streams or self.tower.pooled_rows is None:
            return rows
        return self._first if self.rows.read else self.tower.pooled_rows

    def _own(self, x: Float[Tensor, "B L W"]) -> Float[Tensor, "B R W"]:
        """Return the tower's own tokens."""
        prefix = self.tower.prefix
        if not self.rows.count or x.shape[1] <= prefix:
            return x
        return torch.cat([x[:, :prefix], x[:, self._first :]], dim=1)


def _attention(
    block: Block, normed: Float[Tensor, "B L W"], rows: int
) -> tuple[Float[Tensor, "B R W"], Float[Tensor, "B L V"]]:
    """Return the attention output of the first `rows` tokens, and the values of all."""
    if rows == normed.shape[1]:
        query, key, value = block.qkv(normed, 0, 3)
    else:
        (query,) = block.qkv(normed[:, :rows], 0, 1)
        key, value = block.qkv(normed, 1, 3)
    return block.output(block.mix(query, key, value), normed[:, :rows]), value


def _check_range(start: int, stop: int, blocks: int) -> None:
    if not start <= stop <= blocks:
        raise ConfigError(
            f"expected a block from {start} to {blocks} to stop in front of ({blocks}: behind the "
            f"last), got {stop}"
        )


def _check_known(streams: Sequence[str], known: Sequence[str]) -> None:
    for stream in streams:
        if stream not in known:
            raise ConfigError(
                f"the stream {stream!r} runs through the blocks that are left out here. Name it "
                "when images are encoded up to this block."
            )
