"""Figures of a report: what is drawn is what was given."""

import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from sklearn.metrics import roc_auc_score

from plp.visualization import draw_curves, draw_right_and_wrong


def rows(epochs, look=()):
    return [
        {"epoch": k, "lr": 0.1 * k, "loss": 3.0 - 0.1 * k, "loss_local": 1.0, "loss_global": 2.0}
        | ({"val_accuracy": 50.0 + k} if k in look else {})
        for k in range(1, epochs + 1)
    ]


def lines(axis):
    return {line.get_label(): line.get_xydata().tolist() for line in axis.get_lines()}


def test_curves():
    figure = draw_curves(rows(4, look=(2, 4)))
    losses, accuracy, rate = figure.axes
    assert lines(losses).keys() == {"loss", "local", "global"}
    np.testing.assert_allclose(lines(losses)["loss"], [[1, 2.9], [2, 2.8], [3, 2.7], [4, 2.6]])
    (found,) = lines(accuracy).values()
    assert found == [[2, 52], [4, 54]]
    (found,) = lines(rate).values()
    np.testing.assert_allclose(found, [[1, 0.1], [2, 0.2], [3, 0.3], [4, 0.4]])
    FigureCanvasAgg(figure).draw()


def test_curves_of_one_epoch_without_validation_show_points():
    figure = draw_curves(rows(1))
    assert len(figure.axes) == 2
    for axis in figure.axes:
        assert all(line.get_marker() == "o" for line in axis.get_lines())
        assert axis.get_xlim() == (0, 2)


def test_no_curves_of_nothing():
    with pytest.raises(ValueError, match="expected an epoch or more, got none"):
        draw_curves([])


@pytest.fixture
def scores():
    return {name: torch.rand(200, generator=torch.Generator().manual_seed(i))
            for i, name in enumerate(("MSP", "Energy", "Entropy"))}  # fmt: skip


@pytest.fixture
def correct():
    return torch.rand(200, generator=torch.Generator().manual_seed(9)) < 0.7


def test_right_and_wrong(scores, correct):
    figure = draw_right_and_wrong(scores, correct, {"MSP": 0.5})
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert len(shown) == 3
    for axis, (name, values) in zip(shown, scores.items(), strict=True):
        auroc = 100 * roc_auc_score((~correct).numpy(), values.numpy())
        assert axis.get_title() == f"{name}, AUROC {auroc:.1f}"
        told = [text.get_text() for text in axis.get_legend().get_texts()]
        counts = [f"right ({int(correct.sum())})", f"wrong ({int((~correct).sum())})"]
        assert told == counts + ["threshold"] * (name == "MSP")
        for steps in axis.patches:
            np.testing.assert_allclose(steps.get_data().values.sum(), 100, rtol=1e-5)
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize(("share", "told"), [(1.0, "right (200)"), (0.0, "wrong (200)")])
def test_all_right_or_all_wrong_has_no_auroc(scores, share, told):
    figure = draw_right_and_wrong(scores, torch.full((200,), share > 0.5))
    assert figure.axes[0].get_title() == "MSP"
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [told]


def test_no_score():
    with pytest.raises(ValueError, match="expected at least one score"):
        draw_right_and_wrong({}, torch.zeros(0, dtype=torch.bool))
