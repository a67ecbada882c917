"""mosaicml-streaming: its shard reader over kpack's MDS, and its writer's bytes against kpack's."""
import importlib.util
import json
import pathlib
import sys
import tarfile
import tempfile
import types
from unittest import mock

from common import Report, Work, same_list

# The package imports PyTorch, clouds and compressors at its top; the modules of the format alone need none of them.
root = pathlib.Path(importlib.util.find_spec("streaming").submodule_search_locations[0])
for name in ["streaming", "streaming.base", "streaming.base.format", "streaming.base.format.base"]:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(root.joinpath(*name.split(".")[1:]))]
for name in ["compression", "hashing", "storage", "storage.upload", "util", "format.index", "shared"]:
    sys.modules[f"streaming.base.{name}"] = mock.MagicMock()
sys.modules["streaming.base.util"].bytes_to_int = int
sys.modules["streaming.base.format.index"].get_index_basename = lambda: "index.json"
sys.modules["streaming.base.storage.upload"].CloudUploader.get = lambda out, *rest, **more: types.SimpleNamespace(
    local=out, remote=None, upload_file=lambda *file: None)

from streaming.base.format.mds.reader import MDSReader  # noqa: E402
from streaming.base.format.mds.writer import MDSWriter  # noqa: E402

work, report = Work(sys.argv[1]), Report("mosaicml-streaming")
top = pathlib.Path(sys.argv[1])


def shards(folder):
    return json.loads((folder / "index.json").read_text())["shards"]


def samples(folder):
    for entry in shards(folder):
        reader = MDSReader.from_json(str(folder), "", entry)
        reader.validate(False)
        for i in range(reader.samples):
            yield reader.decode_sample(reader.get_sample_data(i))


def contents():
    read = list(samples(top / "mds"))
    yield from same_list([sample["key"] for sample in read], work.keys, "keys")
    members = {}
    for path in work.shards("wds-video", ".tar"):
        with tarfile.open(path) as tar:
            members.update({m.name: tar.extractfile(m).read() for m in tar})
    for sample in read:
        for name, value in sample.items():
            member = members.get(f"{sample['key']}.{name}")
            if isinstance(value, bytes) and value != (member or b""):
                yield f"{sample['key']}: {name} has {len(value)} bytes, the tar's has {len(member or b'')}"
            if name == "cls" and member is not None and value != int(member):
                yield f"{sample['key']}: cls is {value}, the tar's {member}"
            if name == "json" and value != json.loads(member):
                yield f"{sample['key']}: other metadata than in the tar"
        if "mp4" not in sample or "json" not in sample:
            yield f"{sample['key']}: columns {sorted(sample)}"


def same_bytes():
    ours = top / "mds-plain"
    first = shards(ours)[0]
    columns = dict(zip(first["column_names"], first["column_encodings"]))
    with tempfile.TemporaryDirectory() as theirs:
        with MDSWriter(columns=columns, out=theirs, size_limit=first["size_limit"]) as writer:
            for sample in samples(ours):
                writer.write(sample)
        names = sorted(p.name for p in pathlib.Path(theirs).iterdir())
        yield from same_list(sorted(p.name for p in ours.iterdir()), names, "files")
        for name in names:
            if (ours / name).read_bytes() != (pathlib.Path(theirs) / name).read_bytes():
                yield f"{name}: other bytes than MDSWriter makes"
        if len(names) < 3:
            yield f"only {names}: one shard shows little"


report.guard("MDSReader over kpack's shards", contents)
report.guard("bytes of MDSWriter", same_bytes)
report.close()
