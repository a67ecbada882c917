"""wids (webdataset 0.2.111): its own shard index against kpack's, and its reader over kpack's."""
import argparse
import contextlib
import io
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile
import types
import typing

from common import Report, VIDEO_NAMES, Work, same_list

T = typing.TypeVar("T")


class Dataset(typing.Generic[T]):
    pass


# wids takes base classes from PyTorch, and the rank, which is not asked for here.
for name, members in {"torch": {}, "torch.distributed": {}, "torch.utils": {}, "torch.utils.data": {"Dataset": Dataset, "Sampler": object, "IterableDataset": Dataset}}.items():
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__dict__.update(members)

import wids  # noqa: E402
from wids import wids_index  # noqa: E402

work, report, kpack = Work(sys.argv[1]), Report("wids"), sys.argv[2]
folder = pathlib.Path(work.shards("wds-video", ".tar")[0]).parent


def same_bytes():
    files = sorted(p.name for p in folder.glob("*.tar"))
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
        theirs = pathlib.Path(temporary) / "theirs.json"
        here = os.getcwd()
        os.chdir(folder)
        try:
            wids_index.main_create(argparse.Namespace(output=str(theirs), name=None, files=files, base=None, info=None))
        finally:
            os.chdir(here)
        if theirs.read_bytes() != (folder / "shardindex.json").read_bytes():
            yield "other bytes than wids-index create makes"


def contents():
    dataset = wids.ShardListDataset(str(folder / "shardindex.json"), transformations=[])
    read = [dataset[i] for i in range(len(dataset))]
    yield from same_list([r["__key__"] for r in read], work.keys, "keys")
    for r in read:
        video = [r[f".{n}"] for n in VIDEO_NAMES if f".{n}" in r]
        video = [v if isinstance(v, bytes) else v.read() for v in video]
        if video != [work.source(r["__key__"])]:
            yield f"{r['__key__']}: the video is not the source's bytes"


def odd():
    """Shards of other writers: kpack's number of samples is that of wids, or wids cannot read the shard."""
    long = "l" * 120
    for case, names in {
        "long": [f"{long}.jpg", f"{long}.cls"], "mixed": ["a.jpg", f"{long}.jpg", "b.jpg"], "again": ["a.jpg", "b.jpg", "a.jpg", "b.jpg"],
        "shifted": ["a.jpg", "a.jpg", "b.jpg"], "back": ["a.jpg", "b.jpg", "a.cls"], "folders": ["d.x/README", "d.x/a.b.c", "d/.hid", "none"],
        "other": ["é.jpg", "ü.jpg", "b.cls"],
    }.items():
        for style in [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]:
            with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
                shard, lists = pathlib.Path(temporary, "s.tar"), pathlib.Path(temporary, "lists")
                with tarfile.open(shard, "w", format=style) as tar:
                    for name in names:
                        info = tarfile.TarInfo(name)
                        info.size = 1
                        tar.addfile(info, io.BytesIO(b"x"))
                done = subprocess.run([kpack, "index", str(shard), "--for", "wids", "-o", str(lists), "-q"], capture_output=True, text=True, timeout=60)
                try:
                    theirs = wids.wids.IndexedTarSamples(path=str(shard))
                    whole = [theirs[i] for i in range(len(theirs))]
                    # Behind a name that comes again it reads other members than it means to.
                    if list(theirs.reader.names()) != [name for name, *_ in theirs.reader.by_index][: len(theirs.reader.names())]:
                        whole = []
                except (AssertionError, UnicodeDecodeError, AttributeError):
                    whole = []
                if (done.returncode == 0) != bool(whole):
                    yield f"{case} {style}: wids reads {len(whole)} samples, kpack ends with {done.returncode}: {done.stderr}"
                elif whole:
                    dataset = wids.ShardListDataset(str(lists / "shardindex.json"), transformations=[], cache_dir=temporary + "/cache")
                    if len(dataset) != len(whole) or [dataset[i]["__key__"] for i in range(len(dataset))] != [s["__key__"] for s in whole]:
                        yield f"{case}: kpack says {len(dataset)} samples, wids reads {len(whole)}"


report.guard("the samples of odd shards are those that wids reads", odd)
report.guard("shardindex.json is byte for byte that of wids-index", same_bytes)
report.guard("ShardListDataset over kpack's index", contents)
report.close()
