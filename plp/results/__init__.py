"""Finished runs as rows; tables, files and figures made of rows. Nothing here runs anything."""

from plp.results.cells import Table, Value
from plp.results.figure import draw_accuracy_over_shots, save_figure
from plp.results.render import to_latex, to_markdown
from plp.results.run import Run, read_run
from plp.results.summary import Summary, average_over_datasets, in_order, summarise
from plp.results.tables import accuracy_table, accuracy_tables
from plp.results.write import write_outputs

__all__ = [
    "Run",
    "Summary",
    "Table",
    "Value",
    "accuracy_table",
    "accuracy_tables",
    "average_over_datasets",
    "draw_accuracy_over_shots",
    "in_order",
    "read_run",
    "save_figure",
    "summarise",
    "to_latex",
    "to_markdown",
    "write_outputs",
]
