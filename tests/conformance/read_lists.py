"""Annotation lists with the parsers of their consumers: mmaction2, PyTorchVideo, pandas as VideoMAE calls it, the csv module.

The parsers are those of the installed packages. Only what they import besides (PyTorch, mmengine) is stood in for, because it has no
part in reading a list and takes gigabytes.
"""
import csv
import importlib.util
import json
import os
import pathlib
import sys
import types

import pandas
from common import Report, Work, same_list

work, report = Work(sys.argv[1]), Report("annotation lists")
LISTS, PREFIX = work.path / "lists", "/data"
# Clips in order of their paths, as a folder of media is listed: path, class index, frames.
CLIPS = sorted(((s["source"], s["label_index"], s["frames"]) for s in work.samples), key=lambda clip: clip[0].encode())
# Those that a parser can read which ends a field at a space.
PLAIN = [clip for clip in CLIPS if not any(c.isspace() for c in clip[0])]
FOLDERS = sorted((s["key"], s["label_index"], s["frames"]) for s in work.samples)


def stand_in(name, **attributes):
    module = types.ModuleType(name)
    module.__dict__.update(attributes)
    module.__path__ = []
    sys.modules[name] = module
    return module


def load(name, package):
    """The module `name` of an installed package, without running the package's own imports."""
    found = importlib.util.find_spec(name.split(".")[0]).submodule_search_locations[0]
    path = pathlib.Path(found, *name.split(".")[1:]).with_suffix(".py")
    spec = importlib.util.spec_from_file_location(f"{package}.{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def lines_of(file):
    return [line.rstrip("\n\r") for line in open(file)]


def check_file(file):
    if not os.path.exists(file):
        raise FileNotFoundError(file)


class Registry:
    def register_module(self):
        return lambda cls: cls


def mmaction2(name, cls, consumer, **settings):
    """What a dataset class of mmaction2 reads from the list of a consumer."""
    dataset = object.__new__(getattr(load(f"mmaction.datasets.{name}", "stood.datasets"), cls))
    dataset.__dict__.update(ann_file=str(LISTS / consumer / "data.txt"), multi_class=False, num_classes=None, **settings)
    return dataset.load_data_list()


def stand_in_for_mmengine():
    stand_in("mmengine")
    stand_in("mmengine.fileio", exists=os.path.exists, list_from_file=lines_of, load=None)
    stand_in("mmengine.utils", check_file_exist=check_file)
    stand_in("mmengine.logging", MMLogger=None)
    stand_in("stood")
    stand_in("stood.datasets")
    stand_in("stood.datasets.base", BaseActionDataset=object)
    real = importlib.util.find_spec("mmaction").submodule_search_locations
    package = stand_in("mmaction")
    package.__path__ = real
    package.__spec__ = importlib.machinery.ModuleSpec("mmaction", None, is_package=True)
    package.__spec__.submodule_search_locations = real
    stand_in("mmaction.registry", DATASETS=Registry())
    stand_in("mmaction.utils", ConfigType=dict)
    stand_in("mmaction.evaluation", read_labelmap=None)


def rows(clips):
    return [(f"{PREFIX}/{path}", label) for path, label, _ in clips]


def video_dataset():
    read = mmaction2("video_dataset", "VideoDataset", "mmaction2-video", delimiter=" ", data_prefix={"video": PREFIX})
    return same_list([(one["filename"], one["label"]) for one in read], rows(PLAIN), "clips")


def rawframe_dataset():
    read = mmaction2("rawframe_dataset", "RawframeDataset", "mmaction2-rawframe", with_offset=False, data_prefix={"img": PREFIX})
    want = [(f"{PREFIX}/{key}", frames, label) for key, label, frames in FOLDERS]
    return same_list([(one["frame_dir"], one["total_frames"], one["label"]) for one in read], want, "folders")


def audio_dataset():
    read = mmaction2("audio_dataset", "AudioDataset", "mmaction2-audio", data_prefix={"audio": PREFIX})
    sound = set(work.with_sound)
    want = [(f"{PREFIX}/{key}.wav", frames, label) for key, label, frames in FOLDERS if key in sound]
    return same_list([(one["audio_path"], one["total_frames"], one["label"]) for one in read], want, "sounds")


def ava_dataset():
    module = load("mmaction.datasets.ava_dataset", "stood.datasets")
    dataset = object.__new__(module.AVADataset)
    dataset.__dict__.update(ann_file=str(LISTS / "mmaction2-ava" / "data.csv"), custom_classes=None, use_frames=True, timestamp_start=0,
                            timestamp_end=4, _FPS=30, multilabel=False, num_classes=81, data_prefix={"img": PREFIX})
    read = [(one["frame_dir"], one["timestamp"], one["ann"]["gt_bboxes"].tolist(), [labels.tolist() for labels in one["ann"]["gt_labels"]])
            for one in dataset.load_data_list()]
    want = [(f"{PREFIX}/-3B32lodo2M_000002", 2, [[0.1, 0.2, 0.3, 0.4]], [[80, 12]]),
            (f"{PREFIX}/-3B32lodo2M_000003", 3, [[0.5, 0.2, 0.9, 0.4]], [[3]])]
    return same_list(read, want, "boxes")


def pytorchvideo():
    stand_in("torchvision")
    stand_in("torchvision.datasets")
    stand_in("torchvision.datasets.folder", make_dataset=None)
    paths = load("pytorchvideo.data.labeled_video_paths", "stood_video").LabeledVideoPaths
    read = paths.from_path(str(LISTS / "pytorchvideo" / "data.txt"))
    read.path_prefix = PREFIX
    got = [(path, info["label"]) for path, info in (read[i] for i in range(len(read)))]
    return same_list(got, rows(CLIPS), "clips")


def videomae(consumer):
    table = pandas.read_csv(LISTS / consumer / "data.csv", header=None, delimiter=" ")
    want = [(path, label) for path, label, _ in PLAIN]
    return same_list(list(zip(table.values[:, 0], table.values[:, 1])), want, "clips")


def videomae_frames():
    table = pandas.read_csv(LISTS / "videomaev2-frames" / "data.csv", header=None, delimiter=" ")
    want = [(key, frames, label) for key, label, frames in FOLDERS]
    return same_list([tuple(row) for row in table.values.tolist()], want, "folders")


def dmvr():
    with open(LISTS / "dmvr" / "data.csv", newline="") as file:
        read = list(csv.DictReader(file))
    labels = {s["source"]: s["label"] for s in work.samples}
    yield from same_list([(row["video_path"], row["label"]) for row in read], [(path, labels[path]) for path, _, _ in CLIPS], "clips")
    yield from (f"{row['video_path']}: {row['start']} to {row['end']}" for row in read if not 0 == float(row["start"]) < float(row["end"]))


def showmax():
    folder = LISTS / "showmax"
    read, classes = json.loads((folder / "showmax_data.json").read_text()), json.loads((folder / "showmax_classes.json").read_text())
    want = {pathlib.PurePath(s["source"]).stem: s["label"] for s in work.samples}
    yield from same_list(sorted(read.items()), sorted(want.items()), "clips")
    yield from same_list(sorted(classes, key=classes.get), work.classes, "classes")


def class_maps():
    for file in sorted(LISTS.glob("*/labels.txt")):
        if file.parent.name != "mmaction2-ava":
            yield from same_list(file.read_text().splitlines(), work.classes, str(file))


stand_in_for_mmengine()
report.guard("mmaction2 VideoDataset", video_dataset)
report.guard("mmaction2 RawframeDataset", rawframe_dataset)
report.guard("mmaction2 AudioDataset", audio_dataset)
report.guard("mmaction2 AVADataset", ava_dataset)
report.guard("PyTorchVideo LabeledVideoPaths", pytorchvideo)
for consumer in ["videomae", "videomaev2-video"]:
    report.guard(f"pandas as VideoMAE calls it, {consumer}", lambda: videomae(consumer))
report.guard("pandas as VideoMAE calls it, frames", videomae_frames)
report.guard("csv.DictReader, dmvr", dmvr)
report.guard("json, showmax", showmax)
report.guard("class maps", class_maps)
report.close()
