"""Matches -> those of photos that show several people together, or that show somebody else not."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace

from facefinder.match import PhotoMatch, Verdict


def narrow(
    matches: Sequence[PhotoMatch], people: Sequence[str], together: bool, without: Collection[str]
) -> list[PhotoMatch]:
    """Keep what was asked for; matches of `without` are only there to leave photos out.

    together: one match for each photo that shows all of `people`, under all their names; it is sure if all are.
    without: a photo that surely shows one of these is left out; where one is maybe on it, the match is a maybe.
    """
    by_photo: dict[str, dict[str, PhotoMatch]] = defaultdict(dict)
    for match in matches:
        by_photo[match.sha256][match.person] = match
    kept = []
    for found in by_photo.values():
        others = [found[name].verdict for name in without if name in found]
        wanted = [found[name] for name in people if name in found]
        if Verdict.SURE in others or (together and len(wanted) < len(people)):
            continue
        if together and wanted:
            farthest = max(wanted, key=lambda match: (match.verdict is Verdict.MAYBE, match.distance))
            taken = [match.taken_from for match in wanted if match.taken_from is not None]
            taken_from = max(taken) if len(taken) == len(wanted) else None
            wanted = [replace(farthest, person=" and ".join(people), taken_from=taken_from)]
        kept += [replace(match, verdict=Verdict.MAYBE) if others else match for match in wanted]
    return sorted(kept, key=lambda found: (found.person, found.distance, found.source))
