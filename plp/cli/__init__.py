"""Command-line tools; `tools/*.py` are thin doors to them."""
