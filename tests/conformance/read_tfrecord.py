"""The tfrecord package (vahidk): Examples and SequenceExamples, plain and gzip."""
import pathlib
import sys
import tempfile

import numpy
from tfrecord.tools.tfrecord2idx import create_index
from tfrecord.reader import example_loader, sequence_loader

from common import Report, VIDEO_NAMES, Work, picture_problems, same_list, sound_problems, wav

work, report = Work(sys.argv[1]), Report("tfrecord")


def text(value):
    return bytes(value).decode()


def examples(name, suffix, compression=None):
    for shard in work.shards(name, suffix):
        yield from example_loader(shard, None, description=None, compression_type=compression)


def contents(name, suffix, compression=None):
    read = list(examples(name, suffix, compression))
    yield from same_list([text(e["key"]) for e in read], work.keys, "keys")
    for e in read:
        key, truth = text(e["key"]), work.by_key[text(e["key"])]
        videos = [bytes(e[n]) for n in VIDEO_NAMES if n in e]
        if videos != [work.source(key)]:
            yield f"{key}: the video is not the source's bytes"
        if numpy.ravel(e["cls"]).tolist() != [truth["label_index"]] or text(e["label"]) != truth["label"]:
            yield f"{key}: label {e['cls']} {text(e['label'])!r}, wanted {truth['label_index']} {truth['label']!r}"
        if truth["audio"]:
            rate, pcm = wav(bytes(e["wav"]))
            yield from sound_problems(key, pcm, work.pcm(key, native=True), 60)
        elif "wav" in e:
            yield f"{key}: sound of a clip that has none"


def sequences():
    context = {"example/id": "byte", "clip/label/index": "int", "clip/label/text": "byte", "clip/label/string": "byte", "image/height": "int", "image/width": "int"}
    read = [s for shard in work.shards("tfr-dmvr", ".tfrecord")
            for s in sequence_loader(shard, None, context, {"image/encoded": "byte", "image/timestamp": "int"})]
    yield from same_list([text(c["example/id"]) for c, _ in read], work.keys, "keys")
    yield from same_list([text(c["clip/label/text"]) for c, _ in read], [s["label"] for s in work.samples], "label texts")
    for (c, f), truth in zip(read, work.samples):
        if numpy.ravel(c["clip/label/index"]).tolist() != [truth["label_index"]] or c["clip/label/string"] != c["clip/label/text"]:
            yield f"{truth['key']}: label {c}"
        if (int(c["image/width"][0]), int(c["image/height"][0])) != (truth["width"], truth["height"]):
            yield f"{truth['key']}: size {c['image/width']} x {c['image/height']}"
        pictures = [bytes(numpy.ravel(p)) if isinstance(p, numpy.ndarray) else bytes(p) for p in f["image/encoded"]]
        yield from picture_problems(truth["key"], truth, pictures)
        if pictures != [p.read_bytes() for p in work.frame_files(truth["key"])]:
            yield f"{truth['key']}: other bytes than the frame directory"


def sounds():
    read = list(examples("tfr-sound", ".tfrecord"))
    yield from same_list([len(read)], [len(work.with_sound)], "records")
    for e, key in zip(read, work.with_sound):
        pcm = numpy.frombuffer(bytes(e["sound_raw"]), "<f4").reshape(-1, 1)
        if int(numpy.ravel(e["length"])[0]) != len(pcm) or numpy.abs(pcm).max() > 1.2:
            yield f"{key}: length {e['length']} for {len(pcm)} samples, peak {numpy.abs(pcm).max()}"
        if int(numpy.ravel(e["cls_id"])[0]) != work.by_key[key]["label_index"]:
            yield f"{key}: cls_id {e['cls_id']}"
        yield from sound_problems(key, pcm, work.pcm(key, native=False), 40, slack=1)


def same_indexes():
    """kpack's index of each shard has the bytes of the package's own tool."""
    with tempfile.TemporaryDirectory() as temporary:
        theirs = pathlib.Path(temporary) / "theirs"
        for shard in map(pathlib.Path, work.shards("tfr-example", ".tfrecord")):
            create_index(str(shard), str(theirs))
            if shard.with_suffix(".index").read_bytes() != theirs.read_bytes():
                yield f"{shard.name}: other bytes than tfrecord2idx makes"


def indexed():
    """Records by the index; with a shard given, which they are read from the start."""
    for shard in map(pathlib.Path, work.shards("tfr-example", ".tfrecord")):
        if len(shard.with_suffix(".index").read_text().splitlines()) < 2:
            continue  # the package cannot load an index of one line
        plain = [text(e["key"]) for e in example_loader(str(shard), None)]
        read = [text(e["key"]) for e in example_loader(str(shard), str(shard.with_suffix(".index")), shard=(0, 1))]
        yield from same_list(read, plain, f"keys of {shard.name}")


report.guard("kpack index is byte for byte that of tfrecord2idx", same_indexes)
report.guard("records through kpack's index", indexed)
report.guard("schema example: key, label, video, sound", lambda: contents("tfr-example", ".tfrecord"))
report.guard("the same from a gzip shard", lambda: contents("tfr-gzip", ".gz", "gzip"))
report.guard("schema dmvr: label, size, frames", sequences)
report.guard("schema sound: four features, waveform", sounds)
report.close()
