"""The sections of a run's report, one file each: a function from what is known to a `Section`."""
