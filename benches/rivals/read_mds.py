"""mosaicml-streaming's shard reader: samples as dicts. The rest of the package, which it does not use here, is stood in for."""
import importlib.util
import json
import pathlib
import sys
import types
from unittest import mock

from reading import measure, options

root = pathlib.Path(importlib.util.find_spec("streaming").submodule_search_locations[0])
for name in ["streaming", "streaming.base", "streaming.base.format", "streaming.base.format.base"]:
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [str(root.joinpath(*name.split(".")[1:]))]
for name in ["compression", "hashing", "storage", "storage.upload", "util", "format.index", "shared"]:
    sys.modules[f"streaming.base.{name}"] = mock.MagicMock()
sys.modules["streaming.base.util"].bytes_to_int = int
from streaming.base.format.mds.reader import MDSReader  # noqa: E402

entries = json.loads((options.folder / "index.json").read_text())["shards"]
shards = [MDSReader.from_json(str(options.folder), "", entry) for entry in entries]


def once():
    samples = size = 0
    for shard in shards:
        for i in range(shard.samples):
            sample = shard.decode_sample(shard.get_sample_data(i))
            samples += 1
            size += sum(len(value) for value in sample.values() if isinstance(value, bytes))
    return samples, size


measure(once)
