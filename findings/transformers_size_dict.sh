#!/usr/bin/env bash
# The size of a transformers image processor is no longer a dict, though it prints and reads like one.
#
# Versions   transformers 5.24.0, torch 2.14.1, torchvision 0.29.1, pillow 13.0.0.
# Behaviour  processor.size and processor.crop_size are SizeDict, a dataclass that has keys for
#            dict() and brackets for reading, but is no Mapping.
# Guess      {"shortest_edge": 224} as in transformers 4: isinstance(size, dict), {**size},
#            size.get and json.dumps work, and "height" in size tells the two kinds apart.
# Seen       isinstance says no to dict and Mapping, {**size} and json.dumps raise TypeError, and
#            size["height"] of a size that has none is None in place of a KeyError, while "height" in
#            size is False and size == {"shortest_edge": 224} is True. dict(size) gives the old dict.
# Twice      The dict of dict(size) is that of to_dict(), of the file that save_pretrained writes,
#            and of what the processor was made with.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONNOUSERSITE=1
unset PYTHONPATH
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q transformers==5.24.0 torch==2.14.1 torchvision==0.29.1 \
  pillow==13.0.0 numpy==2.4.6

FOLDER="$folder" "$folder/venv/bin/python" - <<'PY'
import json
import os
import sys
from collections.abc import Mapping

from transformers import CLIPImageProcessor


def outcome(act):
    try:
        return repr(act())
    except Exception as error:
        return type(error).__name__


given = {"shortest_edge": 224}
processor = CLIPImageProcessor(size=dict(given))
size = processor.size
processor.save_pretrained(os.environ["FOLDER"])
with open(os.path.join(os.environ["FOLDER"], "preprocessor_config.json"), encoding="utf-8") as file:
    written = json.load(file)["size"]
seen = {
    "type": type(size).__name__,
    "isinstance dict": isinstance(size, dict),
    "isinstance Mapping": isinstance(size, Mapping),
    "size['shortest_edge']": outcome(lambda: size["shortest_edge"]),
    "size['height']": outcome(lambda: size["height"]),
    "size.get('height')": outcome(lambda: size.get("height")),
    "'height' in size": outcome(lambda: "height" in size),
    "{**size}": outcome(lambda: {**size}),
    "json.dumps(size)": outcome(lambda: json.dumps(size)),
    "dict(size)": outcome(lambda: dict(size)),
    "size == dict": outcome(lambda: size == given),
}
for name, value in seen.items():
    print(f"{name:22} {value}")
print("to_dict()             ", processor.to_dict()["size"])
print("written               ", written)
ok = (
    seen["type"] == "SizeDict"
    and not seen["isinstance dict"]
    and not seen["isinstance Mapping"]
    and seen["size['height']"] == "None"
    and seen["'height' in size"] == "False"
    and seen["size == dict"] == "True"
    and seen["{**size}"] == seen["json.dumps(size)"] == "TypeError"
    and dict(size) == given == written == dict(processor.to_dict()["size"])
)
print("as described" if ok else "CHANGED")
sys.exit(not ok)
PY
