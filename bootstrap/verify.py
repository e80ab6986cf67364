"""Checking what lies there against the records: each file, byte by byte."""

from __future__ import annotations

from pathlib import Path

from album import read_album
from layout import Layout, say
from manifest import MANIFEST, compare_with_manifest, read_manifest
from packages import is_current, pack_names
from record import RECORD, Record, compare, read_record
from weights import installed_packs, read_catalogue

# Tracked files, and the mark of completeness, which is compared on its own.
BESIDE_THE_MODELS = ("models.json", "README.md", ".complete")


def verify(layout: Layout) -> list[str]:
    """Check packages, models and the demo album; return a line for each problem, none if all is right."""
    return verify_packages(layout) + verify_models(layout) + verify_demo(layout)


def verify_stick(stick: Path) -> list[str]:
    """Check each file on a stick against its MANIFEST.sha256; return a line for each problem, none if all is right."""
    manifest = read_manifest(stick)
    if not manifest:
        return [f"missing: {stick / MANIFEST}"]
    say(f"{stick}: {len(manifest)} files")
    return compare_with_manifest(stick, manifest)


def verify_packages(layout: Layout) -> list[str]:
    """Compare each pack's folder with its FILES.txt, and its LOCK.txt with the lock."""
    problems = []
    for pack in pack_names(layout):
        folder = layout.vendor(pack)
        if not (folder / RECORD).is_file():
            if pack == "default" or folder.is_dir():
                problems.append(f"missing: {folder / RECORD}")
            continue
        record = read_record(folder)
        say(f"{folder.relative_to(layout.target).as_posix()}: {len(record)} files")
        problems += compare(folder, record, frozenset({RECORD}))
        if not is_current(layout, pack):
            problems.append(f"changed: {folder / 'LOCK.txt'} is not {layout.lock(pack)}")
    return problems


def verify_models(layout: Layout) -> list[str]:
    """Compare models/ with models.json: the default files, and those of each pack that is there."""
    catalogue = read_catalogue(layout)
    names = [name for pack in ["default", *installed_packs(layout)] for name in catalogue["packs"][pack]]
    record = {name: (catalogue["files"][name]["sha256"], catalogue["files"][name]["bytes"]) for name in names}
    tracked = {path.relative_to(layout.models).as_posix() for path in (layout.models / "licences").glob("*")}
    say(f"models: {len(record)} files")
    return compare(layout.models, record, frozenset(tracked.union(BESIDE_THE_MODELS)))


def verify_demo(layout: Layout) -> list[str]:
    """Compare the demo album with demo.json, if it was made; what a search left beside it does not count."""
    if not layout.demo.is_dir():
        return []
    record: dict[str, Record] = {}
    for name, entry in read_album(layout).items():
        folder, _, rest = name.partition("/")
        record.setdefault(folder, {})[rest] = entry["sha256"], entry["bytes"]
    say(f"demo: {sum(map(len, record.values()))} files")
    return [problem for folder in record for problem in compare(layout.demo / folder, record[folder])]
