"""wids (webdataset 0.2.111): its own shard index against kpack's, and its reader over kpack's."""
import argparse
import contextlib
import io
import os
import pathlib
import sys
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

work, report = Work(sys.argv[1]), Report("wids")
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


report.guard("shardindex.json is byte for byte that of wids-index", same_bytes)
report.guard("ShardListDataset over kpack's index", contents)
report.close()
