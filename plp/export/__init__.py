"""A trained classifier as one file that runs without plp: ONNX, or a program of torch.export."""

from plp.export.program import ClassifierProgram
from plp.export.write import Exported, export_onnx, export_program

__all__ = ["ClassifierProgram", "Exported", "export_onnx", "export_program"]
