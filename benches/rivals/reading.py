"""What every reading rival shares: its arguments, the clock, one line of JSON at the end. Standard library only."""
import argparse
import json
import pathlib
import random
import tarfile
import time

parser = argparse.ArgumentParser()
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--clips", type=int, default=100)
parser.add_argument("--frames", type=int, default=16)
parser.add_argument("--stride", type=int, default=4)
options = parser.parse_args()


def measure(once):
    """Runs `once`, which gives (samples, bytes), to warm up and then as often as asked."""
    once()
    seconds = []
    for _ in range(options.repeats):
        begun = time.perf_counter()
        samples, size = once()
        seconds.append(time.perf_counter() - begun)
    print(json.dumps({"samples": samples, "bytes": size, "seconds": seconds}))


def files(suffix):
    found = sorted(options.folder.glob(f"*{suffix}"))
    if not found:
        raise SystemExit(f"no *{suffix} in {options.folder}")
    return [str(f) for f in found]


def numbers(total, chance):
    """The frames of a clip from a random place, of a video that has `total`."""
    span = (options.frames - 1) * options.stride + 1
    start = int(max(total - span, 0) * chance)
    return list(range(start, min(start + span, total), options.stride))


def turns(clips):
    """Clips in random order, each as often as the others, and places in them, spread evenly: as kpack bench read takes them, so that all decode as much."""
    order = random.Random(1).sample(range(len(clips)), len(clips))
    return [(clips[order[i % len(clips)]], i * 0.6180339887498949 % 1) for i in range(options.clips)]


def batches(pipe):
    """Runs a pipeline of DALI whose reader is named "reader" through its shards."""
    pipe.build()
    count = pipe.reader_meta("reader")["epoch_size"]

    def once():
        samples = size = 0
        while samples < count:
            outputs = pipe.run()
            samples += len(outputs[0])
            size += sum(sum(shape[0] if shape else 0 for shape in output.shape()) for output in outputs)
        return samples, size

    measure(once)


def clips(decode):
    """Decodes frames of random clips. `decode` gets a video's bytes and a number in [0, 1), and gives its frames' number.

    The videos lie in tars; where in them is found out before the clock runs, as kpack has it from its index.
    """
    places = []
    for path in files(".tar"):
        with tarfile.open(path) as tar:
            places += [(path, m.offset_data, m.size) for m in tar if m.name.endswith(".mp4")]
    chosen = [(*place, at) for place, at in turns(places)]
    opened = {path: open(path, "rb") for path in {place[0] for place in chosen}}

    def once():
        frames = 0
        for path, offset, size, at in chosen:
            opened[path].seek(offset)
            frames += decode(opened[path].read(size), at)
        return len(chosen), frames

    measure(once)
