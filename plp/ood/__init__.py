"""Out-of-distribution detection: sets of other images, their scores, tables and figures."""
