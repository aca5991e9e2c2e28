"""Image features that are kept: encoding, filling and the cache on disk."""
