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
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer
from onnxruntime.quantization.onnx_model import ONNXModel
from torch import nn

OPSET = 17

BLOCK = 128
"""Weights and activations that share a scale."""

HALVED = frozenset({"Conv", "Slice"})
"""Operators whose large constants are stored in half precision: convolutions, cuts of the position embeddings."""

LARGE = 100_000
"""From how many values on."""


def export_onnx(
    module: nn.Module,
    inputs: dict[str, torch.Tensor],
    outputs: Sequence[str],
    path: Path,
    dynamic_axes: dict[str, dict[int, str]],
) -> None:
    """Write ``module`` as ONNX, small.

    The weights of matrix products become 8-bit integers, and so do the activations while they are multiplied, with
    a scale for each :data:`BLOCK` of values on both sides (onnxruntime's operator ``MatMulNBits``). One scale an
    activation is a third faster, but its error is six times as large and costs recall: see
    docs/model-experiments.md. What stays in floats and is large is stored in 16 bits, and computed in 32.

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
    logging.getLogger(MatMulNBitsQuantizer.__module__).setLevel(logging.WARNING)  # it reports on every node
    # accuracy level 4: products of 8-bit integers
    settings = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, accuracy_level=4, bits=8)
    quantizer = MatMulNBitsQuantizer(model.model, algo_config=settings)
    quantizer.process()
    small = quantizer.model.model
    _halve(small)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(small, str(path))


def _halve(model: onnx.ModelProto) -> None:
    """Store large float constants in 16 bits. The session folds the casts when it loads the file."""
    users = {name: node.op_type for node in model.graph.node for name in node.input}
    casts = []
    for constant in model.graph.initializer:
        values = numpy_helper.to_array(constant)
        if values.dtype != np.float32 or values.size < LARGE or users.get(constant.name) not in HALVED:
            continue
        if values.ndim == 3 and values.shape[1] == 1:
            continue  # the Fourier basis of the log-mel spectrogram: quiet bands need its precision
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
