"""Frame directories with plain files and pillow: names from 1 without a gap, sizes, painted numbers, sound beside."""
import json
import sys

from common import Report, Work, picture_problems, same_list, sound_problems, wav

work, report = Work(sys.argv[1]), Report("frame directories")


def pictures():
    for key, truth in work.by_key.items():
        files = work.frame_files(key)
        names = [f"img_{i + 1:05}.jpg" for i in range(truth["frames"])]
        yield from same_list([f.name for f in files], names, key)
        yield from picture_problems(key, truth, [f.read_bytes() for f in files])
        if files and len(list(files[0].parent.iterdir())) != len(files):
            yield f"{key}: other files among the frames"


def beside(key, suffix):
    return work.frame_files(key)[0].parent.with_name(key.rsplit("/", 1)[-1] + suffix)


def sound():
    for key, truth in work.by_key.items():
        file = beside(key, ".wav")
        if truth["audio"] is None:
            if file.exists():
                yield f"{key}: sound beside a clip that has none"
            continue
        rate, pcm = wav(file.read_bytes())
        if rate != truth["audio"]["rate"]:
            yield f"{key}: {rate} Hz, wanted {truth['audio']['rate']}"
        yield from sound_problems(key, pcm, work.pcm(key, native=True), 60)


def metadata():
    for key, truth in work.by_key.items():
        meta = json.loads(beside(key, ".json").read_text())
        labels = [(label["index"], label["text"]) for label in meta["kpack"]["labels"]]
        yield from same_list(labels, [(truth["label_index"], truth["label"])], f"{key}: labels")
        listed = [blob["file"].rsplit("/", 1)[-1] for blob in meta["kpack"]["blobs"] if blob["name"].endswith(".jpg")]
        yield from same_list(listed, [f.name for f in work.frame_files(key)], f"{key}: blobs listed")


report.guard("frames: names, count, size, painted number, nothing else in the directory", pictures)
report.guard("sound beside the directory", sound)
report.guard("metadata beside the directory", metadata)
report.close()
