"""docs/export.md: after dynamic int8 quantisation an image's output depends on its batch."""

import logging

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
quantization = pytest.importorskip("onnxruntime.quantization")


def linear(path):
    """Write y = x W, of float32 weights, for any batch."""
    weights = np.random.default_rng(0).normal(size=(16, 3)).astype(np.float32)
    shapes = [
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", size])
        for name, size in (("x", 16), ("y", 3))
    ]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "W"], ["y"])], "linear", shapes[:1], shapes[1:],
        [onnx.numpy_helper.from_array(weights, "W")],
    )  # fmt: skip
    opset = [onnx.helper.make_opsetid("", 17)]
    onnx.save(onnx.helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    return path


def off_by_batch(path):
    """Return how far outputs of a batch are from those of its images alone."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    images = np.random.default_rng(1).normal(size=(4, 16)).astype(np.float32)
    images[3] *= 20
    (whole,) = session.run(None, {"x": images})
    alone = np.concatenate([session.run(None, {"x": one[None]})[0] for one in images])
    return float(np.abs(whole - alone)[:3].max())


def test_the_scale_is_that_of_the_whole_batch(tmp_path):
    logging.disable(logging.WARNING)
    try:
        plain = linear(str(tmp_path / "plain.onnx"))
        quantization.quantize_dynamic(plain, str(tmp_path / "int8.onnx"))
    finally:
        logging.disable(logging.NOTSET)
    assert off_by_batch(plain) < 1e-5
    assert off_by_batch(str(tmp_path / "int8.onnx")) > 0.01
