import numpy as np
import pytest

from plp.inference import Explanation


@pytest.fixture
def planted():
    """An explanation whose first prompt sends all its mass to one patch; others are uniform."""

    def make(patch, grid, crop, image_size, prompts=2, K=4, class_name="bee"):
        P, number = grid[0] * grid[1], np.arange(K)
        support = (patch + number * 3) % P
        plan = np.full((K, prompts), 1 / (K * prompts))
        plan[:, 0] = np.where(number == 0, 1 / prompts, 0)
        similarity = np.full((prompts, *grid), 0.1)
        similarity[0].flat[patch] = 0.9
        return Explanation(
            name="x", class_name=class_name, branch="local",
            prompts=tuple(f"prompt {n}" for n in range(prompts)), grid=grid,
            support=np.repeat(support[:, None], prompts, 1),
            kept=np.ones((K, prompts), bool), plan=plan, similarity=similarity, score=0.5,
            image_size=image_size, crop=crop,
        )  # fmt: skip

    return make
