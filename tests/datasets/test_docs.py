"""docs/datasets.md says what the table says."""

from plp.datasets import BENCHMARKS, OOD_BENCHMARKS


def numbers(cell):
    """Read '15,880 / - / 19,850'."""
    parts = [part.strip().replace(",", "") for part in cell.split("/")]
    return tuple(None if part == "-" else int(part) for part in parts)


def test_every_set_stands_in_the_docs_with_its_numbers(root):
    text = (root / "docs/datasets.md").read_text(encoding="utf-8")
    table = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines()]
    rows = {row[0].strip("`"): row[1:] for row in table if row and row[0].startswith("`")}
    rows = {name: row for name, row in rows.items() if not name.startswith("--")}
    assert set(rows) == {*BENCHMARKS, *OOD_BENCHMARKS}
    for name, facts in BENCHMARKS.items():
        folder, classes, counts, *rest = rows[name]
        assert folder.startswith(f"`{facts.folder}/")
        assert int(classes) == facts.classes, name
        assert numbers(counts) == tuple(facts.counts)[-len(numbers(counts)) :], name
        if not facts.source.endswith("Shift"):
            template, lists, images = rest
            assert template == facts.template, name
            assert (lists == "CoOp") == (facts.split is not None), name
            assert (images == "`download`") == (facts.fetched is not None), name
    for name, ood in OOD_BENCHMARKS.items():
        folders, size = rows[name]
        assert folders == ", ".join(f"`{folder}`" for folder in ood.folders)
        assert numbers(size) == (ood.size,)
