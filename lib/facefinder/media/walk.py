"""Root folders -> the files worth opening."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from facefinder.media.archives import is_archive, members
from facefinder.media.files import reachable
from facefinder.media.kinds import SEARCHED_SUFFIXES
from facefinder.media.mounts import PROGRAMS, PSEUDO, mount_of, mount_points
from facefinder.media.patience import SECONDS, Patience
from facefinder.media.rules import (
    Reason,
    Rules,
    excluder,
    is_cloud_file,
    is_cloud_folder,
    is_cloud_stub,
    is_junction,
    skipped_folder,
)

NO_RULES = Rules()

SORTED_AT_ONCE = 8192  # names of one folder held at a time; some folders have half a million
HANDED_OVER = 512  # files of which the size is asked before the walk hears of them: a slow share must not seem dead
STALLS = 3  # of one disk, before the rest of it is given up


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that may be a photo: its path as the system spells it, bytes, and time of change in ns."""

    path: str
    bytes: int
    modified_ns: int

    @property
    def has_photo_suffix(self) -> bool:
        """False for a file without a suffix: it may be a photo (phone backups), or anything."""
        return bool(os.path.splitext(self.path)[1])


def walk(
    roots: Iterable[Path],
    rules: Rules = NO_RULES,
    *,
    on_problem: Callable[[str, str], None] = lambda path, why: None,
    on_skip: Callable[[str, Reason], None] = lambda path, reason: None,
    patience: float = SECONDS,
) -> Iterator[FoundFile]:
    """Yield the files under `roots` that may be photos, folder by folder, in name order.

    Names of very large folders are sorted some thousands at a time. Other disks mounted below a root are searched,
    what only looks like files (proc, dev) never. Linked folders, if wanted, come last, and each folder once.
    What the rules pass over is told to `on_skip(path, reason)`; a folder that cannot be listed, or does not answer for
    `patience` seconds, to `on_problem(path, reason)`; and the walk goes on.
    """
    walker = _Walker(rules, on_problem, on_skip, Patience(patience))
    try:
        for root in roots:
            yield from walker.files_under(os.path.abspath(root))
        yield from walker.files_behind_links()
    finally:
        walker.patience.close()


@dataclass
class _Part:
    """What was found in a folder, or in a piece of a large one. files are in name order."""

    files: list[FoundFile] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    skipped: list[tuple[str, Reason]] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)


