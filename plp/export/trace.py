"""From the module to a program of plain ATen operations, for any number of images."""

import torch
from torch.export import Dim, ExportedProgram

from plp.errors import ExportError
from plp.export.program import ClassifierProgram

_IMAGES = 2  # of the example: a trace of one image would be for one image only


def trace(program: ClassifierProgram) -> ExportedProgram:
    """Trace a program; what it does not read, such as the text tower, is left out.

    Raises:
        ExportError: if a part looks at values or at the number of images, naming what torch says.
    """
    size = program.backbone.image_size
    pixels = torch.zeros(_IMAGES, 3, *size, dtype=torch.uint8)
    try:
        with torch.no_grad():
            traced = torch.export.export(
                program, (pixels,), dynamic_shapes=({0: Dim("batch", min=1)},), strict=False
            )
    except Exception as error:  # the tracer runs components, of users too
        first = str(error).strip().partition("\n")[0]
        raise ExportError(
            f"this classifier cannot be traced: {type(error).__name__}: {first}. Components of "
            "your own must compute with tensors alone: no `.item()`, no `if` on a value, no "
            "`len()` of a batch (`tensor.shape[0]` instead)"
        ) from error
    return _without_unused(traced)


def _without_unused(traced: ExportedProgram) -> ExportedProgram:
    """Drop parameters and buffers that no operation reads."""
    specs = traced.graph_signature.input_specs
    nodes = {node.name: node for node in traced.graph.nodes if node.op == "placeholder"}
    for spec in list(specs):
        if spec.target is not None and not nodes[spec.arg.name].users:
            traced.graph.erase_node(nodes[spec.arg.name])
            specs.remove(spec)
    read = {spec.target for spec in specs}
    for held in (traced.state_dict, traced.constants):
        for name in [name for name in held if name not in read]:
            del held[name]
    traced.graph_module.recompile()
    return traced
