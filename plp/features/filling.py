"""Encoding the features that are not on disk yet, while other processes may do the same.

Two runs that start together want the same images. Each claims a batch at a time and leaves alone
what others have claimed, so that they share the work out; at the end it waits for what is not
written yet. What others do not want, or have done, is never waited for. The same holds for the
processes of a distributed run.

A process waits only while it has no claim itself: two cannot wait for each other. One that was
stopped (not killed, which gives its claims up) is waited for some minutes, then its images are
encoded here too.
"""

import logging
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, tee
from pathlib import Path
from typing import final

from plp.datasets import View
from plp.datasets.claims import Claims
from plp.features.cache import SCREEN, CachedViews
from plp.features.encoding import encode, in_batches
from plp.learners.prompt_learner import PromptLearner
from plp.wording import count

logger = logging.getLogger("plp")

POLL = 0.1  # seconds between two looks at what others have
TOLD_AFTER = 1.0  # seconds of waiting
LONGEST = 300.0  # seconds in which nothing that others have gets done


def fill_stores(
    parts: Mapping[str, CachedViews], learner: PromptLearner, batch_size: int, workers: int
) -> dict[str, CachedViews]:
    """Encode what is missing and no other process encodes, and wait for what others do.

    If a store cannot be written, a warning says so and the run goes on without it.

    Returns:
        The parts that are whole afterwards.
    """
    if not parts:
        return {}
    for cached in parts.values():
        cached.store.catch_up()  # images may have been checked for minutes since
    missing = {part: list(cached.missing().values()) for part, cached in parts.items()}
    if images := sum(map(len, missing.values())):
        logger.info("encoding %s (kept on disk)", count(images, "image"), extra=SCREEN)
    encoded = _fill_all(parts, missing, learner, batch_size, workers)
    for cached in parts.values():
        cached.store.refresh()  # what another process wrote first counts, as it will next time
        cached.store.verify(cached.keys)
    whole = {part: cached for part, cached in parts.items() if not cached.missing()}
    total = sum(len(cached.keys) for cached in parts.values())
    known = sum(len(parts[part].keys) - new for part, new in encoded.items())
    folder = next(iter(parts.values())).store.folder.parent
    logger.info(
        "features of %d images: %d from the cache %s, %d encoded",
        total, known, folder, sum(encoded.values()),
    )  # fmt: skip
    return whole


def _fill_all(
    parts: Mapping[str, CachedViews], missing: dict[str, list[View]], learner: PromptLearner,
    batch_size: int, workers: int,
) -> dict[str, int]:  # fmt: skip
    """Make parts whole: first all that nobody else encodes, of any part, then wait for the others.

    Args:
        parts: All parts.
        missing: Views to encode, by part; in the end those that were left to others.
        learner: Its tower encodes.
        batch_size: Images that are encoded together.
        workers: Processes that decode images.

    Returns:
        How many views were encoded here, by part; without the parts that could not be written.
    """
    encoded, patience = dict.fromkeys(parts, 0), _Patience()
    while True:
        over = patience.is_over
        before = sum(encoded.values())
        for part in list(encoded):
            try:
                new, missing[part] = _fill(
                    parts[part], missing[part], learner, batch_size, workers, over
                )
                encoded[part] += new
            except OSError as error:
                logger.warning(
                    "the feature cache %s cannot be written (%s): going on without it where it has "
                    "gaps. Let data.feature_cache name a folder with room that you may write",
                    parts[part].store.folder.parent, error,
                )  # fmt: skip
                del encoded[part]
        refused = {part: len(missing[part]) for part in encoded if missing[part]}
        if not refused:
            return encoded
        if sum(encoded.values()) == before:
            patience.wait(sum(refused.values()), parts[next(iter(refused))].store.folder)


@final
class _Patience:
    """Waiting for other processes; it is told once, when it is long enough to be noticed.

    Attributes:
        is_over: Whether nothing has got done for too long.
    """

    def __init__(self) -> None:
        self.is_over = False
        self._waited = 0.0
        self._told = False
        self._left, self._since = 0, 0.0  # images, and since when there have been as many

    def wait(self, images: int, folder: Path) -> None:
        """Wait a moment for images that others are encoding."""
        if images != self._left:
            self._left, self._since = images, self._waited
        if self._waited - self._since >= LONGEST:
            self.is_over = True
            logger.warning(
                "another process has had %s for %.0f minutes and not written them (was it "
                "stopped?): encoding them here", count(images, "image"), LONGEST / 60, extra=SCREEN,
            )  # fmt: skip
            return
        if self._waited >= TOLD_AFTER and not self._told:
            self._told = True
            logger.info(
                "waiting for %s that another process is encoding into the feature cache %s",
                count(images, "image"), folder, extra=SCREEN,
            )  # fmt: skip
        time.sleep(POLL)
        self._waited += POLL


def _fill(
    cached: CachedViews, views: Iterable[View], learner: PromptLearner, batch_size: int,
    workers: int, granted: bool,
) -> tuple[int, list[View]]:  # fmt: skip
    """Encode views that are missing; return how many, and which are left to others for now.

    With `granted` none are left to others.
    """
    missing = [view for view in views if cached.key_of(view) not in cached.store]
    refused: list[View] = []
    encoded = 0
    if missing:
        cached.store.prepare()
        with cached.store.claims(granted) as claims:
            batches = _claimed(cached, in_batches(missing, batch_size), claims, refused)
            if (first := next(batches, None)) is not None:  # else no loader need be made
                todo = chain([first], batches)
                encoded = _encode(cached, todo, len(missing), learner, workers, claims)
    return encoded, refused


def _claimed(
    cached: CachedViews, batches: Iterable[list[View]], claims: Claims, refused: list[View]
) -> Iterator[list[View]]:
    """Claim batches when they are asked for, and yield what is left of each to encode here.

    Args:
        cached: Where the views belong.
        batches: Views that are missing, or were when they were last looked for.
        claims: Claims on their keys.
        refused: Gets the views that other processes have claimed.
    """
    for batch in batches:
        own: dict[View, str | None] = {}
        for view in batch:
            key = cached.key_of(view)
            if key is None or claims.take(key):
                own[view] = key
            else:
                refused.append(view)
        if own:
            cached.store.catch_up()  # another may have written them before they were claimed
        claims.give_back(key for key in own.values() if key is not None and key in cached.store)
        if todo := [view for view, key in own.items() if key not in cached.store]:
            yield todo


def _encode(
    cached: CachedViews, batches: Iterator[list[View]], total: int, learner: PromptLearner,
    workers: int, claims: Claims,
) -> int:  # fmt: skip
    """Encode and write batches, and give each claim back; return how many views there were."""
    ahead, written = tee(batches)  # loaders with workers ask for some before the first is there
    encoded = encode(learner, cached.images, ahead, total, workers, cached.references)
    done = 0
    for features, batch in zip(encoded, written, strict=True):
        kept = {i: key for i, key in enumerate(map(cached.key_of, batch)) if key is not None}
        cached.store.add(list(kept.values()), features.rows(list(kept)))
        claims.give_back(kept.values())
        done += len(batch)
    return done
