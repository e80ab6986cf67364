"""Who is surely on a photo -> what the XMP sidecar of its copy says, so that other programs show the names too."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from facefinder.match import PhotoMatch, Verdict
from facefinder.media.packets import Packets, read_packets, read_sidecars, sidecar_of
from facefinder.tags.xmp import Area, NamedFace, UnreadablePacket, add_faces


def sure_people(matches: Iterable[PhotoMatch]) -> Mapping[str, list[PhotoMatch]]:
    """SHA-256 -> the sure matches of that photo, one for each person."""
    shown: dict[str, list[PhotoMatch]] = defaultdict(list)
    for match in matches:
        if match.verdict is Verdict.SURE:
            shown[match.sha256].append(match)
    return shown


def sidecar_packet(copy: str, people: Sequence[PhotoMatch]) -> bytes | None:
    """What the sidecar of a copy is to hold; None if these people are named there already, or in the copy itself.

    It goes on from the sidecar that is there, else from the one beside the original, else from what the photo itself
    holds: programs that find a sidecar often look no further. Raises UnreadablePacket when the sidecar that is there
    is none.
    """
    there = read_packets(copy)
    faces = [_named(match, there) for match in people]
    own = there.sidecars.get(sidecar_of(copy))
    if own is not None:
        return add_faces(own, faces, there.size)
    source = people[0].source
    for packet in (read_sidecars(source).get(sidecar_of(source)), there.embedded):
        try:
            if packet is not None:
                return add_faces(packet, faces, there.size)
        except UnreadablePacket:
            continue
    return add_faces(None, faces, there.size)


def _named(match: PhotoMatch, there: Packets) -> NamedFace:
    """Without a place in a video, on a later page of a file, and in RAW, whose preview is not the picture itself."""
    if there.size is None or match.moment is not None or not match.width or not match.height:
        return NamedFace(match.person, None)
    area = Area.of_box(match.box, match.width, match.height)
    return NamedFace(match.person, area.stored(there.orientation))
