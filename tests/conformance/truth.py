"""The input of the conformance run and what must be read back from it, found without kpack.

Standard library, and the ffmpeg and ffprobe commands.
"""
import json
import pathlib
import re
import shutil
import subprocess

FIXTURES = pathlib.Path(__file__).resolve().parents[2] / "fixtures"
# Class folder -> files below fixtures/.
INPUT = {
    "codecs": ["media/av1.mkv", "media/hevc.mp4", "media/mpeg4_asp.avi", "media/vp9_opus.webm"],
    "shapes": ["media/odd_size.webm", "media/rotated_90.mp4", "media/surround_5_1.mp4", "media/tenbit.mp4"],
    "timing": ["media/audio_late.mkv", "media/edit_list.mp4", "media/h264_bframes_aac.mp4", "media/no_audio.mp4",
               "media/open_gop.mp4", "media/start_nonzero.mkv", "media/vfr.mp4"],
    "broken": ["broken/text.mp4", "broken/zero.mp4"],
}
# Rate of the resampled sound.
RATE = 16000


def ffmpeg(file, *args):
    return subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", "-i", str(file), *args, "-"],
                          stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True).stdout


def lay_out(work):
    """Copies the input: the class folders of fixtures/classes, and those of INPUT."""
    target = work / "input"
    shutil.copytree(FIXTURES / "classes", target)
    for folder, files in INPUT.items():
        (target / folder).mkdir()
        for file in files:
            shutil.copy(FIXTURES / file, target / folder)
    return target


def describe(work, source, label_index, expected):
    """The truth of one clip; its sound goes to files beside."""
    relative = source.relative_to(work / "input").as_posix()
    stem = relative.rsplit(".", 1)[0]
    key = re.sub(r"[^A-Za-z0-9_/-]", "_", stem)
    video, audio = expected["video"], None
    if "audio" in expected:
        flat = key.replace("/", "__")
        native, mono = work / f"truth/{flat}.s16", work / f"truth/{flat}.f32"
        native.write_bytes(ffmpeg(source, "-map", "0:a:0", "-f", "s16le", "-c:a", "pcm_s16le"))
        # Mixing down to floats, ffmpeg adds channels without scaling unless told that 1 is the ceiling.
        mono.write_bytes(ffmpeg(source, "-map", "0:a:0", "-af", "aresample=rematrix_maxval=1", "-ac", "1",
                                "-ar", str(RATE), "-f", "f32le"))
        audio = {"rate": expected["audio"]["rate"], "channels": expected["audio"]["channels"],
                 "native": str(native.relative_to(work)), "mono": str(mono.relative_to(work))}
    return {"key": key, "source": relative, "label": relative.split("/")[0], "label_index": label_index,
            "frames": video["frames"], "width": video["width"], "height": video["height"],
            "first_number": video.get("first_number"), "times": video["times"], "audio": audio}


def prepare(work):
    """Lays the input out and writes truth.json; returns the input folder."""
    expected = json.loads((FIXTURES / "expected.json").read_text())["files"]
    origin = {f"{folder}/{file.split('/')[1]}": file for folder, files in INPUT.items() for file in files}
    target = lay_out(work)
    (work / "truth").mkdir()
    classes = sorted(p.name for p in target.iterdir())
    samples = []
    for source in sorted((p for p in target.rglob("*") if p.is_file()), key=lambda p: bytes(p)):
        relative = source.relative_to(target).as_posix()
        name = origin.get(relative, f"classes/{relative}")
        if not name.startswith("broken/"):
            samples.append(describe(work, source, classes.index(relative.split("/")[0]), expected[name]))
    broken = sorted(f"broken/{f.split('/')[1]}" for f in INPUT["broken"])
    truth = {"samples": samples, "classes": classes, "broken": broken, "rate": RATE}
    (work / "truth.json").write_text(json.dumps(truth, indent=1))
    return target
