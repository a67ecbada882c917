"""JPEG at quality 90 beside libjpeg-turbo's own (as pillow brings it) of the same planes at equal bytes.

The planes are those that ffmpeg decodes, of the first frame of each sample, in the full range that JPEG means.
"""
import io
import math
import subprocess
import sys

import numpy
from PIL import Image, features

from common import Report, Work

# dB below libjpeg-turbo that are allowed.
SLACK = 0.2
QUALITIES = range(74, 100, 2)

work, report = Work(sys.argv[1]), Report("jpeg quality")


def planes(sample):
    """The first frame, chroma repeated to full size: subsampled again it gives the same planes."""
    w, h = sample["width"], sample["height"]
    half = ((h + 1) // 2, (w + 1) // 2)
    raw = subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-i", str(work.path / "input" / sample["source"]),
                          "-frames:v", "1", "-pix_fmt", "yuv420p", "-f", "rawvideo", "-"], stdout=subprocess.PIPE, check=True).stdout
    values = numpy.frombuffer(raw, "u1").astype("f8")
    # From limited to full range, rounded to nearest: all of the input is BT.601 and limited.
    full = lambda wide: wide.round().clip(0, 255).astype("u1")
    luma = full((values[:w * h] - 16) * 255 / 219).reshape(h, w)
    chroma = full((values[w * h:] - 128) * 255 / 224 + 128).reshape(2, *half)
    large = chroma.repeat(2, axis=1).repeat(2, axis=2)[:, :h, :w]
    return Image.merge("YCbCr", [Image.fromarray(numpy.ascontiguousarray(plane)) for plane in (luma, *large)])


def psnr(jpeg, picture):
    opened = Image.open(io.BytesIO(jpeg))
    opened.draft("YCbCr", opened.size)
    error = ((numpy.asarray(opened, "f8") - numpy.asarray(picture, "f8")) ** 2).mean()
    return 99.0 if error == 0 else 10 * math.log10(255 ** 2 / error)


def rival(picture):
    """(bytes, PSNR) of libjpeg-turbo at rising quality, 4:2:0 as kpack's."""
    curve = []
    for quality in QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, subsampling="4:2:0")
        curve.append((len(out.getvalue()), psnr(out.getvalue(), picture)))
    return curve


def at_bytes(curve, size):
    """The rival's PSNR at this many bytes, between its two nearest qualities."""
    for (small, low), (large, high) in zip(curve, curve[1:]):
        if small <= size <= large and small < large:
            return low + (high - low) * (size - small) / (large - small)
    return None


def problems():
    gaps = []
    for key, sample in work.by_key.items():
        data, picture = work.frame_files(key)[0].read_bytes(), planes(sample)
        want = at_bytes(rival(picture), len(data))
        if want is None:
            yield f"{key}: {len(data)} bytes are outside the rival's"
            continue
        gaps.append(psnr(data, picture) - want)
        if gaps[-1] < -SLACK:
            yield f"{key}: {-gaps[-1]:.2f} dB below libjpeg-turbo at {len(data)} bytes"
    print(f"      {len(gaps)} pictures, {min(gaps):+.2f} to {max(gaps):+.2f} dB of libjpeg-turbo", flush=True)


if features.check_feature("libjpeg_turbo"):
    report.guard(f"PSNR within {SLACK} dB of libjpeg-turbo at equal bytes", problems)
else:
    report.skip("PSNR beside libjpeg-turbo", "this pillow was built with another libjpeg")
report.close()
