"""The demo album: real photos out of published packages, put into demo/ as demo.json says."""

from __future__ import annotations

import json
import shutil
from typing import Any

from fetch import Fetcher
from layout import Layout, megabytes, remove, say


def read_album(layout: Layout) -> dict[str, Any]:
    """Return the album's photos from demo.json: path in demo/ -> bytes, sha256, sources, people."""
    photos: dict[str, Any] = json.loads(layout.demo_json.read_text(encoding="utf-8"))["photos"]
    return photos


def album_is_complete(layout: Layout) -> bool:
    """Return whether the album was made from demo.json as it is now; reads no photo."""
    complete = layout.demo / ".complete"
    return complete.is_file() and complete.read_bytes() == layout.demo_json.read_bytes()


def install_album(layout: Layout, fetcher: Fetcher) -> None:
    """Fetch the album's photos, build it beside its place and rename its folders into it.

    Only folders of the album are replaced: what else lies in demo/, such as copies that a search made, stays.
    """
    photos = read_album(layout)
    say(f"Demo album: {len(photos)} photos, {megabytes(sum(entry['bytes'] for entry in photos.values()))}")
    part = layout.demo.with_name("demo.part")
    remove(part)
    for name, entry in photos.items():
        source = fetcher.fetch(name, entry["sources"], entry["sha256"], entry["bytes"])
        target = part / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, target)
    layout.demo.mkdir(exist_ok=True)
    for folder in part.iterdir():
        remove(layout.demo / folder.name)
        folder.rename(layout.demo / folder.name)
    part.rmdir()
    shutil.copyfile(layout.demo_json, layout.demo / ".complete")
