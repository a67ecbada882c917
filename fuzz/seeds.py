#!/usr/bin/env python3
"""Makes the seeds of all fuzz targets anew: fuzz/seeds and formats/fuzz/seeds.

KPACK=target/debug/kpack fuzz/seeds.py     packs two small clips of fixtures/ and takes the results apart
"""
import gzip
import io
import json
import os
import shutil
import struct
import subprocess
import tarfile
import tempfile
import zlib
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
KPACK = str(Path(os.environ.get("KPACK", REPO / "target/debug/kpack")).resolve())
HERE, FORMATS = REPO / "fuzz/seeds", REPO / "formats/fuzz/seeds"


def put(target, name, data):
    root = FORMATS if target in FORMAT_TARGETS else HERE
    path = root / target / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


FORMAT_TARGETS = ["example", "file", "index", "salvage", "sample_json", "tfrecord", "webdataset"]


def pack(folder, *args):
    """The files of a dataset of two clips of 64x48, their pictures 16 pixels high."""
    out = folder / f"out{len(list(folder.iterdir()))}"
    media = folder / "media/run"
    media.mkdir(parents=True, exist_ok=True)
    for name in ["a.mp4", "b.mp4"]:
        shutil.copy(REPO / "fixtures/media/tiny.mp4", media / name)
    small = [] if "copy" in args else ["--short-side", "16", "--quality", "5", "--frames", "count:2"]
    args = [args[0], "media", "-o", str(out), "-q", *small, *args[1:]]
    subprocess.run([KPACK, *args], check=True, cwd=folder)
    files = (p for p in sorted(out.rglob("*")) if p.is_file())
    return {str(p.relative_to(out)): p.read_bytes() for p in files}


def one(files, ending):
    return next(data for name, data in files.items() if name.endswith(ending))


def payloads(records):
    while records:
        (length,) = struct.unpack("<Q", records[:8])
        yield records[12 : 12 + length]
        records = records[16 + length :]


def tar(kind, members):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=kind) as archive:
        for name, what in members:
            info = tarfile.TarInfo(name)
            if isinstance(what, bytes):
                info.size = len(what)
                archive.addfile(info, io.BytesIO(what))
            else:
                info.type, info.linkname = what
                archive.addfile(info)
    data = raw.getvalue().rstrip(b"\0")
    return data + bytes(-len(data) % 512 + 1024)


def open_header(data):
    """Marks the checksum of the first header, so that the harness makes it right after a change."""
    return data[:148] + b"FFFFFFFF" + data[156:]


def formats(folder):
    tars, records = pack(folder, "webdataset"), pack(folder, "tfrecord", "--schema", "example")
    dmvr, trees = pack(folder, "tfrecord"), pack(folder, "frames", "--layout", "flat")
    for name, files in [("example", records), ("dmvr", dmvr)]:
        data = one(files, ".tfrecord")
        for target in ["tfrecord", "salvage"]:
            put(target, name, data)
        # Its first record with both checksums open.
        (length,) = struct.unpack("<Q", data[:8])
        put("tfrecord", f"{name}_open", data[:8] + b"FFFF" + data[12 : 12 + length] + b"FFFF")
        put("example", name, next(payloads(data)))
        put("index", f"{name}.kidx", one(files, ".kidx"))
    shard = one(tars, ".tar")
    put("index", "tar.kidx", one(tars, ".kidx"))
    copied = one(pack(folder, "webdataset", "--frames", "none", "--video", "copy"), ".kidx")
    put("index", "frame_tables.kidx", copied)
    put("sample_json", "frames.json", one(trees, "a.json"))
    put("sample_json", "outside.json", one(trees, "a.json").replace(b"a/img", b"../img"))
    links = [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "../x"), (tarfile.FIFOTYPE, ""), (tarfile.CHRTYPE, "")]
    odd = [("a.jpg", b"x"), ("../../a.cls", b"1")] + [(f"b{i}.jpg", link) for i, link in enumerate(links)]
    long = [("d" * 120 + "/clip.jpg", b"xyz"), ("d" * 120 + "/clip.json", b'{"a":1}')]
    made = {"kpack": shard, "links": tar(tarfile.USTAR_FORMAT, odd), "gnu_long": tar(tarfile.GNU_FORMAT, long),
            "pax_long": tar(tarfile.PAX_FORMAT, long)}
    for name, data in made.items():
        put("webdataset", name, data)
        put("salvage", name, data)
        put("webdataset", f"{name}_open", open_header(data))
    put("salvage", "torn_tar", shard[:700] + shard[1300:])
    data = one(records, ".tfrecord")
    put("salvage", "torn_records", data[:40] + data[60:])
    put("file", "tar", b"\0" + shard)
    put("file", "tar_gzip", b"\2" + gzip.compress(shard, mtime=0))
    put("file", "records_gzip", b"\1" + gzip.compress(data, mtime=0))
    put("file", "records_zlib", b"\1" + zlib.compress(data))
    put("file", "tar_zstd", b"\0" + one(pack(folder, "webdataset", "--compress", "zstd"), ".tar.zst"))
    return tars, records


