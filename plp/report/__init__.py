"""`report.html`: what a run, or a comparison, has found, as one file that needs nothing else.

Nothing is imported here: results, engine and inference meet in it. `plp.report.run_report` writes
the report of a run, `plp.report.compare_report` that of a comparison.
"""