class _Walker:
    """One walk. What asks the disk runs in the thread of `patience`, one question at a time."""

    def __init__(
        self,
        rules: Rules,
        on_problem: Callable[[str, str], None],
        on_skip: Callable[[str, Reason], None],
        patience: Patience,
    ):
        self.patience = patience
        self._rules = rules
        self._on_problem = on_problem
        self._on_skip = on_skip
        self._is_excluded = excluder(rules.exclude)
        self._never = [os.path.realpath(path) for path in rules.never]
        self._barred = {identity for path in self._never if (identity := _identity(path))}
        self._mounts = mount_points()
        self._stalls: Counter[str] = Counter()
        self._links: list[str] = []
        self._visited: set[tuple[int, int]] = set()  # kept only where links are followed

    def files_under(self, root: str) -> Iterator[FoundFile]:
        """A root that is a file, or the files in it and below."""
        if self._mounts.get(mount_of(root, self._mounts)) in PSEUDO:
            self._on_skip(root, Reason.PSEUDO)
            return
        pending = [root]
        while pending:
            folder = pending.pop()
            mount = mount_of(folder, self._mounts)
            if self._stalls[mount] >= STALLS:
                continue
            below: list[str] = []
            parts = self._list(folder)
            try:
                while part := self.patience.ask(next, parts, None):
                    for file in part.files:
                        yield from self._files_in(file) if is_archive(file.path) else [file]
                    below += part.folders
                    self._links += sorted(part.links)
                    for path, reason in part.skipped:
                        self._on_skip(path, reason)
                    for path, why in part.problems:
                        self._on_problem(path, why)
            except TimeoutError as error:
                self._stalls[mount] += 1
                self._on_problem(folder, f"folder cannot be opened: {error.strerror}")
                if self._stalls[mount] == STALLS:
                    self._on_problem(mount, "does not answer; the rest of it was not searched")
            except OSError as error:
                self._on_problem(folder, f"folder cannot be opened: {error.strerror}")
            pending.extend(sorted(below, reverse=True))

    def _files_in(self, archive: FoundFile) -> Iterator[FoundFile]:
        """The files in an archive that may be photos; of archives in it none."""
        try:
            for member in self.patience.ask(lambda: list(members(archive.path))):
                name = os.path.basename(member.path)
                if not _may_be_photo(name) or is_archive(name):
                    continue
                if self._is_excluded(member.path, name):
                    self._on_skip(member.path, Reason.EXCLUDED)
                elif member.has_password:
                    self._on_skip(member.path, Reason.PASSWORD)
                elif member.problem:
                    self._on_problem(member.path, member.problem)
                else:
                    yield FoundFile(member.path, member.bytes, archive.modified_ns)
        except OSError as error:
            self._on_problem(archive.path, f"cannot be opened: {error.strerror}")

    def files_behind_links(self) -> Iterator[FoundFile]:
        """What the links that were met lead to, as far as it was not seen under its own name."""
        while self._links:
            yield from self.files_under(self._links.pop(0))

    def _list(self, folder: str) -> Iterator[_Part]:
        """Raises OSError."""
        status = os.stat(reachable(folder))
        if not stat.S_ISDIR(status.st_mode):
            yield _Part([FoundFile(folder, status.st_size, status.st_mtime_ns)])
            return
        if reason := self._why_not(folder, status):
            yield _Part(skipped=[(folder, reason)])
            return
        part, names = _Part(), []
        with os.scandir(reachable(folder)) as listing:
            for number, entry in enumerate(listing, 1):
                if self._sort(entry, os.path.join(folder, entry.name), part):
                    names.append(entry)
                if number % SORTED_AT_ONCE == 0:
                    yield from self._measured(folder, names, part)
                    part, names = _Part(), []
        yield from self._measured(folder, names, part)

    def _why_not(self, folder: str, status: os.stat_result) -> Reason | None:
        """Why a folder is not listed."""
        identity = (status.st_dev, status.st_ino)
        if identity in self._barred:
            return Reason.OWN
        kind = self._mounts.get(folder)
        if kind in PSEUDO:
            return Reason.PSEUDO
        if kind in PROGRAMS and not self._rules.include_system:
            return Reason.SYSTEM
        if self._rules.follow_links:
            if identity in self._visited:
                return Reason.LINK
            self._visited.add(identity)
        return None

    def _sort(self, entry: os.DirEntry[str], path: str, part: _Part) -> bool:
        """Put an entry where it belongs; true for a file that may be a photo."""
        try:
            if entry.is_dir(follow_symlinks=False):
                status = entry.stat(follow_symlinks=False)
                if is_junction(path, status):
                    self._sort_link(path, part)
                elif self._is_excluded(path, entry.name):
                    part.skipped.append((path, Reason.EXCLUDED))
                elif is_cloud_folder(status):
                    part.skipped.append((path, Reason.CLOUD))
                elif not self._rules.include_system and (reason := skipped_folder(path, entry.name)):
                    part.skipped.append((path, reason))
                else:
                    part.folders.append(path)
                return False
            may_be_photo = _may_be_photo(entry.name)
            if not may_be_photo:
                if is_cloud_stub(entry.name):
                    part.skipped.append((path, Reason.CLOUD))
                elif entry.is_symlink() and entry.is_dir():
                    self._sort_link(path, part)
                return False
            if self._is_excluded(path, entry.name):
                part.skipped.append((path, Reason.EXCLUDED))
                return False
            if entry.is_symlink():
                if entry.is_dir() or (entry.is_file() and os.path.splitext(entry.name)[1]):
                    self._sort_link(path, part)
                return False
            return entry.is_file(follow_symlinks=False)
        except OSError as error:
            part.problems.append((path, f"cannot be looked at: {error.strerror}"))
            return False

    def _sort_link(self, path: str, part: _Part) -> None:
        if self._is_excluded(path, os.path.basename(path)):
            part.skipped.append((path, Reason.EXCLUDED))
            return
        if not self._rules.follow_links:
            part.skipped.append((path, Reason.LINK))
            return
        real = os.path.realpath(path)
        if any(real == own or real.startswith(os.path.join(own, "")) for own in self._never):
            part.skipped.append((path, Reason.OWN))
        elif self._mounts.get(mount_of(real, self._mounts)) in PSEUDO:
            part.skipped.append((path, Reason.PSEUDO))
        else:
            part.links.append(path)

    def _measured(self, folder: str, entries: list[os.DirEntry[str]], part: _Part) -> Iterator[_Part]:
        """Add the files to the part, in name order; several parts if there are many."""
        # Cameras number their files, so name order is close to the order on the disk.
        for number, entry in enumerate(sorted(entries, key=lambda entry: entry.name), 1):
            path = os.path.join(folder, entry.name)
            try:
                status = entry.stat(follow_symlinks=False)
                if is_cloud_file(status):
                    part.skipped.append((path, Reason.CLOUD))
                elif not self._rules.archives and is_archive(path):
                    part.skipped.append((path, Reason.ARCHIVE))
                else:
                    part.files.append(FoundFile(path, status.st_size, status.st_mtime_ns))
            except OSError as error:
                part.problems.append((path, f"cannot be looked at: {error.strerror}"))
            if number % HANDED_OVER == 0:
                yield part
                part = _Part()
        yield part


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _may_be_photo(name: str) -> bool:
    if name.startswith("."):
        return False  # ._IMG_1.JPG of macOS, .DS_Store and the like hold no photo
    suffix = os.path.splitext(name)[1].lower()
    return not suffix or suffix in SEARCHED_SUFFIXES or is_archive(name)
