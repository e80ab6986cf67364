"""A device is used when it gives the processor's vectors, in time; else the reason is said and the processor goes on.

No graphics card is needed: the processor stands in for one, and made-up packages for one that crashes or hangs.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from facefinder.errors import UsageError
from facefinder.faces import devices, trial
from facefinder.faces.analyzer import AnalyzerSpec
from facefinder.faces.devices import CPU, DEVICES, Device, is_installed
from facefinder.faces.runtime import DeviceTrouble, create_session
from facefinder.faces.trial import WORTH_A_TRIAL, Trial, choose_device, try_out

# The processor under another name, with a graphics card's large batches.
STAND_IN = Device("card", "the stand-in card", CPU.provider, batch=16, whole_batches=True)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for a graphics card is there."""
    monkeypatch.setitem(DEVICES, "card", STAND_IN)
    monkeypatch.setattr(trial, "TRIED", ("card",))


@pytest.fixture(autouse=True)
def nothing_tried_before() -> None:
    try_out.cache_clear()


@pytest.fixture
def said() -> list[str]:
    return []


def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what_it_does: str) -> None:
    """Let child processes find an onnxruntime that does this when it is loaded."""
    (tmp_path / "onnxruntime").mkdir()
    (tmp_path / "onnxruntime" / "__init__.py").write_text(what_it_does)
    monkeypatch.syspath_prepend(tmp_path)


def test_a_device_with_the_vectors_of_the_processor_passes(models):
    found = try_out(STAND_IN, "sface", models)
    assert found.trouble is None
    assert found.difference < 1e-4
    assert found.rate > 1
    assert found.core_rate > 1


@pytest.mark.parametrize(
    ("seconds", "what_it_does", "complaint"),
    [
        (60, "import os; os.abort()", "trying it crashed (code -6)"),
        (2, "import time; time.sleep(60)", "it gave no answer within 2 seconds"),
        (60, "raise ImportError('libcublas.so.12: cannot open')", "libcublas.so.12: cannot open"),
        (
            60,
            "raise RuntimeError('/onnxruntime_src/cuda_call.cc:154 std::conditional_t<THRW> ' + 9 * 'CudaCall ' + "
            "'CUDA failure 100: no CUDA-capable device is detected ; GPU=-1 ; hostname=here')",
            "no CUDA-capable device is detected",
        ),
    ],
)
def test_a_driver_that_crashes_hangs_or_fails_costs_only_the_child(
    models, tmp_path, monkeypatch, seconds, what_it_does, complaint
):
    broken(tmp_path, monkeypatch, what_it_does)
    assert try_out(STAND_IN, "sface", models, seconds).trouble == complaint


def test_a_device_with_other_vectors_is_refused(models, tmp_path, monkeypatch):
    """The real onnxruntime, but with numbers that are a little off in large batches."""
    broken(
        tmp_path,
        monkeypatch,
        f"""
import sys
sys.path.remove({str(tmp_path)!r})
del sys.modules["onnxruntime"]
from onnxruntime import *
import onnxruntime as real
class InferenceSession(real.InferenceSession):
    def run(self, names, fed):
        [vectors] = super().run(names, fed)
        vectors[:, 0] += 0.1 * abs(vectors).max() * (len(vectors) > 4)
        return [vectors]
real.InferenceSession = InferenceSession
""",
    )
    assert "its vectors differ from the processor's by 0.0" in (try_out(STAND_IN, "sface", models).trouble or "")


def test_a_session_that_would_run_on_the_processor_is_not_taken_for_one_on_the_card(models):
    with pytest.raises(DeviceTrouble, match="the packages in use do not know it"):
        create_session(models / "sface.onnx", DEVICES["cuda"])


def test_by_itself_a_card_is_used_when_it_works_and_named_in_one_line(card, spec, said, monkeypatch):
    monkeypatch.setattr(trial, "try_out", lambda *_: Trial(None, 1e-5, rate=500, core_rate=50))
    device = choose_device(replace(spec, device="auto"), 2 * WORTH_A_TRIAL, 2, said.append)
    assert device == STAND_IN
    assert said == ["Faces are recognised on the stand-in card."]


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (Trial("trying it crashed (code -11)"), "trying it crashed (code -11)"),
        (Trial(None, 1e-5, rate=50, core_rate=60), "it is slower than the processor"),
    ],
)
def test_a_card_that_does_not_help_is_left_aside_with_the_reason(card, spec, said, monkeypatch, found, reason):
    monkeypatch.setattr(trial, "try_out", lambda *_: found)
    assert choose_device(replace(spec, device="auto"), WORTH_A_TRIAL, 1, said.append) == CPU
    assert said == [f"Faces are recognised on the processor. Not on the stand-in card:\n  {reason}."]


def test_without_a_card_and_for_few_photos_nothing_is_tried_or_said(card, spec, said, monkeypatch):
    monkeypatch.setattr(trial, "try_out", lambda *_: pytest.fail("a child process was started"))
    automatic = replace(spec, device="auto")
    assert choose_device(automatic, 2 * WORTH_A_TRIAL - 1, 2, said.append) == CPU
    assert choose_device(replace(spec, device="card"), 0, 2, said.append) == CPU
    assert choose_device(spec, 10_000, 2, said.append) == CPU
    monkeypatch.setattr(trial, "TRIED", devices.TRIED)
    assert choose_device(automatic, 10_000, 2, said.append) == CPU
    assert said == []


def test_a_named_device_that_is_not_there_is_an_error_with_the_command_that_adds_it(spec, said, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(UsageError, match=r"(?s)--device cuda cannot be used.*build\.py --with cuda"):
        choose_device(replace(spec, device="cuda"), 1, 2, said.append)
    with pytest.raises(UsageError, match="no directml for this kind of computer. Leave --device out"):
        choose_device(replace(spec, device="directml"), 1, 2, said.append)


def test_a_named_device_that_fails_is_an_error_with_the_reason(card, spec, said, monkeypatch):
    monkeypatch.setattr(trial, "try_out", lambda *_: Trial("its driver or its libraries do not load"))
    with pytest.raises(UsageError, match=r"its driver or its libraries do not load\.\nLeave --device out"):
        choose_device(replace(spec, device="card"), 1, 2, said.append)


def test_the_device_changes_nothing_about_the_rows_of_the_index(spec: AnalyzerSpec):
    assert replace(spec, device="cuda").key == spec.key


@pytest.mark.parametrize(
    ("device", "system", "file"),
    [
        ("cuda", "linux", "libonnxruntime_providers_cuda.so"),
        ("cuda", "win32", "onnxruntime_providers_cuda.dll"),
        ("directml", "win32", "DirectML.dll"),
    ],
)
def test_a_pack_is_seen_by_its_library_without_loading_it(tmp_path, monkeypatch, device, system, file):
    broken(tmp_path, monkeypatch, "raise AssertionError('loaded')")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.setattr(sys, "platform", system)
    assert not is_installed(DEVICES[device])
    capi = tmp_path / "onnxruntime" / "capi"
    capi.mkdir()
    (capi / file).touch()
    assert is_installed(DEVICES[device])
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not is_installed(DEVICES[device])
    assert is_installed(DEVICES["coreml"])
