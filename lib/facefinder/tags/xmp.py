"""XMP packets <-> the names of people and where their faces are, as other programs read and write them.

Three properties name who is there: Iptc4xmpExt:PersonInImage, dc:subject (keywords) and lr:hierarchicalSubject
("People|Mom"). A fourth, mwg-rs:Regions of the Metadata Working Group, says where: the centre and the size of each
face, as shares of the picture as it is stored, that is before it is turned as EXIF says.
"""

import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self
from xml.etree import ElementTree

MAX_BYTES = 16 << 20  # of a packet; what programs write has some thousand
KEYWORD_OF_ALL = "People"  # above each name in hierarchicalSubject, as digiKam has it

_PREFIXES = {
    "x": "adobe:ns:meta/",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dc": "http://purl.org/dc/elements/1.1/",
    "lr": "http://ns.adobe.com/lightroom/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "mwg-rs": "http://www.metadataworkinggroup.com/schemas/regions/",
    "stArea": "http://ns.adobe.com/xmp/sType/Area#",
    "stDim": "http://ns.adobe.com/xap/1.0/sType/Dimensions#",
}
# The wrapper by which a packet is found inside other files; some programs want it in a sidecar too.
_HEAD = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
_TAIL = '\n<?xpacket end="w"?>\n'
_PADDING = b"\0 \t\r\n"  # some programs pad with zeros
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LISTS = frozenset({"Bag", "Seq", "Alt"})

Element = ElementTree.Element


class UnreadablePacket(Exception):
    """What should be XMP is damaged, or something else."""


@dataclass(frozen=True, slots=True)
class Area:
    """Part of a picture: its centre and its size, as shares (0 to 1) of the picture's width and height."""

    x: float
    y: float
    width: float
    height: float

    @classmethod
    def of_box(cls, box: Sequence[float], width: int, height: int) -> Self:
        """box: left, top, width, height in pixels of a picture of width x height."""
        left, top, across, down = box
        return cls((left + across / 2) / width, (top + down / 2) / height, across / width, down / height)

    def in_pixels(self, width: int, height: int) -> tuple[float, float, float, float]:
        """The inverse of of_box()."""
        left, top = (self.x - self.width / 2) * width, (self.y - self.height / 2) * height
        return left, top, self.width * width, self.height * height

    def upright(self, orientation: int) -> "Area":
        """An area of the stored picture, in the picture turned as EXIF orientation 1 to 8 says."""
        x, y, width, height = self.x, self.y, self.width, self.height
        if orientation in (5, 6, 7, 8):
            x, y, width, height = y, x, height, width
        if orientation in (2, 3, 6, 7):
            x = 1 - x
        if orientation in (3, 4, 7, 8):
            y = 1 - y
        return Area(x, y, width, height)

    def stored(self, orientation: int) -> "Area":
        """The inverse of upright(): only 6 and 8, a quarter turn each, undo one another; the others are their own."""
        return self.upright({6: 8, 8: 6}.get(orientation, orientation))


@dataclass(frozen=True, slots=True)
class NamedFace:
    """Somebody on a picture. area: where in the stored picture; None if that cannot be said."""

    name: str
    area: Area | None


def faces_in(packet: bytes) -> list[NamedFace]:
    """The faces that have a name and a place. Raises UnreadablePacket."""
    return [face for face in map(_face_of, _regions(_rdf(_parse(packet)))) if face]


def add_faces(packet: bytes | None, faces: Sequence[NamedFace], size: tuple[int, int] | None) -> bytes | None:
    """The packet with these people added, all else in it as it was; None if it names them all already.

    packet: None for a new one. size: of the stored picture, pixels; without it no place is written.
    A name that has a place in the packet keeps that. Raises UnreadablePacket.
    """
    root = _parse(packet) if packet is not None else Element(_name("x:xmpmeta"))
    rdf = _rdf(root, make=True)
    names = [_clean(face.name) for face in faces]
    changed = _add_to_list(rdf, "dc:subject", names)
    changed |= _add_to_list(rdf, "lr:hierarchicalSubject", [f"{KEYWORD_OF_ALL}|{name}" for name in names])
    changed |= _add_to_list(rdf, "Iptc4xmpExt:PersonInImage", names)
    if size:
        placed = {_value(_fields(region), "mwg-rs:Name") for region in _regions(rdf)}
        for name, face in zip(names, faces, strict=True):
            if face.area and name not in placed:
                _add_region(rdf, name, face.area, size)
                changed = True
    if not changed:
        return None
    for prefix, address in [*_PREFIXES.items(), *(_prefixes(packet) if packet else [])]:
        ElementTree.register_namespace(prefix, address)
    ElementTree.indent(root, " ")
    return (_HEAD + ElementTree.tostring(root, "unicode") + _TAIL).encode()


def _parse(packet: bytes) -> Element:
    if len(packet) > MAX_BYTES:
        raise UnreadablePacket
    try:
        # Expat itself refuses entities that grow beyond reason.
        root = ElementTree.fromstring(packet.strip(_PADDING))
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        raise UnreadablePacket from error
    if root.tag not in (_name("x:xmpmeta"), _name("rdf:RDF")):
        raise UnreadablePacket
    return root