ANNOTATIONS = {
    "kinetics.csv": "csv\nlabel,youtube_id,time_start,time_end,split,is_cc\nrun fast,-abc_12345x,10,20,train,0\n\"a, b\",0wR5jVB-WPk,1.5,00:11.5,train,1\n",
    "kinetics_bare": "running,-abc_12345x,10,20,train\nrunning,0wR5jVB-WPk,3,13,val\n",
    "tabs": "csv\npath\tlabel\tstart\tend\na/b c.mp4\trun\t0\t1.5\n",
    "semicolons": "\ufeffpath;label\r\na.mp4;\"x\ny\"\r\n",
    "ava": "ava\n-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,80,1\n-5KQ66BBWC4,0902,0.077,0.151,0.283,0.811,9,1\n-5KQ66BBWC4,0903\n",
    "list": "list\nclass a/b c.mp4 3\nx.mp4 -1\ny.mp4\n",
    "list_labels": "list-labels\na.mp4 1 2 3\nb.mp4 4\n",
    "list_frames": "list-frames\nd/a 163 1\nd/b 258 2\n",
    "list_unlabelled": "list-unlabelled\na.mp4 0 -1\nb.mp4 0 -1\n",
    "slowfast_frames": "original_vido_id video_id frame_id path labels\nv1 0 0 v1/v1_000001.jpg \"\"\nv1 0 1 v1/v1_000002.jpg \"3,4\"\n",
    "deepmind.json": 'json\n{"0wR5jVB-WPk": {"annotations": {"label": "run", "segment": [1.0, 11.0]}, "duration": 10.0, "subset": "train", "url": "https://www.youtube.com/watch?v=0wR5jVB-WPk"}}',
    "activitynet.json": 'json\n{"version": "1", "database": {"v1": {"duration": 3, "subset": "validation", "annotations": [{"label": "a", "segment": [0, 1]}, {"label": "b", "segment": [1, 2]}]}}}',
    "showmax.json": 'json\n{"clip_1": "run", "clip_2": ""}',
    "objects.json": 'json\n[{"youtube_id": "0wR5jVB-WPk", "label": ["a", 3], "start": 1, "end": "2.5", "x": {"y": [null, true]}}]',
    "lines.jsonl": 'jsonl\n{"path": "a.mp4", "label": "run", "start": 0, "end": 1}\n{"url": "https://x.y/z.mp4?v=abc", "labels": "a,b"}\n',
}
LABELS = {
    "names": "jump\nrun, fast\n\nwalk\n", "hashed": "#0 jump\n#2 walk\n", "indexed.csv": "id,name\n0,jump\n1,\"run \"\"x\"\"\"\n",
    "list.json": '["jump", "walk"]', "object.json": '{"walk": 2, "jump": 0}', "turned.json": '{"2": "walk", "0": "jump"}',
    "groups.json": '{"sports": ["run", "jump"], "other": ["walk"]}',
}


def framed(kind, body=b""):
    body = json.dumps(body, separators=(",", ":")).encode() if not isinstance(body, bytes) else body
    return struct.pack("<BH", kind, len(body)) + body


