"""What text towers share that are read block by block."""

from abc import abstractmethod
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from plp.errors import ConfigError
from plp.towers.block import Block
from plp.towers.checkpointed import run_block
from plp.towers.points import TowerPoints
from plp.towers.rows import Move, Rows
from plp.towers.text import TextPrefix, TextTower
from plp.towers.text_blocks import TextBlocks
from plp.towers.text_layout import TextLayout, shared_with
from plp.towers.tokens import Tokens


class BlockText(TextTower):
    """A text tower with blocks: the loop over them, and what acts in between.

    How texts lie in memory is the subclass's affair: it starts them, moves them, and runs a block.
    What it needs to know of a batch for that (`_places`) follows from the layout.

    Args:
        text: The tower's description.
        tokens: Its tokenizer.
        context_length: Most tokens of a text.
    """

    def __init__(self, text: TextBlocks, tokens: Tokens, context_length: int) -> None:
        super().__init__(tokens, context_length, text.width, text.vocabulary)
        self.text = text

    @property
    def description(self) -> TextBlocks:
        """The tower as points name its parts."""
        return self.text

    def embed(self, ids: Int[Tensor, " S"]) -> Float[Tensor, "S D"]:
        """Look token embeddings up."""
        return self.text.embed(ids)

    def encode(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> Float[Tensor, "C N E"]:
        """Encode texts."""
        tower = self.text.at(points)
        state, places = self._begin(tower, embeddings, end, shared, points)
        return self._read(tower, state, points, places)

    def prefix(
        self,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        block: int,
        shared: int = 0,
        points: TowerPoints | None = None,
    ) -> TextPrefix:
        """Encode texts up to a block."""
        tower = self.text.at(points)
        state, places = self._begin(tower, embeddings, end, shared, points)
        return self._until(tower, state, block, points, places)

    def resume(
        self, prefix: TextPrefix, points: TowerPoints | None = None
    ) -> Float[Tensor, "C N E"]:
        """Encode what `prefix` stopped in front of, to the end."""
        return self._read(self.text.at(points), prefix, points)

    def _laid_out(self, layout: TextLayout) -> TextLayout:
        """Return how the tower's own tokens lie that it computes."""
        return layout

    @abstractmethod
    def _start(
        self,
        tower: TextBlocks,
        embeddings: Float[Tensor, "C N L D"],
        layout: TextLayout,
        places: Any,
    ) -> Float[Tensor, "*U D"]:
        """Return what enters the first block."""

    @abstractmethod
    def _places(
        self, tower: TextBlocks, layout: TextLayout, rows: Rows, device: torch.device
    ) -> Any:
        """Return what the other methods need of a layout."""

    @abstractmethod
    def _moved(
        self, x: Float[Tensor, "*U D"], places: Any, layout: TextLayout, move: Move
    ) -> Float[Tensor, "*R D"]:
        """Return tokens after a move; `places` and `layout` are those in front of it."""

    @abstractmethod
    def _block(self, block: Block, x: Float[Tensor, "*U D"], places: Any) -> Float[Tensor, "*U D"]:
        """Run a block for all tokens."""

    @abstractmethod
    def _last_block(
        self, block: Block, x: Float[Tensor, "*U D"], places: Any
    ) -> Float[Tensor, "M D"]:
        """Run the last block for the tokens that are read."""

    def _begin(
        self,
        tower: TextBlocks,
        embeddings: Float[Tensor, "C N L D"],
        end: Int[Tensor, "C N"],
        shared: int,
        points: TowerPoints | None,
    ) -> tuple[TextPrefix, Any]:
        """Return texts in front of the first block, and their places."""
        own = self._own(points)
        layout = self._laid_out(
            TextLayout(end, embeddings.shape[2], shared_with(points, shared, own))
        )
        places = self._places(tower, layout, Rows(points, own), embeddings.device)
        return TextPrefix(0, self._start(tower, embeddings, layout, places), layout), places

    def _until(
        self,
        tower: TextBlocks,
        state: TextPrefix,
        stop: int | None,
        points: TowerPoints | None,
        places: Any = None,
    ) -> TextPrefix:
        """Run the blocks up to one; None for all."""
        _, x, layout = state
        blocks = tower.acting_blocks(x.device)
        stop = len(blocks) if stop is None else stop
        if not state.block <= stop <= len(blocks):
            raise ConfigError(
                f"expected a block from {state.block} to {len(blocks)} to stop in front of "
                f"({len(blocks)}: behind the last), got {stop}"
            )
        rows = Rows(points, self._own(points), state.block)
        if places is None and state.block < stop:
            places = self._places(tower, layout, rows, x.device)
        for index in range(state.block, stop):
            for move in rows.all_moves(index):
                after = layout.after(move)
                x, layout = self._moved(x, places, layout, move), after
                places = self._places(tower, layout, rows, x.device)
            last = index == len(blocks) - 1
            run = partial(self._last_block if last else self._block, blocks[index])
            x = run_block(points, run, x, places)
        return TextPrefix(stop, x, layout)

    def _read(
        self, tower: TextBlocks, state: TextPrefix, points: TowerPoints | None, places: Any = None
    ) -> Float[Tensor, "C N E"]:
        _, x, layout = self._until(tower, state, None, points, places)
        return tower.finish(x).unflatten(0, layout.end.shape)

    def _own(self, points: TowerPoints | None) -> int:
        """Return behind how many own tokens extra ones stand, if they do not say it themselves."""
        if points is None or all(group.at is not None for group in points.extra.values()):
            return 0  # the tokenizer need not be opened
        return len(self.tokens.frame.start)
