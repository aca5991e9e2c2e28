"""How to do it again."""

from collections.abc import Mapping
from typing import Any

from plp.report.html import Child, join, tag
from plp.report.page import Section, paragraphs
from plp.report.tables import facts


def reproduce(result: Mapping[str, Any]) -> Section:
    """Return the command of the run, and what else its numbers depend on."""
    command = result.get("command")
    commit = result["git_commit"] or "unknown (plp does not run from a git repository)"
    if commit.endswith("-dirty"):
        commit += " (there were changes that no commit has)"
    rows: list[tuple[str, Child]] = [
        ("plp, commit", tag("code", commit)),
        ("split hash", tag("code", result["split_hash"])),
        ("backbone fingerprint", tag("code", result["backbone_fingerprint"])),
        ("versions", ", ".join(f"{name} {v}" for name, v in result["versions"].items())),
        ("device", result["device"]),
    ]
    told = (
        "The seed decides the draw of the shots, the start and the order of training. With the "
        "same versions, machine and number of threads a CPU gives the same numbers bit for bit; "
        "elsewhere sums are rounded differently. Another commit or backbone may give others."
    )
    first = (
        tag("pre", tag("code", command))
        if command
        else paragraphs("Started from Python; its settings are the whole config above.")
    )
    return Section("reproduce", "How to reproduce", join(first, tag("p", told), facts(rows)))
