"""Which files of a disk are opened, in which order, and that opening leaves no mark."""

import os
import stat
import subprocess
import threading
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

import pytest

from facefinder.media import mounts, rules
from facefinder.media.files import extended, open_untouched, reachable
from facefinder.media.patience import Patience
from facefinder.media.roots import outermost
from facefinder.media.rules import EXAMPLES, NotSearched, Reason, Rules
from facefinder.media.walk import walk


def make(folder: Path, *names: str) -> Path:
    """Create files, and the folders above them; each holds its own name."""
    for name in names:
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(os.fsencode(name))
    return folder


def found(*roots: Path, **options) -> list[str]:
    """What walk() yields, relative to the first root. Rules by name go into its Rules."""
    wanted = {name: options.pop(name) for name in Rules.__dataclass_fields__ if name in options}
    return [os.path.relpath(file.path, roots[0]) for file in walk(roots, Rules(**wanted), **options)]


def passed_over(root: Path, **wanted) -> dict[str, str]:
    """What walk() passes over, relative to the root -> the reason."""
    skipped: dict[str, Reason] = {}
    for _ in walk([root], Rules(**wanted), on_skip=lambda path, reason: skipped.update({path: reason})):
        pass
    return {os.path.relpath(path, root): reason.name.lower() for path, reason in skipped.items()}


def test_every_folder_is_searched_and_files_come_in_the_order_of_their_names(tmp_path):
    make(tmp_path, "b.jpg", "a.jpg", "2020/z.heic", "2019/trip/d.png", "2019/y.tiff", "2019/c.webp", "letter.docx")
    assert found(tmp_path) == ["a.jpg", "b.jpg", "2019/c.webp", "2019/y.tiff", "2019/trip/d.png", "2020/z.heic"]


def test_capital_suffixes_every_format_and_files_without_suffix_are_found(tmp_path):
    names = ["A.JPG", "a.jpeg", "b.png", "c.WebP", "d.HEIC", "e.heif", "f.avif", "g.tif", "h.bmp", "i.gif", "IMG_1"]
    names += ["j.MOV", "k.3gp", "l.CR2", "m.dng"]
    make(tmp_path, *names, "song.mp3", "program.exe", "archive.zip")
    assert sorted(found(tmp_path)) == sorted(names)
    assert [Path(file.path).name for file in walk([tmp_path]) if not file.has_photo_suffix] == ["IMG_1"]


def test_names_in_any_script_are_found_and_can_be_opened(tmp_path):
    names = [
        "Фото 1.jpg",
        "写真.jpg",
        "صورة.jpg",
        "ภาพ.jpg",
        "é.jpg",
        "e\u0301.jpg",
        "👪.jpg",
        "new\nline.jpg",
        "'\".jpg",
    ]
    names.append(os.fsdecode(b"caf\xe9.jpg"))  # from a disk of the time before Unicode
    make(tmp_path, *names)
    assert sorted(found(tmp_path)) == sorted(names)
    for file in walk([tmp_path]):
        with open_untouched(file.path) as opened:
            assert opened.read() == os.fsencode(Path(file.path).name)


