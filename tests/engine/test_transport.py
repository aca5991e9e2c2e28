"""Transport that has not converged is reported, with the right counts; what converges is not."""

import json

import pytest
import torch
from tiny_runs import read_result

from plp.aligners import SinkhornAligner, sinkhorn
from plp.aligners.convergence import listening
from plp.engine.transport import BranchTransport, TransportTally, together, transport_notes

HARD = "model.branches.local.aligner.epsilon=0.00001"


def test_a_tally_counts_what_the_solver_says():
    similarity = torch.rand(50, 10, 4, generator=torch.Generator().manual_seed(0))
    settings = {"epsilon": 0.05, "max_iterations": 40}
    expected = sinkhorn(1 - similarity, **settings)
    assert 0 < int(expected.converged.sum()) < 50, "a mixture, or nothing is tested"
    tally = TransportTally()
    with listening(tally):
        for part in similarity.split(7):
            SinkhornAligner(**settings)(part)
    SinkhornAligner(**settings)(similarity)  # nobody listens
    (found,) = tally.summary().values()
    assert found.problems == 50
    assert found.converged == int(expected.converged.sum())
    assert found.worst_row_error == pytest.approx(float(expected.row_error.max()), rel=1e-4)


@pytest.mark.parametrize("gradient", ["detach", "implicit", "unroll"])
@pytest.mark.parametrize("kind", ["SinkhornAligner", "UnbalancedSinkhornAligner", "PartialAligner"])
def test_every_solver_is_heard(kind, gradient):
    from plp.registry import ALIGNERS

    aligner = ALIGNERS.build(
        {"type": kind, "epsilon": 0.0005, "max_iterations": 2, "gradient": gradient}
    )
    tally = TransportTally()
    with listening(tally):
        aligner(torch.rand(5, 10, 4, generator=torch.Generator().manual_seed(0)))
    (found,) = tally.summary().values()
    assert (found.problems, found.converged) == (5, 0)
    assert found.worst_row_error > 0


def test_processes_add_up():
    parts = [
        {"a": BranchTransport(10, 9, 0.1)},
        {"a": BranchTransport(5, 5, 0.0), "b": BranchTransport(1, 0, None)},
    ]
    assert together(parts) == {
        "a": BranchTransport(15, 14, 0.1),
        "b": BranchTransport(1, 0, None),
    }


def test_one_of_a_million_is_no_hundred_percent():
    (note,) = transport_notes({"local": BranchTransport(1_000_000, 999_999, 0.2)})
    assert "1 of 1,000,000 transport problems (0.0001 %)" in note
    (note,) = transport_notes({"local": BranchTransport(1_000_000, 1, 0.2)})
    assert "999,999 of 1,000,000" in note
    assert "(100 %)" not in note
    assert transport_notes({"local": BranchTransport(7, 7, 0.0)}) == []


def test_a_run_reports_it_once_and_its_tests_do_too(train_tool, tool, photos, tmp_path):
    folder = tmp_path / "hard"
    ended = train_tool("--cfg-options", HARD, "train_cfg.max_epochs=1", work_dir=folder)
    assert ended.status == 0, ended.err
    result = read_result(folder)
    found = result["transport"]["local"]
    assert found["problems"] == result["num_test_images"] * 3
    assert found["converged"] < found["problems"]
    assert found["converged_share"] == pytest.approx(found["converged"] / found["problems"])
    assert found["worst_row_error"] > 1e-3
    (note,) = [note for note in result["notes"] if "converged" in note]
    assert "model.branches.local.aligner.max_iterations (now 100)" in note
    assert "epsilon (now 1e-05)" in note
    assert (ended.out + ended.err).count("have not converged") == 1
    config = json.loads(json.dumps(result["config_file"]))
    data = ["--dataset", "folder", "--data-root", photos, "--device", "cpu"]
    out = tmp_path / "test.json"
    again = tool("test", config, folder, *data, "--out", out, "--cfg-options", HARD)
    assert again.status == 0, again.err
    assert json.loads(out.read_text())["transport"]["local"] == found
    assert (again.out + again.err).count("have not converged") == 1


def test_a_run_that_converges_says_nothing(trained):
    result = read_result(trained)
    found = result["transport"]["local"]
    assert found["converged"] == found["problems"] == result["num_test_images"] * 3
    assert found["converged_share"] == 1
    assert not [note for note in result["notes"] if "converged" in note]
