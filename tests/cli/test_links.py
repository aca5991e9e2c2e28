"""Links in a work directory that lead outside are replaced; nothing outside is written."""

import json

NAMES = ("model.safetensors", "best.safetensors", "curves.jsonl", "report.html", "state.pth")


def test_a_run_writes_nothing_through_links(train_tool, tmp_path):
    outside, work = tmp_path / "outside", tmp_path / "work"
    outside.mkdir()
    work.mkdir()
    for name in NAMES:
        if name != "state.pth":  # a run would be there already
            (outside / name).write_text("mine")
        (work / name).symlink_to(outside / name)
    (work / "result.json").symlink_to(outside / "gone.json")
    ended = train_tool(
        "--cfg-options", "report=True", "selection=val", "train_cfg.max_epochs=2",
        "train_cfg.val_interval=1",
    )  # fmt: skip
    assert ended.status == 0, ended.err
    assert {path.name: path.read_text() for path in outside.iterdir()} == {
        name: "mine" for name in NAMES if name != "state.pth"
    }
    for name in (*NAMES, "result.json"):
        assert (work / name).is_file()
        assert not (work / name).is_symlink()
    rows = [json.loads(line) for line in (work / "curves.jsonl").read_text().splitlines()]
    assert [row["epoch"] for row in rows] == [1, 2]


def test_a_work_directory_may_be_a_link(train_tool, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "work").symlink_to("elsewhere")
    assert train_tool("--cfg-options", "train_cfg.max_epochs=1").status == 0
    assert (tmp_path / "elsewhere" / "result.json").is_file()
