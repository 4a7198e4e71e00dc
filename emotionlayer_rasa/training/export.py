"""From torch to one small ONNX file."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Sequence

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

OPSET = 17

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
    quantize: bool = True,
) -> None:
    """Write ``module`` as ONNX.

    Args:
        module: takes the inputs in their order and gives the outputs in theirs.
        inputs: an example of each input by name.
        outputs: names of the outputs.
        path: the file written.
        dynamic_axes: axes that vary, by input or output name.
        quantize: store the weights of matrix products as 8-bit integers, with one scale an output channel, and
            quantise activations on the fly. Unsigned weights, because the signed kernels saturate on processors
            without VNNI. What stays in floats and is large is stored in 16 bits, and computed in 32.
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
        path.parent.mkdir(parents=True, exist_ok=True)
        if not quantize:
            plain.replace(path)
            return
        quantize_dynamic(
            plain,
            path,
            op_types_to_quantize=["MatMul"],
            per_channel=True,
            weight_type=QuantType.QUInt8,
        )
        _halve(path)


def _halve(path: Path) -> None:
    """Store large float constants in 16 bits. The session folds the casts when it loads the file."""
    model = onnx.load(str(path))
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
    onnx.save(model, str(path))
