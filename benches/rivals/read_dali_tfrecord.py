"""DALI's TFRecord reader on the CPU, one batch after another; it compares no checksums and reads in a thread of its own."""
import pathlib

from nvidia.dali import fn, pipeline_def
from nvidia.dali import tfrecord as tfr

from reading import batches, files

shards = files(".tfrecord")
FEATURES = {"key": tfr.FixedLenFeature((), tfr.string, ""), "cls": tfr.FixedLenFeature([1], tfr.int64, -1),
            "json": tfr.FixedLenFeature((), tfr.string, ""), "bin": tfr.FixedLenFeature((), tfr.string, "")}


@pipeline_def(batch_size=50, num_threads=1, device_id=None)
def pipe():
    index = [str(pathlib.Path(s).with_suffix(".idx")) for s in shards]
    out = fn.readers.tfrecord(path=shards, index_path=index, features=FEATURES, name="reader")
    return out["bin"], out["cls"], out["json"], out["key"]


batches(pipe())
