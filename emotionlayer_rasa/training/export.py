"""From torch to one small ONNX file."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path
from typing import Sequence

import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import nn

OPSET = 17


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
            without VNNI.
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
