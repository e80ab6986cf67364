"""How long a video takes to search, and in how much memory: `python3 tests/bench/video.py [--seconds 60]`.

Makes a clip of 1920x1080 at 30 frames a second in H.264 out of the demonstration album's photos, a pan over another one
every five seconds, and the same four times as long. Each is looked into as a worker does, in a process of its own with
its models loaded before. Limits: less time than it takes to play; 5 % more memory for four times the length.
"""

import argparse
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from common import ROOT, print_figures, print_table

# isort: split
import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clips import write_clip
from facefinder.faces.analyzer import load, specify
from facefinder.media.walk import FoundFile
from facefinder.workers.look import look_into
from memory import peak

WIDTH, HEIGHT, RATE = 1920, 1080, 30
SCENE = 5 * RATE  # frames
PAN = 2  # pixels from frame to frame
LONGER, MEMORY_LIMIT = 4, 1.05


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--look", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.look:
        print(json.dumps(measure(Path(given.look))))
        return
    with tempfile.TemporaryDirectory(prefix="face-finder-video-") as folder:
        short, long = Path(folder) / "short.mp4", Path(folder) / "long.mp4"
        with short.open("wb") as file:
            frames = itertools.islice(panned(), given.seconds * RATE)
            write_clip(file, frames, rate=RATE, keyframes=2 * RATE, options={"preset": "superfast"})
        repeat(short, long)
        runs = {
            seconds: json.loads(
                subprocess.run([sys.executable, __file__, "--look", str(clip)], check=True, capture_output=True).stdout
            )
            for seconds, clip in ((given.seconds, short), (LONGER * given.seconds, long))
        }
    rows = [
        (f"{seconds} s", run["seconds"], run["seconds"] / seconds, run["appearances"], run["megabytes"])
        for seconds, run in runs.items()
    ]
    print_table(("clip of", "seconds to search", "of its length", "appearances", "peak MB"), rows)
    growth = rows[1][-1] / rows[0][-1]
    shares = [share for _, _, share, _, _ in rows]
    print_figures({"share_of_length": round(shares[0], 3), "megabytes": rows[0][-1], "memory_growth": round(growth, 3)})
    sys.exit(max(shares) >= 1 or growth > MEMORY_LIMIT)


def panned() -> Iterator[NDArray[np.uint8]]:
    """Pictures without end: over one photo after the other."""
    for photo in itertools.cycle(sorted((ROOT / "demo" / "album").rglob("*.jpg"))):
        with Image.open(photo) as image:
            size = (WIDTH + PAN * SCENE, (WIDTH + PAN * SCENE) * image.height // image.width)
            pixels = np.asarray(image.convert("RGB").resize((size[0], max(size[1], HEIGHT))))
        top = (pixels.shape[0] - HEIGHT) // 3  # faces are rather in the upper half
        for frame in range(SCENE):
            yield pixels[top : top + HEIGHT, PAN * frame : PAN * frame + WIDTH]


def repeat(short: Path, long: Path) -> None:
    """The same video LONGER times over, without encoding it again."""
    with av.open(str(long), "w", format="mp4") as target:
        stream: Any = None
        for time_over in range(LONGER):
            with av.open(str(short)) as source:
                video = source.streams.video[0]
                stream = stream or target.add_stream_from_template(video)
                for packet in source.demux(video):
                    if packet.dts is None:
                        continue
                    packet.dts += time_over * video.duration
                    packet.pts += time_over * video.duration
                    packet.stream = stream
                    target.mux(packet)


def measure(clip: Path) -> dict[str, float]:
    """Look into one video; what the process needs besides is loaded before."""
    spec = specify("sface", 20, ROOT / "models")
    load(spec)
    started = time.perf_counter()
    result = look_into(FoundFile(str(clip), clip.stat().st_size, 0), frozenset(), spec)
    seconds = time.perf_counter() - started
    assert result.analysis and not result.problem, result.problem
    return {"seconds": seconds, "appearances": len(result.analysis.faces), "megabytes": peak()}


if __name__ == "__main__":
    main()