def wire(recipe):
    hello, job, pulse, pieces, answer = range(5)
    raw, greeted, drawn, watched, plain = 1, 2, 4, 8, bytes([2])
    facts = {"frames": 1, "fps": 29.97, "frame_times": [0, 33366666]}

    def blob(name, length, **place):
        return {"name": name, "length": length, "place": place}

    def sample(*blobs):
        return framed(answer, {"Ok": {"sample": {"blobs": blobs, "facts": facts}}})

    def piece(at, data):
        return framed(pieces, struct.pack("<Q", at) + data)

    put("wire_to_parent", "sample", plain + framed(pulse, struct.pack("<QQQ", 3, 100, 1000)) + piece(0, b"hello")
        + sample(blob("000001.jpg", 5, bytes=0), blob("mp4", 50, media=7)))
    put("wire_to_parent", "pictures", plain + piece(0, b"hello") + piece(5, b"more")
        + sample(blob("000001.jpg", 5, bytes=0), blob("000002.jpg", 4, bytes=5)))
    put("wire_to_parent", "again", plain + piece(0, b"hello") + piece(0, b"more") + sample(blob("wav", 4, bytes=0)))
    put("wire_to_parent", "skipped", plain + framed(answer, {"Ok": {"skipped": "too short"}}))
    put("wire_to_parent", "failed", plain + framed(answer, {"Err": {"stage": "decode", "class": "corrupt", "reason": "no frame", "cause": "x: y"}}))
    put("wire_to_parent", "hello", bytes([0]) + framed(hello, {"version": "0.1.0", "sandbox": {"seccomp": True, "landlock": "fully", "leaks": None}})
        + framed(answer, {"Ok": {"skipped": "no"}}))
    put("wire_to_parent", "raw", bytes([raw | greeted]) + b"kpw1" + struct.pack("<IQ", answer, 5) + b'"abc"')
    seen = {"pictures": 3, "seconds": 0.1, "black": False, "frozen": True, "heard": {"samples": 480, "loudest": 0.5}, "errors": 0}
    put("wire_to_parent", "seen", bytes([watched | greeted]) + framed(answer, {"Ok": seen}))
    put("wire_to_parent", "drawn", bytes([drawn | greeted]) + piece(0, b"a picture") + framed(answer, {"Ok": None}))
    clip = {"extension": "mp4", "range": [0, 1000000000], "recipe": recipe}
    for name, asked in {
        "clip": {"clip": clip},
        "whole": {"clip": dict(clip, range=None, extension=None)},
        "watch": {"watch": None},
        "probe": {"probe": {"depth": "First"}},
        "glance": {"glance": {"pictures": [[100, True], [200, False]]}},
        "colours": {"colours": {"at": [0.5, 1.5]}},
        "draw": {"draw": {"at": 0.5}},
    }.items():
        put("wire_to_child", name, plain + framed(job, {"key": "run/a", "job": asked}))
    put("wire_to_child", "raw", bytes([raw]) + b"kpw1" + struct.pack("<IQ", job, 3) + b"{}}")


def main():
    for root in [HERE, FORMATS]:
        shutil.rmtree(root, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        tars, records = formats(Path(folder))
    for name, text in ANNOTATIONS.items():
        put("annotations", name, text)
    for name, text in LABELS.items():
        put("labels", name, text)
    put("labels", "control_characters", b"#0 a\n" + b"\1" * 400 + b"\n")
    manifest = json.loads(tars["dataset.json"])
    put("rows", "tar.jsonl", tars["samples.jsonl"])
    put("rows", "failed.jsonl", '{"key":"a","source":"a.mp4","outcome":"failed","class":"missing","reason":"not found","stage":"plan","start":0.0,'
        '"end":1.5,"cut":[],"label":["a","b"],"label_index":[0,1],"columns":{"x":"y"},"notes":["n"]}\n')
    for name, files in [("tar", tars), ("records", records)]:
        shard = next(n for n in files if n.endswith((".tar", ".tfrecord")))
        parts = [files["dataset.json"], files["samples.jsonl"], files["labels.txt"], files[shard], files[shard + ".kidx"]]
        put("dataset", name, b"\n%%\n".join(parts))
        parts[3] = parts[3][:300] + b"\xff" + parts[3][301:]
        put("dataset", f"{name}_flipped", b"\n%%\n".join(parts))
        # A row that names a place behind the end of the plan.
        parts[1] = parts[1].replace(b'"index":1', b'"index":7')
        put("dataset", f"{name}_elsewhere", b"\n%%\n".join(parts))
    wire(manifest["recipe"])


main()
