"""Cuts of videos with the frame number painted in, decoded whole by ffmpeg, OpenCV and torchcodec: count, first and last number.

The sources have B-frames, open groups of pictures, a variable frame rate, an edit list, a rotation, a start that is not 0.
"""
import json
import pathlib
import subprocess
import sys

import cv2
import numpy
from torchcodec.decoders import VideoDecoder

from common import Report

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
NAMES = ["gop250.mp4", "h264_bframes_aac.mp4", "open_gop.mp4", "vfr.mp4", "vfr_gops.mp4", "edit_list.mp4", "rotated_90.mp4",
         "rotated_gops.mp4", "start_nonzero.mkv", "start_nonzero.ts"]
RANGES = [(0.0, 0.3), (0.3, 1.9), (0.51, 1.37), (1.01, 1.63)]

kpack, work, report = sys.argv[2], pathlib.Path(sys.argv[1]), Report("cuts")
expected = json.loads((FIXTURES / "expected.json").read_text())["files"]


def times(name):
    """Times of all frames from where the first track begins."""
    entry = expected[f"media/{name}"]
    shown = entry["video"]["times"]
    origin = min(shown[0], entry.get("audio", {}).get("start", shown[0]))
    return [at - origin for at in shown]


def number(picture):
    """The number in an upright picture of 3 channels."""
    height, width = picture.shape[:2]
    row = picture[height * 6 // 120, :, 1]
    return sum(int(row[(2 * bit + 1) * width // 32] > 128) << bit for bit in range(16))


def by_ffmpeg(path, width, height):
    raw = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-xerror", "-i", str(path), "-fps_mode", "passthrough", "-pix_fmt", "rgb24",
                          "-f", "rawvideo", "-"], stdout=subprocess.PIPE, check=True).stdout
    return numpy.frombuffer(raw, "u1").reshape(-1, height, width, 3)


def by_opencv(path, *_):
    video = cv2.VideoCapture(str(path))
    pictures = []
    while True:
        there, picture = video.read()
        if not there:
            return pictures
        pictures.append(picture)


def by_torchcodec(path, *_):
    video = VideoDecoder(str(path), dimension_order="NHWC")
    pictures = video[:].numpy()
    # One in the middle, sought for, is the same as in its turn.
    middle = len(pictures) // 2
    if not numpy.array_equal(video[middle].numpy(), pictures[middle]):
        raise ValueError(f"{path.name}: frame {middle} differs when it is sought for")
    return pictures


def cut(trim):
    """The rows of all cuts made in one way, and the files."""
    table, out = work / f"cuts-{trim}.csv", work / f"cuts-{trim}"
    lines = [f"{FIXTURES / 'media' / name},{start},{end}" for name in NAMES for start, end in RANGES]
    table.write_text("path,start,end\n" + "\n".join(lines) + "\n")
    subprocess.run([kpack, "resize", str(table), "-o", str(out), "-q", "--video", "copy", "--trim", trim], check=True,
                   stdin=subprocess.DEVNULL, timeout=900)
    for row in map(json.loads, (out / "samples.jsonl").read_text().splitlines()):
        files = [path for path in out.glob(f"{row['path']}.*") if path.suffix != ".json"]
        yield row, files[0], next(name for name in NAMES if row["source"].endswith("/" + name))


def problems(trim, cuts, read):
    for row, path, name in cuts:
        track, shown = expected[f"media/{name}"]["video"], times(name)
        # A cut of whole packets begins with an earlier key frame, as its row says.
        start = row["got_start"] if trim == "copy" else row["start"]
        inside = [i for i, at in enumerate(shown) if start - 0.0011 <= at < row["end"] - 1e-6]
        pictures = read(path, track["width"], track["height"])
        got, want = [number(picture) for picture in pictures], [track["first_number"] + i for i in inside]
        # What an edit list leaves out of the source has times before 0.
        early = round(-start / 0.04) if start < 0 else 0
        want = [want[0] - n for n in range(early, 0, -1)] + want
        if row["frames"] != len(got):
            yield f"{path.name}: {len(got)} frames, {row['frames']} in its row"
        # Whole packets: frames of the range may need some that are shown after it.
        after = [n for n in got if n > want[-1]] if trim == "copy" else []
        if got != want + after:
            yield f"{path.name}: {len(got)} frames, the first and last are {got[:1] + got[-1:]}, wanted {want[:1] + want[-1:]}"
        last = shown[got[-1] - track["first_number"]]
        if not last < row["got_end"] < last + 1.1:
            yield f"{path.name}: its row says that it ends at {row['got_end']}, the last frame is shown at {last}"


for trim in ["exact", "smart", "copy"]:
    cuts = list(cut(trim))
    for reader, read in {"ffmpeg": by_ffmpeg, "OpenCV": by_opencv, "torchcodec": by_torchcodec}.items():
        report.guard(f"--trim {trim}: {len(cuts)} cuts in {reader}", lambda: problems(trim, cuts, read))
report.close()
