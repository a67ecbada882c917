"""Python webdataset: keys, order, labels, video bytes, sound, frames."""
import json
import sys

import webdataset

from common import Report, Work, picture_problems, same_list, sound_problems, video_name, wav

work, report = Work(sys.argv[1]), Report("webdataset")


def samples(name, suffix):
    return list(webdataset.WebDataset(work.shards(name, suffix), shardshuffle=False, empty_check=True))


def fields(sample):
    return [n for n in sample if not n.startswith("__")]


def contents(name, suffix):
    read = samples(name, suffix)
    yield from same_list([s["__key__"] for s in read], work.keys, "keys")
    for sample in read:
        key, truth = sample["__key__"], work.by_key[sample["__key__"]]
        names = fields(sample)
        if sample[video_name(names)] != work.source(key):
            yield f"{key}: the video is not the source's bytes"
        if int(sample["cls"]) != truth["label_index"]:
            yield f"{key}: cls {sample['cls']!r}, wanted {truth['label_index']}"
        meta = json.loads(sample["json"])
        if meta.get("label") != truth["label"]:
            yield f"{key}: label {meta.get('label')!r}, wanted {truth['label']!r}"
        if truth["audio"] is None:
            if "wav" in names or meta.get("has_audio") is not False:
                yield f"{key}: a clip without sound, but {names} and has_audio {meta.get('has_audio')}"
            continue
        rate, pcm = wav(sample["wav"])
        if rate != truth["audio"]["rate"]:
            yield f"{key}: {rate} Hz, wanted {truth['audio']['rate']}"
        yield from sound_problems(key, pcm, work.pcm(key, native=True), 60)


def decoded():
    shards = work.shards("wds-video", ".tar")
    for sample in webdataset.WebDataset(shards, shardshuffle=False).decode():
        truth = work.by_key[sample["__key__"]]
        if sample["cls"] != truth["label_index"] or not isinstance(sample["json"], dict):
            yield f"{sample['__key__']}: decoded to cls {sample['cls']!r} and {type(sample['json']).__name__}"


def frames():
    read = samples("wds-frames", ".tar")
    yield from same_list([s["__key__"] for s in read], work.keys, "keys")
    for sample in read:
        key = sample["__key__"]
        names = sorted(n for n in fields(sample) if n.endswith(".jpg"))
        yield from same_list(names, [f"{i + 1:06}.jpg" for i in range(len(names))], f"{key}: names of frames")
        pictures = [sample[n] for n in names]
        yield from picture_problems(key, work.by_key[key], pictures)
        if pictures != [f.read_bytes() for f in work.frame_files(key)]:
            yield f"{key}: other bytes than the frame directory"


report.guard("video, label, metadata and sound of each sample", lambda: contents("wds-video", ".tar"))
report.guard("the same from .tar.gz", lambda: contents("wds-gzip", ".tar.gz"))
report.guard("the default decoder takes cls and json", decoded)
report.guard("frames: count, size, painted number, same bytes as the frame directory", frames)
report.close()
