"""What every reader script shares: the report, the truth, and comparisons. Needs numpy and pillow where it says so."""
import json
import pathlib
import sys


class Report:
    """Prints one line a check and keeps the counts; `close` prints the total and ends the process."""

    def __init__(self, reader):
        self.reader, self.passed, self.failed, self.skipped = reader, 0, 0, 0

    def check(self, what, problems):
        """A check passes when `problems`, a list of texts, is empty."""
        problems = [str(p) for p in problems]
        if problems:
            self.failed += 1
            print(f"FAIL  {self.reader}: {what}: {problems[0]}" + (f" (and {len(problems) - 1} more)" if problems[1:] else ""))
        else:
            self.passed += 1
            print(f"pass  {self.reader}: {what}")
        sys.stdout.flush()

    def guard(self, what, function):
        """As `check`, with the problems that `function` returns; an exception is a problem too."""
        try:
            self.check(what, list(function()))
        except Exception as error:  # a reader that throws has failed the check, whatever it throws
            self.check(what, [f"{type(error).__name__}: {error}"])

    def skip(self, what, why):
        self.skipped += 1
        print(f"SKIP  {self.reader}: {what}: {why}")

    def close(self):
        print(f"totals {self.passed} {self.failed} {self.skipped}")
        sys.exit(1 if self.failed else 0)


class Work:
    """The folder that run.py prepared: packed outputs, and the truth beside them."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        truth = json.loads((self.path / "truth.json").read_text())
        self.samples, self.classes, self.rate = truth["samples"], truth["classes"], truth["rate"]
        self.keys = [s["key"] for s in self.samples]
        self.by_key = {s["key"]: s for s in self.samples}
        self.with_sound = [s["key"] for s in self.samples if s["audio"]]

    def shards(self, name, suffix):
        found = sorted((self.path / name).glob(f"*{suffix}"))
        if not found:
            raise FileNotFoundError(f"no *{suffix} in {name}")
        return [str(f) for f in found]

    def source(self, key):
        return (self.path / "input" / self.by_key[key]["source"]).read_bytes()

    def frame_files(self, key):
        """The frames that `kpack frames` wrote for the key, in order."""
        sample = self.by_key[key]
        return sorted((self.path / "frames").glob(f"**/{key}/img_*.jpg")) if sample else []

    def pcm(self, key, native):
        """ffmpeg's samples, shape (n, channels): int16 at the native rate, or float32 mono at `rate`."""
        import numpy
        audio = self.by_key[key]["audio"]
        if native:
            return numpy.fromfile(self.path / audio["native"], "<i2").reshape(-1, audio["channels"])
        return numpy.fromfile(self.path / audio["mono"], "<f4").reshape(-1, 1)


def same_list(got, want, what):
    """Problems when two lists differ, naming the first place."""
    if got == want:
        return []
    at = next((i for i, (a, b) in enumerate(zip(got, want)) if a != b), min(len(got), len(want)))
    show = lambda values: repr(values[at])[:80] if at < len(values) else "nothing"
    return [f"{what}: {len(got)} of {len(want)}; at {at} got {show(got)}, wanted {show(want)}"]


def wav(data):
    """(rate, int16 array of shape (n, channels)) of a PCM WAV in bytes."""
    import numpy
    at, rate, channels, bits, pcm = 12, None, None, None, None
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    while at + 8 <= len(data):
        name, size = data[at:at + 4], int.from_bytes(data[at + 4:at + 8], "little")
        body = data[at + 8:at + 8 + size]
        if name == b"fmt ":
            channels, rate = int.from_bytes(body[2:4], "little"), int.from_bytes(body[4:8], "little")
            bits = int.from_bytes(body[14:16], "little")
        elif name == b"data":
            pcm = body
        at += 8 + size + size % 2
    if bits != 16 or pcm is None:
        raise ValueError(f"{bits} bits a sample")
    return rate, numpy.frombuffer(pcm, "<i2").reshape(-1, channels)


def loudness_gap(got, want):
    """Level of the difference below the wanted signal, in dB (large is good)."""
    import numpy
    error = got.astype("f8") - want.astype("f8")
    noise, signal = float((error ** 2).mean()), float((want.astype("f8") ** 2).mean())
    return 200.0 if noise == 0 else 10 * numpy.log10(max(signal, 1e-30) / noise)


def sound_problems(key, got, want, least_db, slack=0):
    """Problems of an audio array against the truth: its shape, and its waveform."""
    if got.shape[1] != want.shape[1] or abs(len(got) - len(want)) > slack:
        return [f"{key}: {got.shape} samples, wanted {want.shape}"]
    n = min(len(got), len(want))
    gap = loudness_gap(got[:n], want[:n])
    return [] if gap >= least_db else [f"{key}: the sound differs by -{gap:.1f} dB, wanted -{least_db} dB or less"]


def picture_problems(key, sample, jpegs):
    """Problems of a sample's frames: how many, their size, and the painted number in each."""
    import io
    from PIL import Image
    if len(jpegs) != sample["frames"]:
        return [f"{key}: {len(jpegs)} frames, wanted {sample['frames']}"]
    problems = []
    for i, jpeg in enumerate(jpegs):
        picture = Image.open(io.BytesIO(jpeg)).convert("L")
        if picture.size != (sample["width"], sample["height"]):
            problems.append(f"{key} frame {i}: {picture.size}, wanted {sample['width']}x{sample['height']}")
        elif sample["first_number"] is not None:
            number = painted_number(picture.getpixel, *picture.size)
            if number != sample["first_number"] + i:
                problems.append(f"{key} frame {i}: shows number {number}, wanted {sample['first_number'] + i}")
    return problems


def painted_number(luma_at, width, height):
    """The number in the top rows of a picture that fixtures/paint.py drew."""
    row = height * 6 // 120
    return sum((luma_at(((2 * b + 1) * width // 32, row)) > 128) << b for b in range(16))


VIDEO_NAMES = ("mp4", "mkv", "webm", "avi", "ts", "mov")


def video_name(names):
    """The one blob name that is a video's."""
    found = [n for n in names if n in VIDEO_NAMES]
    if len(found) != 1:
        raise ValueError(f"{len(found)} video members in {sorted(names)}")
    return found[0]
