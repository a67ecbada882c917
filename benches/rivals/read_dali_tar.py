"""DALI's webdataset reader on the CPU, one batch after another; it compares no checksums, maps the shards and reads in a thread of its own."""
from nvidia.dali import fn, pipeline_def

from reading import batches, files

shards = files(".tar")


@pipeline_def(batch_size=50, num_threads=1, device_id=None)
def pipe():
    return tuple(fn.readers.webdataset(paths=shards, index_paths=[f"{s[:-4]}.idx" for s in shards], ext=["bin", "cls", "json"], name="reader"))


batches(pipe())
