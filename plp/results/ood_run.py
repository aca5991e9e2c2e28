"""A finished test of out-of-distribution detection, read as a row."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from plp.errors import DataError
from plp.results.origins import origin_of
from plp.results.records import OODRun
from plp.results.run import name_of_config, read_result
from plp.results.settings import settings_of

OOD_RESULT = "ood.json"
ALL_SETS = "all"
ID = "id"  # no set can be called so
USUAL = ("GlobalLocalMCM", "MCM", "MSP")  # the published methods' own; MSP without texts
METRICS = ("fpr95_id", "auroc", "fpr95_ood", "aupr_in", "aupr_out")


def read_ood_run(
    path: str | Path,
    method: str | None = None,
    dataset: str | None = None,
    score: str | None = None,
    other_code: bool = False,
) -> OODRun:
    """Read an `ood.json` as a row.

    Args:
        path: The file, or the folder it is in.
        method: Name of the method; by default folder/stem of the config file.
        dataset: Name of the dataset; by default the one in the result.
        score: Which score; by default the first of `USUAL` that the test has: GL-MCM where a branch
            looks at patches, else MCM; MSP of a backbone without texts, which has no other.
        other_code: See `OODRun`.

    Raises:
        DataError: if it is missing, damaged, no such test, or lacks the score.
    """
    path = Path(path)
    path = path / OOD_RESULT if path.is_dir() else path
    result = read_result(path)
    if result["kind"] != "ood":
        raise DataError(f"{path}: expected a test of kind 'ood', got {result['kind']!r}")
    score = choose_score(path, list(result["scores"]), score)
    found = result["scores"][score]
    return OODRun(
        method=method or name_of_config(result["config_file"]),
        dataset=dataset or result["dataset"],
        shots=result["shots"],
        seed=result["seed"],
        score=score,
        accuracy=result["in_distribution"]["accuracy"]["fused"],
        sets=found["sets"],
        averages=found["average"],
        groups={name: one["group"] for name, one in result["ood_sets"].items()},
        path=str(path.parent),
        other_code=other_code,
        images={
            ID: result["in_distribution"]["images"],
            **{name: one["images"] for name, one in result["ood_sets"].items() if "images" in one},
        },
        settings=settings_of(result, score=_settings_of_score(found), near=_near(result)),
        origin=origin_of(result),
    )


def _settings_of_score(found: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in found.items() if key not in ("sets", "average")}


def _near(result: Mapping[str, Any]) -> list[str]:
    return [name for name, one in result["ood_sets"].items() if one["group"] == "near"]


def choose_score(path: Path, known: Sequence[str], score: str | None) -> str:
    """Return the score asked for, or the usual one.

    Raises:
        DataError: if it is not among the known ones.
    """
    wanted = USUAL if score is None else (score,)
    found = next((name for name in wanted if name in known), None)
    if found is None:
        raise DataError(
            f"{path} has no score {' or '.join(wanted)}; it has: {', '.join(known) or 'none'}"
        )
    return found
