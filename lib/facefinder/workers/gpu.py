"""Results whose faces wait for their vectors -> results that have them: many photos' faces at once.

With a graphics card the workers, which decode and detect, send the crops of the faces; the parent process alone feeds
the card.
"""

import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from facefinder.faces.analyzer import Analysis, AnalyzerSpec
from facefinder.faces.devices import CPU, DEVICES
from facefinder.faces.models import recogniser

if TYPE_CHECKING:
    from facefinder.workers.look import FileResult


def embedded_together(
    results: "Generator[FileResult, None, None]", spec: AnalyzerSpec, say: Callable[[str], None]
) -> "Generator[FileResult, None, None]":
    """Pass the results on; those with crops wait until the spec's device has a batch of faces.

    say: told when the device stops working; the processor goes on then.
    """
    most = DEVICES[spec.device].batch
    embed = _Embed(spec, say)
    waiting: list[FileResult] = []
    faces = 0
    with closing(results):
        for result in results:
            if result.analysis is None or result.analysis.crops is None:
                yield result
                continue
            if waiting and faces + len(result.analysis.crops) > most:
                yield from embed(waiting)
                waiting, faces = [], 0
            waiting.append(result)
            faces += len(result.analysis.crops)
        if waiting:
            yield from embed(waiting)


class _Embed:
    """The recogniser on the spec's device, loaded when it is first needed."""

    def __init__(self, spec: AnalyzerSpec, say: Callable[[str], None]):
        self._spec = spec
        self._say = say
        self._device = DEVICES[spec.device]
        self._run: Callable[[NDArray[np.uint8]], NDArray[np.float32]] | None = None

    def __call__(self, waiting: "list[FileResult]") -> "list[FileResult]":
        started = time.perf_counter()
        analyses = [result.analysis for result in waiting if result.analysis]
        vectors = self._vectors(np.concatenate([each.crops for each in analyses if each.crops is not None]))
        ends = np.cumsum([len(each.crops) for each in analyses if each.crops is not None])
        parts = np.split(vectors, ends[:-1])
        share = (time.perf_counter() - started) / len(waiting)
        done = [_with_vectors(analysis, part, share) for analysis, part in zip(analyses, parts, strict=True)]
        return [replace(result, analysis=analysis) for result, analysis in zip(waiting, done, strict=True)]

    def _vectors(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:
            return self._embedder()(crops)
        except Exception as error:  # a driver may stop in any way, and the photos must not be lost for it
            if self._device == CPU:
                raise
            reason = " ".join(str(error).split())[:200]
            self._say(f"Going on with the processor: {self._device.title} stopped working.\n  {reason}")
            self._device, self._run = CPU, None
            return self._embedder()(crops)

    def _embedder(self) -> Callable[[NDArray[np.uint8]], NDArray[np.float32]]:
        if self._run is None:
            from facefinder.faces.embed import Embedder  # loads onnxruntime, which the parent needs for this alone

            self._run = Embedder(recogniser(self._spec.model), self._spec.models, self._device).embed
        return self._run


def _with_vectors(analysis: Analysis, vectors: NDArray[np.float32], seconds: float) -> Analysis:
    # The faces of a clip that follow those of its still have their vectors already.
    faces = [replace(face, vector=vector) for face, vector in zip(analysis.faces, vectors, strict=False)]
    faces += analysis.faces[len(vectors) :]
    spent = analysis.seconds | {"embed": analysis.seconds.get("embed", 0.0) + seconds}
    return replace(analysis, faces=faces, seconds=spent, crops=None)
