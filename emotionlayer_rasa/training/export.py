"""From torch to one small ONNX file."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path
from typing import Sequence

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.quantization.onnx_model import ONNXModel
from torch import nn

OPSET = 17


def export_onnx(
    module: nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: Sequence[str],
    path: Path,
    dynamic_axes: dict[str, dict[int, str]],
) -> None:
    """Write ``module`` as ONNX, small.

    The weights of matrix products become 8-bit integers with a scale for each output, and so do the activations
    while they are multiplied, with a scale for each row, that is, for each moment of speech. onnxruntime knows one
    scale for the whole of an activation, so every row is divided by its largest value before. Other ways and their
    errors: docs/model-experiments.md.

    Args:
        module: takes the inputs in their order and gives the outputs in theirs.
        inputs: an example of each input by name.
        outputs: names of the outputs.
        path: the file written.
        dynamic_axes: axes that vary, by input or output name.
    """
    module = module.eval()
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "model.onnx"
        with torch.inference_mode(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # shape checks inside the encoder become constants, as they should
            torch.onnx.export(
                module,
                tuple(inputs.values()),
                str(plain),
                input_names=list(inputs),
                output_names=list(outputs),
                dynamic_axes=dynamic_axes,
                opset_version=OPSET,
            )
        model = ONNXModel(onnx.load(str(plain)))
        model.replace_gemm_with_matmul()
        _normalise_rows(model.model.graph)
        onnx.save(model.model, str(plain))
        path.parent.mkdir(parents=True, exist_ok=True)
        root = logging.getLogger()
        level = root.level
        root.setLevel(logging.ERROR)  # it recommends a preparation by hand that this graph does not need
        try:
            # Unsigned weights: signed ones saturate on processors without VNNI.
            quantize_dynamic(
                plain,
                path,
                op_types_to_quantize=["MatMul"],
                per_channel=True,
                weight_type=QuantType.QUInt8,
                extra_options={"MatMulConstBOnly": True},
            )
        finally:
            root.setLevel(level)


def _normalise_rows(graph: onnx.GraphProto) -> None:
    """Before each product with weights, divide every row by its largest absolute value; multiply by it after."""
    weights = {constant.name for constant in graph.initializer}
    smallest = numpy_helper.from_array(np.array(1e-9, dtype=np.float32), "smallest_row_scale")
    nodes, normalised = [], set()
    for node in graph.node:
        if node.op_type != "MatMul" or node.input[1] not in weights:
            nodes.append(node)
            continue
        rows, product = node.input[0], node.output[0]
        size, scale, scaled = f"{rows}.size", f"{rows}.scale", f"{rows}.scaled"
        if rows not in normalised:  # queries, keys and values share theirs
            normalised.add(rows)
            nodes += [
                helper.make_node("Abs", [rows], [size]),
                helper.make_node("ReduceMax", [size], [f"{size}.largest"], axes=[-1], keepdims=1),
                helper.make_node("Max", [f"{size}.largest", smallest.name], [scale]),
                helper.make_node("Div", [rows, scale], [scaled]),
            ]
        node.input[0], node.output[0] = scaled, f"{product}.scaled"
        nodes += [node, helper.make_node("Mul", [f"{product}.scaled", scale], [product])]
    del graph.node[:]
    graph.node.extend(nodes)
    graph.initializer.append(smallest)
