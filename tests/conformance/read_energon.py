"""Megatron-Energon: all that `energon prepare` writes against kpack's, and its lookup by key over kpack's tables."""
import contextlib
import importlib.abc
import importlib.machinery
import io
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import types
import uuid

from common import Report, Work, same_list


class Thing:
    """Stands in for every class of PyTorch: of them the index wants names only."""

    def __class_getitem__(cls, item):
        return cls


class Stand(types.ModuleType):
    __path__ = []

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return type(name, (Thing,), {})


class Torch(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    def find_spec(self, name, path=None, target=None):
        return importlib.machinery.ModuleSpec(name, self) if name.split(".")[0] == "torch" else None

    def create_module(self, spec):
        return Stand(spec.name)

    def exec_module(self, module):
        pass


sys.meta_path.insert(0, Torch())

import braceexpand  # noqa: E402
import yaml  # noqa: E402
from megatron.energon.cache.file_store import WebdatasetFileStore  # noqa: E402
from megatron.energon.epathlib import EPath  # noqa: E402
from megatron.energon.flavors.webdataset.itar_reader import SqliteITarEntryReader  # noqa: E402
from megatron.energon.flavors.webdataset.prepare import WebdatasetPreparator  # noqa: E402

work, report, kpack = Work(sys.argv[1]), Report("energon"), sys.argv[2]
top = pathlib.Path(sys.argv[1])


def write_odd(folder):
    """Shards of several writers in folders of splits, with all that the tools may disagree about."""
    for style, split in [(tarfile.PAX_FORMAT, "train"), (tarfile.GNU_FORMAT, "val")]:
        (folder / split).mkdir(parents=True)
        headers = {"comment": "of all"} if style == tarfile.PAX_FORMAT else {}
        for shard in range(3):
            at = f"{split}{shard}"
            with tarfile.open(folder / split / f"s-{shard}.tar", "w", format=style, pax_headers=headers) as tar:
                for name, size in {
                    "README": 1, f"{at}/.hid": 1, f"{at}.x/.hid": 1, f"{at}.x/y/.hid": 1, "__meta__/x.json": 1, f"{at}.x/a.b.c": 3,
                    f"{at}.x/a.JPG": 1000, "between": 600, f"{at}/{'l' * 150}.json": 5, f"{at}/{'l' * 150}.mp4": 5000, f"{at}/é ü.txt": 7,
                    f"{at}/none.txt": 0, f"{at}.e\nx/a.txt": 2, f"{at}/b.txt\n": 2, f"{at}/dot.": 2, f"/{at}/whole.txt": 2, f"./{at}/here.txt": 2,
                    **{f"{at}/frames.{i:06}.jpg": 100 + i for i in range(200)}, "after": 600, f"{at}/late": None,
                }.items():
                    info = tarfile.TarInfo(name)
                    info.size, info.type = size or 0, tarfile.DIRTYPE if size is None else tarfile.REGTYPE
                    tar.addfile(info, io.BytesIO(name.encode()[:1] * (size or 0)))


def prepare(folder, names):
    quiet = io.StringIO()
    with contextlib.redirect_stdout(quiet), contextlib.redirect_stderr(quiet):
        WebdatasetPreparator.prepare_dataset(EPath(folder.as_posix()), names, split_parts_patterns=[], split_parts_ratio=None, workers=1)


def tables(folder):
    """What index.sqlite holds: columns, what each index covers, settings, and all rows in their order."""
    db = sqlite3.connect(f"file:{folder}/.nv-meta/index.sqlite?mode=ro&immutable=1", uri=True)
    found = {what: db.execute(f"PRAGMA {what}").fetchall() for what in ["user_version", "application_id", "encoding", "page_size", "integrity_check"]}
    for kind, name, table in db.execute("SELECT type, name, tbl_name FROM sqlite_master").fetchall():
        if kind == "table":
            found[name] = db.execute(f"PRAGMA table_info({name})").fetchall()
            found[f"rows of {name}"] = db.execute(f"SELECT rowid, * FROM {name} ORDER BY rowid").fetchall()
        else:
            unique = [row[2:] for row in db.execute(f"PRAGMA index_list({table})") if row[1] == name]
            found[name] = [table, *db.execute(f"PRAGMA index_xinfo({name})"), *unique]
    return found


def same_files(folder):
    info = (folder / ".nv-meta/.info.json").read_text()
    names = list(json.loads(info)["shard_counts"])
    # The order that the command line of Energon gives them.
    yield from same_list(names, [str(p.relative_to(folder)) for p in sorted(folder.glob("**/*.tar"))], "shards")
    with tempfile.TemporaryDirectory() as temporary:
        theirs = pathlib.Path(temporary)
        for name in names:
            (theirs / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(folder / name, theirs / name)
        prepare(theirs, names)
        yield from (f"{name}.idx: other bytes" for name in names if (theirs / f"{name}.idx").read_bytes() != (folder / f"{name}.idx").read_bytes())
        if (theirs / ".nv-meta/.info.json").read_text() != info:
            yield ".info.json: other bytes"
        want, got = tables(theirs), tables(folder)
        if not want["rows of sample_parts"]:
            yield "Energon found no part"
        for what in sorted(want.keys() | got.keys()):
            yield from same_list(got.get(what), want.get(what), what) if what in want and what in got else [f"{what} is in one only"]
    text = (folder / ".nv-meta/index.uuid").read_bytes().decode("ascii")
    if str(uuid.UUID(text)) != text:
        yield f"index.uuid is {text!r}"
    splits = yaml.safe_load((folder / ".nv-meta/split.yaml").read_text())["split_parts"].values()
    yield from same_list(sorted(n for split in splits for part in split for n in braceexpand.braceexpand(part)), sorted(names), "shards of all splits")


def lookups(folder):
    """Every member by its name, and each sample by its key, against the archive read from front to back."""
    members = {}
    for path in sorted(folder.glob("**/*.tar")):
        with tarfile.open(path) as tar:
            members.update({m.name: tar.extractfile(m).read() for m in tar if m.isreg()})
    store, reader = WebdatasetFileStore(EPath(folder.as_posix())), SqliteITarEntryReader(EPath(folder.as_posix()))
    names = [name for name, size, shard in store.list_all_sample_parts()]
    if len(names) != len(set(names)) or not set(names) <= members.keys():
        yield f"lists {len(names)} parts, of {len(members)} members"
    yield from (f"{name!r} has other bytes" for name in names if store[name][0] != members[name])
    for key, size, shard in store.list_all_samples():
        sample = reader[key]
        parts = {f"{key}.{name}": data for name, data in sample.items() if not name.startswith("__")}
        if sample["__key__"] != key or parts != {name: members[name] for name in names if name in parts} or not parts:
            yield f"{key!r}: other parts than in the archive"


def refusals():
    """A key in two shards: neither tool makes an index of it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        for name in ["a.tar", "b.tar"]:
            with tarfile.open(folder / name, "w") as tar:
                tar.addfile(tarfile.TarInfo("same.txt"))
        done = subprocess.run([kpack, "index", temporary, "--for", "energon"], capture_output=True, text=True, timeout=60)
        if done.returncode != 2 or '"same"' not in done.stderr or sorted(os.listdir(folder)) != ["a.tar", "b.tar"]:
            yield f"kpack ended with {done.returncode}: {done.stderr}"
        try:
            prepare(folder, ["a.tar", "b.tar"])
            yield "energon prepare takes it"
        except SystemExit:
            pass


odd = top / "energon-odd"
write_odd(odd)
index = subprocess.run([kpack, "index", str(odd), "--for", "energon", "-q"], capture_output=True, text=True, timeout=60)
report.check("kpack index over shards of others", [] if index.returncode == 0 else [index.stderr])
for folder in [top / "wds-video", top / "wds-frames", odd]:
    report.guard(f"tables, .tar.idx and .info.json of {folder.name} are those of energon prepare", lambda: same_files(folder))
    report.guard(f"every sample and member of {folder.name} is found by its key", lambda: lookups(folder))
report.guard("a key that comes twice is refused by both", refusals)
report.close()
