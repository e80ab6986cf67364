"""What the recogniser may run on: the processor, or a graphics card by way of one of onnxruntime's providers.

Decoding and the detector stay with the worker processes: YuNet is small, and its many pictures of many sizes would cost
a card more in beginnings than they take on a processor.
"""

import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Device:
    """One of them.

    title: what the user reads. provider, options: onnxruntime's. batch: crops that go through the network together.
    whole_batches: whether a smaller last batch is filled up, because the device plans anew for each size.
    pack: the pack of bootstrap/build.py that brings the provider. library: its file in the folder of onnxruntime, by
    which it is seen without loading anything; None where it is in the default packages.
    """

    name: str
    title: str
    provider: str
    batch: int
    whole_batches: bool = False
    options: tuple[tuple[str, str], ...] = ()
    pack: str | None = None
    library: str | None = None
    systems: tuple[str, ...] = ()


# More crops at once gain nothing on a processor and cost memory.
CPU = Device("cpu", "the processor", "CPUExecutionProvider", batch=4)
DEVICES = {
    device.name: device
    for device in (
        CPU,
        Device(
            "cuda",
            "the graphics card (CUDA)",
            "CUDAExecutionProvider",
            batch=64,
            whole_batches=True,
            # In TensorFloat-32, a card's default, vectors would differ from the processor's in the third digit.
            options=(("use_tf32", "0"), ("cudnn_conv_algo_search", "HEURISTIC")),
            pack="cuda",
            library="onnxruntime_providers_cuda",
            systems=("linux", "win32"),
        ),
        Device(
            "directml",
            "the graphics card (DirectML)",
            "DmlExecutionProvider",
            batch=64,
            whole_batches=True,
            pack="directml",
            library="DirectML",
            systems=("win32",),
        ),
        Device(
            "coreml",
            "Apple's graphics and neural units (Core ML)",
            "CoreMLExecutionProvider",
            batch=16,
            whole_batches=True,
            options=(("ModelFormat", "MLProgram"), ("MLComputeUnits", "CPUAndGPU")),
            systems=("darwin",),
        ),
    )
}
# What `auto` tries. Not Core ML: it comes with every Mac's packages, so each run would begin with a trial, and no Mac
# was at hand to see whether it gains anything.
TRIED = ("cuda", "directml")


def is_installed(device: Device) -> bool:
    """Whether the packages in use bring this device's provider; loads nothing."""
    if device.systems and sys.platform not in device.systems:
        return False
    if device.library is None:
        return True
    package = importlib.util.find_spec("onnxruntime")
    folders = [Path(folder) / "capi" for folder in (package and package.submodule_search_locations) or ()]
    return any(file for folder in folders for file in folder.glob(f"*{device.library}.*"))