def test_links_and_link_loops_are_not_followed(tmp_path):
    make(tmp_path, "disk/a/photo.jpg", "elsewhere/other.jpg")
    disk = tmp_path / "disk"
    (disk / "a" / "loop").symlink_to(disk)
    (disk / "elsewhere").symlink_to(tmp_path / "elsewhere")
    (disk / "link.jpg").symlink_to(tmp_path / "elsewhere" / "other.jpg")
    (disk / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert found(disk) == ["a/photo.jpg"]
    assert passed_over(disk) == dict.fromkeys(["a/loop", "elsewhere", "link.jpg"], "link")


def test_links_are_followed_on_request_each_folder_once_and_never_to_the_stick(tmp_path):
    make(tmp_path, "disk/a/photo.jpg", "elsewhere/deep/other.jpg", "single/one.jpg", "stick/refs/ann.jpg")
    disk = tmp_path / "disk"
    for name, target in {
        "a/loop": disk,
        "a/up": disk / "a",
        "0 first": tmp_path / "elsewhere",
        "again": tmp_path / "elsewhere",
        "below": tmp_path / "elsewhere" / "deep",
        "one.jpg": tmp_path / "single" / "one.jpg",
        "stick": tmp_path / "stick",
        "refs": tmp_path / "stick" / "refs",
        "dangling.jpg": tmp_path / "nowhere.jpg",
        "processes": Path("/proc"),
    }.items():
        (disk / name).symlink_to(target)
    # Its own name first, what links lead to last.
    expected = ["a/photo.jpg", "0 first/deep/other.jpg", "one.jpg"]
    assert sorted(found(disk, follow_links=True, never=(tmp_path / "stick",))) == sorted(expected)
    assert found(disk, follow_links=True, never=(tmp_path / "stick",))[0] == "a/photo.jpg"
    reasons = passed_over(disk, follow_links=True, never=(tmp_path / "stick",))
    assert (reasons["stick"], reasons["refs"], reasons["processes"]) == ("own", "own", "pseudo")


def test_the_stick_and_the_destination_are_passed_over_under_any_name(tmp_path):
    make(tmp_path, "disk/photo.jpg", "disk/out/copy.jpg", "disk/out/Ann/copy.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "disk" / "out")
    assert found(tmp_path / "disk", never=(tmp_path / "alias", tmp_path / "not there")) == ["photo.jpg"]


SYSTEM_FOLDERS = {
    "trash": [
        *("$RECYCLE.BIN/S-1-5/$R1.jpg", "RECYCLER/a.jpg", ".Trash-1000/files/a.jpg", ".Trashes/501/a.jpg"),
        *(".Trash/a.jpg", "home/.local/share/Trash/files/a.jpg", "#recycle/a.jpg", "album/.dtrash/files/a.jpg"),
    ],
    "cache": [
        *(".thumbnails/a.png", ".cache/a.png", "photos/@eaDir/IMG_1.jpg/SYNOPHOTO_THUMB_M.jpg", "a/.@__thumb/b.jpg"),
        *("AppData/Local/Temp/a.jpg", "Chrome/Default/Cache/Cache_Data/f_000001", "Firefox/abc/cache2/entries/0A1B"),
        *("Users/ann/Library/Caches/a.jpg", "Lightroom/Catalog Previews.lrdata/a.jpg"),
    ],
    "system": [
        *("Windows/Web/Wallpaper/img0.jpg", "Program Files/x.jpg", "Program Files (x86)/x.jpg", "ProgramData/x.jpg"),
        *(
            "System Volume Information/a.jpg",
            "code/.git/a.png",
            "code/node_modules/a.png",
            "usr/share/backgrounds/a.jpg",
        ),
        *("Applications/Mail.app/Contents/icon.png", "Library/Desktop Pictures/a.jpg", "System/Library/a.jpg"),
        *("var/lib/flatpak/app/icon.png", "windows.old/WINDOWS/x.jpg"),
    ],
}
SIGNS = [
    *("Windows/System32/x.dll", "usr/bin/ls", "home/.local/share/Trash/info/a.trashinfo", "Library/LaunchDaemons/x"),
    *("var/lib/flatpak/repo/x.conf", "windows.old/WINDOWS/System32/x.dll"),
]
PEOPLE_S_FOLDERS = [
    *(".private/kept.jpg", "Trash talk/kept.jpg", "our Windows/kept.jpg", "house/Windows/kept.jpg", "Trash/kept.jpg"),
    *("Library/kept.jpg", "books/Library/kept.jpg", "usr/kept.jpg", "Cache/kept.jpg", "temp/kept.jpg"),
    *("windows.old/Users/Ann/Pictures/kept.jpg", "Users/Ann/AppData/Roaming/MobileSync/Backup/1a/1a2b"),
    *("Users/ann/Library/Messages/Attachments/kept.jpg", "lost+found/kept.jpg", ".picasaoriginals/kept.jpg"),
    *("found.000/kept.jpg", "My.app/kept.jpg", "System/kept.jpg"),
]


def test_recycle_bins_caches_system_and_program_folders_are_passed_over_and_counted(tmp_path):
    skipped = [name for names in SYSTEM_FOLDERS.values() for name in names]
    signs = [name for name in SIGNS if "x.dll" not in name]
    old_disk = make(tmp_path / "old", *skipped, *SIGNS, "._IMG_1.JPG", ".DS_Store")
    assert found(old_disk) == []
    assert sorted(passed_over(old_disk).values()) == sorted(
        reason for reason, names in SYSTEM_FOLDERS.items() for _ in names
    )
    photos = [name for name in [*skipped, *signs] if not name.endswith((".conf", ".trashinfo"))]
    assert sorted(found(old_disk, include_system=True)) == sorted(photos)


def test_folders_of_people_with_such_names_are_searched(tmp_path):
    make(tmp_path, *PEOPLE_S_FOLDERS)
    assert sorted(found(tmp_path)) == sorted(PEOPLE_S_FOLDERS)


def test_a_system_folder_that_is_named_as_a_place_is_searched(tmp_path):
    make(tmp_path, "usr/bin/ls", "usr/share/a.jpg")
    assert found(tmp_path / "usr") == ["bin/ls", "share/a.jpg"]


def test_what_only_looks_like_files_is_never_searched(tmp_path):
    skipped: list[tuple[str, Reason]] = []
    places = [Path("/proc"), Path("/proc/self"), Path("/sys/kernel")]
    assert list(walk(places, Rules(include_system=True), on_skip=lambda *what: skipped.append(what))) == []
    assert skipped == [(str(place), Reason.PSEUDO) for place in places]


def test_a_disk_mounted_below_a_place_is_searched_and_a_proc_there_is_not(tmp_path, mount_small_disk):
    make(mount_small_disk(1 << 20), "on the disk.jpg")
    make(tmp_path, "at home.jpg")
    (tmp_path / "old root" / "proc").mkdir(parents=True)
    if subprocess.run(["mount", "-t", "proc", "none", tmp_path / "old root" / "proc"], capture_output=True).returncode:
        pytest.skip("only root may mount, and not in every container")
    try:
        assert found(tmp_path) == ["at home.jpg", "small disk 0/on the disk.jpg"]
        assert passed_over(tmp_path) == {"old root/proc": "pseudo"}
    finally:
        subprocess.run(["umount", "--lazy", tmp_path / "old root" / "proc"], check=True)


def test_the_system_s_table_of_disks_is_read_with_any_name(tmp_path, monkeypatch):
    table = (
        "22 1 8:2 / / rw shared:1 - ext4 /dev/sda2 rw\n"
        "23 22 0:21 / /proc rw - proc proc rw\n"
        "99 22 0:50 / /mnt/my\\040nas rw shared:3 master:1 - cifs //nas/photos rw\n"
    )
    (tmp_path / "mountinfo").write_text(table)
    monkeypatch.setattr(mounts, "_MOUNTS", tmp_path / "mountinfo")
    known = mounts.mount_points()
    assert known == {"/": "ext4", "/proc": "proc", "/mnt/my nas": "cifs", "/dev": "devtmpfs"}
    assert mounts.mount_of("/mnt/my nas/2019/trip", known) == "/mnt/my nas"
    assert mounts.mount_of("/mnt/other", known) == "/"
    assert mounts.mount_of("/Volumes/NAS/2019", {"/": ""}) == "/Volumes/NAS"


def test_patterns_exclude_by_name_and_by_the_end_of_a_path(tmp_path):
    make(tmp_path, "a.jpg", "a.png", "B.PNG", "Backup/b.jpg", "2019/scans/c.jpg", "2020/scans/d.jpg", "2020/x[1].jpg")
    assert found(tmp_path, exclude=("*.png", "Backup", "2019/scans/")) == [
        *("B.PNG", "a.jpg", "2020/x[1].jpg", "2020/scans/d.jpg")
    ]
    assert "2019/scans/c.jpg" not in found(tmp_path, exclude=(str(tmp_path / "2019"),))
    assert found(tmp_path, exclude=("*",)) == []
    assert passed_over(tmp_path, exclude=("Back*", "*.png")) == {"Backup": "excluded", "a.png": "excluded"}


@pytest.mark.parametrize(("system", "excluded"), [("win32", True), ("darwin", True), ("linux", False)])
def test_capitals_in_a_pattern_matter_where_they_do_in_file_names(monkeypatch, system, excluded):
    monkeypatch.setattr("sys.platform", system)
    is_excluded = rules.excluder(["*.png", "Scans/old"])
    assert is_excluded("/x/A.PNG", "A.PNG") is excluded
    assert is_excluded("/x/scans/OLD", "OLD") is excluded


def test_names_that_differ_only_in_capitals_are_different_files(tmp_path):
    make(tmp_path, "img.jpg", "IMG.jpg", "Trip/a.jpg", "trip/a.jpg")
    if len(os.listdir(tmp_path)) < 4:
        pytest.skip("this file system does not tell capitals apart")
    assert found(tmp_path) == ["IMG.jpg", "img.jpg", "Trip/a.jpg", "trip/a.jpg"]


class Entry:
    """A DirEntry as another system would give it: status has what only that system knows."""

    def __init__(self, real: os.DirEntry[str], **known: int):
        self._real, self._known = real, known
        self.name, self.path = real.name, real.path

    def __getattr__(self, name: str):
        return getattr(self._real, name)

    def stat(self, *, follow_symlinks: bool = True):
        if "gone" in self._known:
            raise FileNotFoundError(2, "No such file or directory", self.path)
        real = self._real.stat(follow_symlinks=follow_symlinks)
        names = ("st_mode", "st_size", "st_mtime_ns", "st_dev", "st_ino")
        return SimpleNamespace(**{name: getattr(real, name) for name in names} | self._known)


class Listing:
    """What os.scandir gives, with other entries."""

    def __init__(self, entries):
        self._entries = entries

    def __enter__(self):
        return iter(self._entries)

    def __exit__(self, *error: object) -> None: ...


@pytest.fixture
def foreign(monkeypatch):
    """Name -> what another system would know of the file of that name; for the walks of this test."""
    known: dict[str, dict[str, int]] = {}
    list_folder = os.scandir

    def scandir(folder):
        with list_folder(folder) as listing:
            return Listing([Entry(entry, **known.get(entry.name, {})) for entry in listing])

    monkeypatch.setattr(os, "scandir", scandir)
    return known


@pytest.mark.parametrize(
    "cloud", [{"st_file_attributes": 0x400020}, {"st_file_attributes": 0x1020}, {"st_flags": 0x40000000}]
)
def test_files_that_are_only_in_the_cloud_are_passed_over_and_counted(tmp_path, foreign, cloud):
    make(tmp_path, "here.jpg", "OneDrive/there.jpg", "OneDrive/kept.jpg", ".IMG_7.jpg.icloud", "far/a.jpg")
    foreign["there.jpg"] = cloud
    foreign["kept.jpg"] = {"st_file_attributes": 0x20}
    foreign["far"] = {"st_file_attributes": 0x40010} if "st_flags" not in cloud else cloud
    assert found(tmp_path) == ["here.jpg", "OneDrive/kept.jpg"]
    assert passed_over(tmp_path) == dict.fromkeys([".IMG_7.jpg.icloud", "OneDrive/there.jpg", "far"], "cloud")


def test_junctions_of_windows_are_links_and_disks_mounted_in_a_folder_are_not(tmp_path, foreign, monkeypatch):
    make(tmp_path, "My Documents/a.jpg", "data/b.jpg", "OneDrive/c.jpg")
    foreign["My Documents"] = foreign["data"] = {"st_reparse_tag": 0xA0000003}
    foreign["OneDrive"] = {"st_reparse_tag": 0x9000601A}  # a cloud folder's tag stands for nothing else
    targets = {"My Documents": r"\\?\C:\Users\Ann\Documents", "data": "\\\\?\\Volume{0b1c}\\"}
    monkeypatch.setattr(os, "readlink", lambda path: targets[os.path.basename(path)])
    assert found(tmp_path) == ["OneDrive/c.jpg", "data/b.jpg"]
    assert passed_over(tmp_path) == {"My Documents": "link"}


def test_paths_of_any_length_can_be_opened_on_windows(monkeypatch):
    long = "C:\\" + "\\".join(["photos of the year"] * 14) + "\\a.jpg"
    assert reachable(long) == long  # elsewhere a path is what it is
    monkeypatch.setattr("sys.platform", "win32")
    assert reachable(long) == "\\\\?\\" + long
    assert reachable(r"\\nas\x" + long[2:]) == r"\\?\UNC\nas\x" + long[2:]
    assert reachable("C:\\trip \\a.jpg").startswith("\\\\?\\")
    assert reachable("C:\\trip\\a.").startswith("\\\\?\\")
    assert reachable("C:\\trip\\a.jpg") == "C:\\trip\\a.jpg"
    assert extended(extended(long)) == extended(long)


def test_paths_longer_than_260_characters_are_found(tmp_path):
    deep = tmp_path
    for _ in range(3):
        deep /= "long " * 20
    make(deep, "a.jpg")
    assert found(tmp_path) == [str((deep / "a.jpg").relative_to(tmp_path))]


def test_pipes_sockets_and_devices_with_a_photo_s_name_are_no_files(tmp_path):
    make(tmp_path, "a.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert stat.S_ISFIFO((tmp_path / "pipe.jpg").stat().st_mode)
    assert found(tmp_path) == ["a.jpg"]


@pytest.fixture
def stalling(monkeypatch):
    """Names of folders whose listing never comes, as on a share whose computer was switched off."""
    names: set[str] = set()
    list_folder, over = os.scandir, threading.Event()

    def scandir(folder):
        if os.path.basename(folder) in names:
            over.wait(60)
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    yield names
    over.set()


def test_a_folder_that_does_not_answer_is_named_and_the_rest_is_searched(tmp_path, stalling):
    make(tmp_path, "a/1.jpg", "nas/2.jpg", "z/3.jpg")
    stalling.add("nas")
    problems: list[tuple[str, str]] = []
    rest = found(tmp_path, patience=2, on_problem=lambda *problem: problems.append(problem))
    assert rest == ["a/1.jpg", "z/3.jpg"]
    assert problems == [(str(tmp_path / "nas"), "folder cannot be opened: no answer for 2 seconds")]


def test_a_share_that_keeps_stalling_is_given_up(tmp_path, stalling, monkeypatch):
    make(tmp_path, *(f"nas/{number}/1.jpg" for number in range(9)), "z/2.jpg")
    nas = str(tmp_path / "nas")
    monkeypatch.setattr("facefinder.media.walk.mount_points", lambda: {"/": "ext4", nas: "cifs"})
    stalling.update(map(str, range(9)))
    problems: list[tuple[str, str]] = []
    rest = found(tmp_path, patience=1, on_problem=lambda *problem: problems.append(problem))
    assert rest == ["z/2.jpg"]
    assert [os.path.basename(path) for path, _ in problems] == ["0", "1", "2", "nas"]
    assert problems[-1][1] == "does not answer; the rest of it was not searched"


def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one():
    patience, late = Patience(1), threading.Event()
    with pytest.raises(TimeoutError):
        patience.ask(late.wait, 60)
    late.set()
    assert patience.ask(sum, [1, 2]) == 3
    with pytest.raises(ValueError):
        patience.ask(int, "x")
    patience.close()


def test_memory_does_not_grow_with_the_number_of_files_in_one_folder(tmp_path, monkeypatch):
    make(tmp_path, *(f"{number:03}.jpg" for number in range(100)), *(f"{number:03}.txt" for number in range(100)))
    with os.scandir(tmp_path) as listing:
        entries = list(listing)
    # The same few files again and again, each time as a new entry: 20,000 photos among 20,000 others.
    monkeypatch.setattr(os, "scandir", lambda folder: Listing(Entry(entry) for _ in range(200) for entry in entries))
    tracemalloc.start()
    count = sum(1 for _ in walk([tmp_path]))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 20_000
    assert most < 2_000_000  # all entries at once would be 4 MB here


def test_names_of_a_large_folder_come_in_order_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr("facefinder.media.walk.SORTED_AT_ONCE", 100)
    monkeypatch.setattr("facefinder.media.walk.HANDED_OVER", 30)
    names = [f"{number:03}.jpg" for number in range(250)]
    make(tmp_path, *names)
    walked = found(tmp_path)
    assert sorted(walked) == names
    for start in (0, 100, 200):
        assert walked[start : start + 100] == sorted(walked[start : start + 100])


def test_of_what_is_passed_over_all_is_counted_and_the_first_are_named():
    passed = NotSearched()
    for number in range(EXAMPLES + 5):
        passed.add(f"/cloud/{number}.jpg", Reason.CLOUD)
    passed.add("/bin", Reason.TRASH)
    assert passed.counts == {"only in the cloud": EXAMPLES + 5, "recycle bin": 1}
    assert (len(passed.examples["only in the cloud"]), passed.examples["recycle bin"]) == (EXAMPLES, ["/bin"])


def test_a_folder_that_cannot_be_listed_is_reported_and_the_rest_is_searched(tmp_path, monkeypatch):
    make(tmp_path, "a/1.jpg", "locked/2.jpg", "z/3.jpg")
    list_folder = os.scandir

    def refuse(folder):  # removing permissions does not stop root, as whom tests often run
        if os.path.basename(folder) == "locked":
            raise PermissionError(13, "Permission denied", folder)
        return list_folder(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    problems: list[tuple[str, str]] = []
    assert found(tmp_path, on_problem=lambda *problem: problems.append(problem)) == ["a/1.jpg", "z/3.jpg"]
    assert problems == [(str(tmp_path / "locked"), "folder cannot be opened: Permission denied")]


def test_what_vanishes_during_the_search_is_reported_and_the_rest_is_searched(tmp_path, foreign):
    make(tmp_path, "1.jpg", "2.jpg", "3.jpg", "gone/4.jpg", "here/5.jpg")
    foreign["2.jpg"] = {"gone": 1}
    problems: list[str] = []
    files = walk([tmp_path], on_problem=lambda path, why: problems.append(Path(path).name))
    names = [Path(next(files).path).name]
    (tmp_path / "gone" / "4.jpg").unlink()
    (tmp_path / "gone").rmdir()
    names += [Path(file.path).name for file in files]
    assert names == ["1.jpg", "3.jpg", "5.jpg"]
    assert problems == ["2.jpg", "gone"]


def test_a_place_can_be_a_single_file(tmp_path):
    make(tmp_path, "photo.jpg", "other.jpg")
    assert [file.path for file in walk([tmp_path / "photo.jpg"])] == [str(tmp_path / "photo.jpg")]


def test_a_place_named_twice_is_searched_once(tmp_path):
    make(tmp_path, "disk/trip/photo.jpg")
    (tmp_path / "alias").symlink_to(tmp_path / "disk")
    disk = tmp_path / "disk"
    places = outermost([disk / "trip", disk, tmp_path / "alias", disk, disk / "trip" / "photo.jpg"])
    assert found(*places) == ["trip/photo.jpg"]


def test_reading_a_photo_leaves_its_access_time_as_it_was(tmp_path):
    file = make(tmp_path, "photo.jpg") / "photo.jpg"
    long_ago = 1_000_000_000

    def access_time_after(open_it) -> int:
        os.utime(file, ns=(long_ago, 2 * long_ago))
        with open_it(str(file)) as opened:
            opened.read()
        return file.stat().st_atime_ns

    if access_time_after(lambda path: open(path, "rb")) == long_ago:  # noqa: SIM115 - access_time_after closes it
        pytest.skip("this file system is mounted so that reading never changes an access time")
    assert access_time_after(open_untouched) == long_ago
