"""The only place that makes an inference session."""

import contextlib
import io
from pathlib import Path

import onnxruntime

from facefinder.faces.devices import CPU, Device


class DeviceTrouble(Exception):
    """A device cannot run networks here; says why."""


def create_session(model: Path, device: Device = CPU) -> onnxruntime.InferenceSession:
    """Load an ONNX model with one thread: the worker processes share out the cores.

    Raises DeviceTrouble where the session would run on the processor although another device is meant.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Plans of memory are made and kept for each input size; photos come in all sizes. DirectML wants none either.
    options.enable_mem_pattern = False
    options.log_severity_level = 3
    if device == CPU:
        return onnxruntime.InferenceSession(str(model), options, providers=[CPU.provider])
    if device.provider not in onnxruntime.get_available_providers():
        raise DeviceTrouble(f"the packages in use do not know it (onnxruntime {onnxruntime.__version__})")
    if device.name == "cuda":
        # NVIDIA's libraries lie beside onnxruntime in the pack, where the system's loader does not look.
        with contextlib.redirect_stdout(io.StringIO()):  # it prints what it misses; loading tells that again
            onnxruntime.preload_dlls()
    # What the device has no kernel for runs on the processor; and so does all of it where the device does not start.
    providers = [(device.provider, dict(device.options))]
    session = onnxruntime.InferenceSession(str(model), options, providers=providers, enable_fallback=0)
    if session.get_providers()[0] != device.provider:
        raise DeviceTrouble("its driver or its libraries do not load")
    return session
