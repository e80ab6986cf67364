"""A photo's bytes become faces whose vectors tell people apart, in whatever way the photo was saved."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageFilter

from facefinder.faces.align import align
from facefinder.faces.analyzer import Analysis, Analyzer, Face
from facefinder.faces.detect import YuNet
from facefinder.faces.embed import Embedder
from facefinder.faces.models import YUNET, recogniser
from facefinder.media.decode import open_photo

PORTRAIT = "Washington/2012/DSC_0101.jpg"

# What was done to the pixels of a file that says EXIF orientation N.
TURNS = [None, "FLIP_LEFT_RIGHT", "ROTATE_180", "FLIP_TOP_BOTTOM", "TRANSPOSE", "ROTATE_90", "TRANSVERSE", "ROTATE_270"]


def distance(first: Face, second: Face) -> float:
    return 1 - float(first.vector @ second.vector)


def jpeg(image: Image.Image, **options) -> bytes:
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "JPEG", quality=92, **options)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def analysed(album: Path, refs: Path, analyzer: Analyzer) -> dict[str, Analysis]:
    """Every photo of the demonstration, by its path inside album/ and refs/."""
    return {
        str(path.relative_to(folder)): analyzer.analyse(path.read_bytes())
        for folder in (album, refs)
        for path in sorted(folder.rglob("*.jpg"))
    }


def test_a_person_is_near_to_their_references_and_strangers_are_far(analysed, refs, people_in_album):
    references = {
        person.name: [face for photo in person.iterdir() for face in analysed[f"{person.name}/{photo.name}"].faces]
        for person in refs.iterdir()
    }
    for photo, people in people_in_album.items():
        for person, known in references.items():
            nearest = sorted(min(distance(face, other) for other in known) for face in analysed[photo].faces)
            if person in people:
                assert nearest[0] < 0.5, f"{person} is in {photo}"
                nearest = nearest[1:]
            assert all(far > 0.6 for far in nearest), f"somebody else than {person} is in {photo}"


def test_a_face_is_described_as_promised(analysed):
    analysis = analysed[PORTRAIT]
    assert (analysis.width, analysis.height) == (910, 1137)
    [face] = analysis.faces
    left, top, width, height = face.box
    assert 330 < left < 400
    assert 50 < top < 120
    assert 210 < width < 270
    assert 290 < height < 380
    assert face.landmarks.shape == (5, 2)
    assert face.vector.shape == (128,)
    assert face.vector.dtype == face.landmarks.dtype == np.float32
    for every in analysed.values():
        for face in every.faces:
            assert np.linalg.norm(face.vector) == pytest.approx(1, abs=1e-5)


def test_faces_embedded_together_get_the_vectors_that_they_get_alone(analysed, album, models):
    photo = album / "Family" / "many faces.jpg"
    pixels = open_photo(photo.read_bytes()).pixels(1.0)
    faces = analysed["Family/many faces.jpg"].faces
    assert len(faces) == 25
    crops = np.stack([align(pixels, face.landmarks) for face in faces])
    embedder = Embedder(recogniser("sface"), models)
    alone = np.concatenate([embedder.embed(crops[number : number + 1]) for number in range(len(crops))])
    np.testing.assert_allclose(embedder.embed(crops), alone, atol=1e-4)
    assert embedder.embed(crops[:0]).shape == (0, 128)


def test_box_landmarks_crop_and_vector_are_those_of_opencvs_own_yunet_and_sface(album, models):
    weights = models / "deepface" / ".deepface" / "weights"
    if not weights.is_dir():
        pytest.skip("needs the models as they were published, which a finished stick may do without")
    photo = open_photo((album / "Stage & screen" / "portrait 1.jpg").read_bytes()).pixels(1.0)
    bgr = np.ascontiguousarray(photo[:, :, ::-1])
    height, width, _ = photo.shape
    yunet = cv2.FaceDetectorYN.create(str(weights / "face_detection_yunet_2023mar.onnx"), "", (width, height), 0.7)
    sface = cv2.FaceRecognizerSF.create(str(weights / "face_recognition_sface_2021dec.onnx"), "")
    [theirs] = yunet.detect(bgr)[1]

    ours = YuNet(models / YUNET.file, YUNET.threshold).detect(photo, 20)
    np.testing.assert_allclose(np.append(ours.boxes, ours.landmarks), theirs[:14], atol=0.01)
    crop = align(photo, ours.landmarks[0])
    their_crop = sface.alignCrop(bgr, theirs)
    assert np.abs(crop.astype(int) - their_crop[:, :, ::-1]).mean() < 0.1
    [vector] = Embedder(recogniser("sface"), models).embed(crop[None])
    [their_vector] = sface.feature(their_crop)
    assert vector @ (their_vector / np.linalg.norm(their_vector)) > 0.999


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_turned_by_exif_gives_the_same_face_as_the_upright_one(album, analyzer, analysed, orientation):
    [upright] = analysed[PORTRAIT].faces
    with Image.open(album / PORTRAIT) as image:
        turn = TURNS[orientation - 1]
        turned = image.transpose(Image.Transpose[turn]) if turn else image
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        analysis = analyzer.analyse(jpeg(turned, exif=exif))
    assert (analysis.width, analysis.height) == (910, 1137)
    [face] = analysis.faces
    np.testing.assert_allclose(face.box, upright.box, atol=6)
    np.testing.assert_allclose(face.landmarks, upright.landmarks, atol=6)
    assert distance(face, upright) < 0.02


def test_a_real_camera_rotation_gives_the_same_faces(analyzer, shared_photos):
    folder = shared_photos / "awkward" / "faces"
    upright, turned = (
        analyzer.analyse((folder / name).read_bytes()) for name in ("portrait.jpg", "portrait-orientation-6.jpg")
    )
    assert len(upright.faces) == len(turned.faces) == 2
    for face, other in zip(upright.faces, turned.faces, strict=True):
        np.testing.assert_allclose(face.box, other.box, atol=4)


@pytest.mark.parametrize("scale", [0.5, 0.3, 2.0])
def test_a_photo_saved_at_another_size_shows_the_same_people(album, analyzer, analysed, scale):
    for photo in (PORTRAIT, "Washington/2012/DSC_0117.jpg", "Family/Christmas.jpg"):
        with Image.open(album / photo) as image:
            resized = image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)
        faces = analyzer.analyse(jpeg(resized)).faces
        assert len(faces) == len(analysed[photo].faces)
        for face in analysed[photo].faces:
            other = min(faces, key=lambda other: distance(face, other))
            assert distance(face, other) < 0.35
            np.testing.assert_allclose(np.array(other.box) / scale, face.box, atol=0.2 * face.size)


def test_a_small_face_in_a_large_photo_is_cut_out_at_full_size(album, analyzer):
    """Faces are looked for in a smaller decoding: what is embedded must not come from there."""
    with Image.open(album / PORTRAIT) as image:
        small = image.resize((228, 284), Image.Resampling.LANCZOS)  # a face of 60 pixels
    wall = Image.new("RGB", (4000, 3000), "gray")
    wall.paste(small, (2500, 1500))
    [alone] = analyzer.analyse(jpeg(small)).faces
    [among] = analyzer.analyse(jpeg(wall)).faces
    assert distance(alone, among) < 0.1
    assert among.sharpness > 0.7 * alone.sharpness


def test_a_blurred_face_is_less_sharp(album, analyzer, analysed):
    with Image.open(album / PORTRAIT) as image:
        [blurred] = analyzer.analyse(jpeg(image.filter(ImageFilter.GaussianBlur(8)))).faces
    assert blurred.sharpness < 50 < analysed[PORTRAIT].faces[0].sharpness
