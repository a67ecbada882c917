"""TensorFlow: tf.data with DMVR's feature specs, compressed shards, Examples, and protobuf's own bytes."""
import sys

import numpy
import tensorflow as tf

from common import Report, VIDEO_NAMES, Work, painted_number, same_list, sound_problems

work, report = Work(sys.argv[1]), Report("tensorflow")
# The specs that dmvr.modalities registers.
CONTEXT = {"clip/label/index": tf.io.VarLenFeature(tf.int64), "clip/label/text": tf.io.VarLenFeature(tf.string)}
SEQUENCE = {"image/encoded": tf.io.FixedLenSequenceFeature((), tf.string), "WAVEFORM/feature/floats": tf.io.VarLenFeature(tf.float32)}
EXAMPLE = {"key": tf.io.FixedLenFeature((), tf.string), "cls": tf.io.FixedLenFeature((), tf.int64), "label": tf.io.FixedLenFeature((), tf.string),
           "json": tf.io.FixedLenFeature((), tf.string), "wav": tf.io.FixedLenFeature((), tf.string, ""),
           **{n: tf.io.FixedLenFeature((), tf.string, "") for n in VIDEO_NAMES}}


def records(name, suffix, compression=""):
    return [r.numpy() for r in tf.data.TFRecordDataset(work.shards(name, suffix), compression_type=compression)]


def dmvr():
    read = records("tfr-dmvr", ".tfrecord")
    yield from same_list([len(read)], [len(work.keys)], "records")
    for record, truth in zip(read, work.samples):
        context, lists = tf.io.parse_single_sequence_example(record, CONTEXT, SEQUENCE)
        key = truth["key"]
        if context["clip/label/index"].values.numpy().tolist() != [truth["label_index"]]:
            yield f"{key}: label index {context['clip/label/index'].values.numpy()}"
        if context["clip/label/text"].values.numpy().tolist() != [truth["label"].encode()]:
            yield f"{key}: label text {context['clip/label/text'].values.numpy()}"
        yield from pictures(truth, lists["image/encoded"].numpy())
        wave = tf.sparse.to_dense(lists["WAVEFORM/feature/floats"]).numpy()
        if truth["audio"] is None:
            yield from same_list([wave.size], [0], f"{key}: sound of a clip that has none")
        else:
            yield from sound_problems(key, wave[0].reshape(-1, 1), work.pcm(key, native=False), 40, slack=1)


def pictures(truth, encoded):
    yield from same_list([len(encoded)], [truth["frames"]], f"{truth['key']}: frames")
    for i, jpeg in enumerate(encoded):
        picture = tf.io.decode_jpeg(jpeg, channels=1).numpy()[:, :, 0]
        height, width = picture.shape
        if (width, height) != (truth["width"], truth["height"]):
            yield f"{truth['key']} frame {i}: {width}x{height}"
        elif truth["first_number"] is not None:
            number = painted_number(lambda at: picture[at[1], at[0]], width, height)
            yield from same_list([int(number)], [truth["first_number"] + i], f"{truth['key']} frame {i}: number")


def timestamps():
    spec = {"image/timestamp": tf.io.FixedLenSequenceFeature((), tf.int64)}
    for record, truth in zip(records("tfr-dmvr", ".tfrecord"), work.samples):
        _, lists = tf.io.parse_single_sequence_example(record, {}, spec)
        got = lists["image/timestamp"].numpy() / 1e6
        if None in truth["times"]:
            continue
        want = numpy.array(truth["times"])
        if len(got) != len(want) or abs((got - got[0]) - (want - want[0])).max() > 0.0015:
            yield f"{truth['key']}: {got[:4]}.. of {len(got)}, wanted {want[:4]}.. of {len(want)}"


def examples(name, suffix, compression=""):
    read = records(name, suffix, compression)
    parsed = [tf.io.parse_single_example(r, EXAMPLE) for r in read]
    yield from same_list([p["key"].numpy().decode() for p in parsed], work.keys, "keys")
    for p in parsed:
        key = p["key"].numpy().decode()
        truth = work.by_key[key]
        if [p[n].numpy() for n in VIDEO_NAMES if p[n].numpy()] != [work.source(key)]:
            yield f"{key}: the video is not the source's bytes"
        if (int(p["cls"]), p["label"].numpy().decode()) != (truth["label_index"], truth["label"]):
            yield f"{key}: label {int(p['cls'])} {p['label'].numpy()}"
        if bool(p["wav"].numpy()) != (truth["audio"] is not None):
            yield f"{key}: {len(p['wav'].numpy())} bytes of sound"


def sounds():
    spec = {"path": tf.io.FixedLenFeature((), tf.string), "length": tf.io.FixedLenFeature((), tf.int64),
            "sound_raw": tf.io.FixedLenFeature((), tf.string), "cls_id": tf.io.FixedLenFeature((), tf.int64)}
    read = [tf.io.parse_single_example(r, spec) for r in records("tfr-sound", ".tfrecord")]
    yield from same_list([len(read)], [len(work.with_sound)], "records")
    for p, key in zip(read, work.with_sound):
        wave = tf.io.decode_raw(p["sound_raw"], tf.float32).numpy().reshape(-1, 1)
        if int(p["length"]) != len(wave) or int(p["cls_id"]) != work.by_key[key]["label_index"]:
            yield f"{key}: length {int(p['length'])} for {len(wave)}, class {int(p['cls_id'])}"
        yield from sound_problems(key, wave, work.pcm(key, native=False), 40, slack=1)


def canonical(name, message):
    """protobuf's deterministic bytes equal kpack's where no key is a prefix of another (it sorts those otherwise)."""
    compared = 0
    for record in records(name, ".tfrecord"):
        parsed = message.FromString(record)
        maps = [parsed.features.feature] if message is tf.train.Example else [parsed.context.feature, parsed.feature_lists.feature_list]
        if any(a != b and b.startswith(a) for keys in maps for a in keys for b in keys):
            continue
        compared += 1
        if parsed.SerializeToString(deterministic=True) != record:
            yield f"{name}: a record of {len(record)} bytes differs from protobuf's"
    if compared == 0:
        yield "no record could be compared"


def wrong_compression():
    try:
        list(tf.data.TFRecordDataset(work.shards("tfr-gzip", ".gz"), compression_type=""))
    except tf.errors.DataLossError:
        return
    yield "a gzip shard read as a plain one"


report.guard("schema dmvr with DMVR's specs: labels, frames, waveform", dmvr)
report.guard("schema dmvr: timestamps in microseconds", timestamps)
report.guard("schema example", lambda: examples("tfr-example", ".tfrecord"))
report.guard("schema example, GZIP", lambda: examples("tfr-gzip", ".gz", "GZIP"))
report.guard("schema example, ZLIB", lambda: examples("tfr-zlib", ".zlib", "ZLIB"))
report.guard("schema sound", sounds)
report.guard("gzip is gzip: read as plain it is refused", wrong_compression)
report.guard("Example bytes are protobuf's deterministic bytes", lambda: canonical("tfr-example", tf.train.Example))
report.guard("SequenceExample bytes are protobuf's deterministic bytes", lambda: canonical("tfr-dmvr", tf.train.SequenceExample))
report.close()
