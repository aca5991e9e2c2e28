"""Many runs: comparisons of methods, and the protocols of the field."""
