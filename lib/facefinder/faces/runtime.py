"""The only place that makes an inference session."""

from pathlib import Path

import onnxruntime


def create_session(model: Path) -> onnxruntime.InferenceSession:
    """Load an ONNX model for the CPU with one thread: the worker processes share out the cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Plans of memory are made and kept for each input size; photos come in all sizes.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
