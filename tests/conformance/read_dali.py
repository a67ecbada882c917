"""NVIDIA DALI on the CPU: its webdataset and tfrecord readers, with the indexes that its own tools make."""
import pathlib
import subprocess
import sys
import tempfile

from common import Report, VIDEO_NAMES, Work, same_list

work, report = Work(sys.argv[1]), Report("dali")
try:
    from nvidia.dali import fn, pipeline_def, tfrecord as tfr
except Exception as error:  # no usable DALI on this machine: said, not failed
    report.skip("every check", f"cannot be imported here: {error}")
    report.close()

tools = pathlib.Path(sys.executable).parent
index_dir = tempfile.TemporaryDirectory(prefix="kpack-dali-")


def indexes(tool, shards):
    """Index files by one of DALI's own tools."""
    paths = []
    for shard in shards:
        target = f"{index_dir.name}/{pathlib.Path(shard).name}.idx"
        subprocess.run([sys.executable, str(tools / tool), shard, target], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        paths.append(target)
    return paths


def webdataset(indexed):
    shards = work.shards("wds-video", ".tar")
    paths = indexes("wds2idx", shards) if indexed else None

    @pipeline_def(batch_size=len(work.keys), num_threads=1, device_id=None)
    def pipe():
        return tuple(fn.readers.webdataset(paths=shards, index_paths=paths, ext=[";".join(VIDEO_NAMES), "wav", "cls"],
                                           missing_component_behavior="empty"))

    built = pipe()
    built.build()
    video, sound, label = built.run()
    for i, key in enumerate(work.keys):
        truth = work.by_key[key]
        if bytes(video.at(i)) != work.source(key):
            yield f"{key}: the video is not the source's bytes"
        if int(bytes(label.at(i))) != truth["label_index"]:
            yield f"{key}: cls {bytes(label.at(i))}"
        if (len(sound.at(i)) > 0) != (truth["audio"] is not None):
            yield f"{key}: {len(sound.at(i))} bytes of sound"


def only_mp4(paths):
    """Drops the records of other containers from the indexes: DALI wants every feature in every record it reads."""
    order, chosen, filled = iter(work.keys), [], []
    for path in paths:
        lines = [(line, next(order)) for line in pathlib.Path(path).read_text().splitlines()]
        kept = [(line, key) for line, key in lines if work.by_key[key]["source"].endswith(".mp4")]
        pathlib.Path(path).write_text("".join(f"{line}\n" for line, _ in kept))
        chosen += [key for _, key in kept]
        filled.append(bool(kept))
    return chosen, filled


def tfrecord():
    shards = work.shards("tfr-example", ".tfrecord")
    paths = indexes("tfrecord2idx", shards)
    chosen, filled = only_mp4(paths)
    shards, paths = ([v for v, f in zip(values, filled) if f] for values in (shards, paths))

    @pipeline_def(batch_size=len(chosen), num_threads=1, device_id=None)
    def pipe():
        features = {"key": tfr.FixedLenFeature((), tfr.string, ""), "cls": tfr.FixedLenFeature([1], tfr.int64, -1),
                    "mp4": tfr.FixedLenFeature((), tfr.string, "")}
        out = fn.readers.tfrecord(path=shards, index_path=paths, features=features)
        return out["key"], out["cls"], out["mp4"]

    built = pipe()
    built.build()
    keys, labels, videos = built.run()
    yield from same_list([bytes(keys.at(i)).decode() for i in range(len(chosen))], chosen, "keys")
    for i, key in enumerate(chosen):
        if bytes(videos.at(i)) != work.source(key) or int(labels.at(i)[0]) != work.by_key[key]["label_index"]:
            yield f"{key}: label {labels.at(i)}, {len(videos.at(i))} bytes of video"


def same_indexes(tool, name, suffix):
    """kpack's index of each shard has the bytes of DALI's own tool."""
    shards = work.shards(name, suffix)
    for shard, theirs in zip(shards, indexes(tool, shards)):
        ours = pathlib.Path(shard).parent / (pathlib.Path(shard).name.split(".")[0] + ".idx")
        if ours.read_bytes() != pathlib.Path(theirs).read_bytes():
            yield f"{ours.name}: other bytes than {tool} makes"


report.guard("kpack index of tars is byte for byte that of wds2idx", lambda: same_indexes("wds2idx", "wds-video", ".tar"))
report.guard("kpack index of records is byte for byte that of tfrecord2idx", lambda: same_indexes("tfrecord2idx", "tfr-example", ".tfrecord"))
report.guard("webdataset shards without an index", lambda: webdataset(False))
report.guard("webdataset shards with wds2idx", lambda: webdataset(True))
report.guard("TFRecord shards with tfrecord2idx", tfrecord)
report.close()