def _prefixes(packet: bytes) -> Iterable[tuple[str, str]]:
    """The prefixes that another program chose: some readers know properties by these alone."""
    for _, (prefix, address) in ElementTree.iterparse(io.BytesIO(packet.strip(_PADDING)), ("start-ns",)):
        # The library keeps ns0, ns1 and so on to itself.
        if prefix and address not in _PREFIXES.values() and not re.fullmatch(r"ns\d+|xml", prefix):
            yield prefix, address


def _name(qualified: str) -> str:
    prefix, _, local = qualified.partition(":")
    return f"{{{_PREFIXES[prefix]}}}{local}"


def _clean(name: str) -> str:
    """A name without what XML cannot hold: control characters, and halves of characters."""
    return _NO_XML.sub("\ufffd", name)


def _rdf(root: Element, make: bool = False) -> Element:
    if root.tag == _name("rdf:RDF"):
        return root
    rdf = root.find(_name("rdf:RDF"))
    if rdf is None and make:
        rdf = ElementTree.SubElement(root, _name("rdf:RDF"))
    return Element(_name("rdf:RDF")) if rdf is None else rdf


def _property(rdf: Element, name: str) -> Element | None:
    return rdf.find(f"{_name('rdf:Description')}/{_name(name)}")


def _made_property(rdf: Element, name: str) -> Element:
    description = rdf.find(_name("rdf:Description"))
    if description is None:
        description = ElementTree.SubElement(rdf, _name("rdf:Description"), {_name("rdf:about"): ""})
    return ElementTree.SubElement(description, _name(name))


def _list(element: Element) -> Element:
    """The list in a property; it is made where there is none."""
    of_kind = (child for child in element if child.tag in {_name(f"rdf:{kind}") for kind in _LISTS})
    found = next(of_kind, None)
    return ElementTree.SubElement(element, _name("rdf:Bag")) if found is None else found


def _add_to_list(rdf: Element, name: str, texts: Sequence[str]) -> bool:
    """Whether some were not in it yet."""
    element = _property(rdf, name)
    there = set() if element is None else {item.text for item in element.iter(_name("rdf:li"))}
    missing = [text for text in dict.fromkeys(texts) if text not in there]
    if not missing:
        return False
    if element is None:
        element = _made_property(rdf, name)
        missing = [*_taken_from_attributes(rdf, name), *missing]
    items = _list(element)
    for text in missing:
        ElementTree.SubElement(items, _name("rdf:li")).text = text
    return True


def _taken_from_attributes(rdf: Element, name: str) -> list[str]:
    """A list of one may stand as an attribute, beside which no element may say the same."""
    descriptions = rdf.findall(_name("rdf:Description"))
    return [text for description in descriptions if (text := description.attrib.pop(_name(name), None))]


def _fields(element: Element) -> Element:
    """The element that holds a structure's fields: programs write them directly, or in a Description of their own."""
    inner = element.find(_name("rdf:Description"))
    return element if inner is None else inner


def _value(structure: Element, name: str) -> str:
    """A field, which may be written as an attribute or as an element."""
    return (structure.get(_name(name)) or structure.findtext(_name(name)) or "").strip()


def _regions(rdf: Element) -> list[Element]:
    regions = _property(rdf, "mwg-rs:Regions")
    items = None if regions is None else _fields(regions).find(_name("mwg-rs:RegionList"))
    return [] if items is None else [item for kind in items for item in kind.findall(_name("rdf:li"))]


def _face_of(region: Element) -> NamedFace | None:
    fields = _fields(region)
    name, area = _value(fields, "mwg-rs:Name"), fields.find(_name("mwg-rs:Area"))
    if not name or area is None or _value(fields, "mwg-rs:Type") not in ("Face", ""):
        return None
    sides = _fields(area)
    try:
        return NamedFace(name, Area(*(float(_value(sides, f"stArea:{side}")) for side in "xywh")))
    except ValueError:
        return None


def _add_region(rdf: Element, name: str, area: Area, size: tuple[int, int]) -> None:
    regions = _property(rdf, "mwg-rs:Regions")
    if regions is None:
        regions = _made_property(rdf, "mwg-rs:Regions")
        regions.set(_name("rdf:parseType"), "Resource")
        width, height = map(str, size)
        dimensions = {"stDim:w": width, "stDim:h": height, "stDim:unit": "pixel"}
        _structure(regions, "mwg-rs:AppliedToDimensions", dimensions)
    fields = _fields(regions)
    items = fields.find(_name("mwg-rs:RegionList"))
    if items is None:
        items = ElementTree.SubElement(fields, _name("mwg-rs:RegionList"))
    region = ElementTree.SubElement(_list(items), _name("rdf:li"), {_name("rdf:parseType"): "Resource"})
    for field, text in (("mwg-rs:Name", name), ("mwg-rs:Type", "Face")):
        ElementTree.SubElement(region, _name(field)).text = text
    sides = {"x": area.x, "y": area.y, "w": area.width, "h": area.height}
    numbers = {f"stArea:{side}": f"{share:.6f}" for side, share in sides.items()}
    _structure(region, "mwg-rs:Area", numbers | {"stArea:unit": "normalized"})


def _structure(parent: Element, name: str, fields: dict[str, str]) -> None:
    ElementTree.SubElement(parent, _name(name), {_name(field): text for field, text in fields.items()})
