#!/usr/bin/env python3
"""Packs fixtures with kpack and has the field's own readers read the result back.

    KPACK=target/debug/kpack tests/conformance/run.py [--full] [--only NAME] [--keep DIR]

Light: Python webdataset, wids, Energon, tarfile and GNU tar, the tfrecord package, plain files, the parsers of annotation lists. --full adds TensorFlow, DALI,
mosaicml-streaming, and cuts in OpenCV and torchcodec.
Each reader runs in a virtual environment of its own (.venv-*) with the versions of requirements-*.txt; what cannot be
installed here is counted as skipped, with the reason. The last line is `N passed, N failed, N skipped`.
"""
import argparse
import functools
import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

import truth  # noqa: E402
from common import Report, Work  # noqa: E402

# Reader script -> the requirements of its environment (None: this Python), and whether it belongs to the light run.
READERS = {
    "read_tar": (None, True),
    "read_webdataset": ("light", True),
    "read_frames": ("light", True),
    "read_tfrecord": ("light", True),
    "read_quality": ("light", True),
    "read_lists": ("lists", True),
    "read_wids": ("wids", True),
    "read_energon": ("energon", True),
    "read_mds": ("mds", False),
    "read_tf": ("tf", False),
    "read_dali": ("dali", False),
    "read_cuts": ("cuts", False),
}
# Folder of the output -> the command line that writes it, without input and -o.
MONO = ["--sample-rate", str(truth.RATE), "--channels", "1"]
PACKS = {
    "frames": ["frames", "--frames", "all", "--audio", "wav"],
    "wds-video": ["webdataset", "--video", "copy", "--audio", "wav", "--shard-samples", "8"],
    "wds-gzip": ["webdataset", "--video", "copy", "--audio", "wav", "--compress", "gzip"],
    "wds-frames": ["webdataset", "--frames", "all"],
    "tfr-example": ["tfrecord", "--video", "copy", "--audio", "wav", "--shards", "3"],
    "tfr-gzip": ["tfrecord", "--video", "copy", "--audio", "wav", "--compress", "gzip"],
    "tfr-zlib": ["tfrecord", "--video", "copy", "--audio", "wav", "--compress", "zlib"],
    "tfr-dmvr": ["tfrecord", "--frames", "all", "--audio", "wav", *MONO],
    "tfr-sound": ["tfrecord", "--schema", "sound", "--audio", "f32", "--no-audio", "skip", *MONO],
}


def pack(kpack, work, source, report):
    """Runs every pack; the two broken clips make each end with exit code 3."""
    for name, args in PACKS.items():
        command = [kpack, args[0], str(source), "-o", str(work / name), "-q", *args[1:]]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
        wrong = [] if done.returncode == 3 else [f"exit code {done.returncode}, wanted 3: {done.stderr.strip()[-300:]}"]
        report.check(f"kpack {' '.join(args)}", wrong)
        if not wrong:
            report.guard(f"rows of {name}", lambda: row_problems(work, work / name, args))


def write_indexes(kpack, work, report):
    """Writes the index files of every reader, beside the shards packed before."""
    for name, consumer in [("wds-video", "dali"), ("wds-video", "wids"), ("wds-video", "energon"), ("wds-frames", "energon"), ("tfr-example", "dali"), ("tfr-example", "tfrecord-index")]:
        done = subprocess.run([kpack, "index", str(work / name), "--for", consumer, "-q"], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, timeout=600)
        report.check(f"kpack index {name} --for {consumer}", [] if done.returncode == 0 else [done.stderr.strip()[-300:]])


def write_mds(kpack, work, report):
    """Converts tars packed before: with all columns, and without the one whose spacing each writer chooses."""
    for name, args in {"mds": [], "mds-plain": ["--drop", "json", "--shard-size", "200000"]}.items():
        done = subprocess.run([kpack, "convert", str(work / "wds-video"), "-o", str(work / name), "--to", "mds", "-q", *args],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
        report.check(f"kpack convert: {name}", [] if done.returncode == 0 else [done.stderr.strip()[-300:]])


def write_lists(kpack, work, source, report):
    """Writes the list of every consumer that read_lists reads, of the media or of the frames packed before."""
    clip = work / "ava" / "-3B32lodo2M.mp4"
    clip.parent.mkdir()
    shutil.copy(source / "timing" / "h264_bframes_aac.mp4", clip)
    table = work / "ava" / "boxes.csv"
    table.write_text("-3B32lodo2M,2.0,0.1,0.2,0.3,0.4,80\n-3B32lodo2M,2.0,0.1,0.2,0.3,0.4,12\n-3B32lodo2M,3.0,0.5,0.2,0.9,0.4,3,7\n")
    runs = {"frames of boxes": (["frames", str(table), "-o", str(work / "ava-frames"), "--layout", "flat", "--frames", "30"], [0])}
    # Names with spaces and broken clips are left out, which is exit code 3.
    for consumer in ["mmaction2-video", "pytorchvideo", "videomae", "videomaev2-video", "dmvr", "showmax"]:
        runs[consumer] = (["list", str(source), "--for", consumer, "-o", str(work / "lists" / consumer)], [3])
    for consumer in ["mmaction2-rawframe", "videomaev2-frames", "mmaction2-audio"]:
        runs[consumer] = (["list", str(work / "frames"), "--for", consumer, "-o", str(work / "lists" / consumer)], [0, 3])
    runs["mmaction2-ava"] = (["list", str(work / "ava-frames"), "--for", "mmaction2-ava", "-o", str(work / "lists/mmaction2-ava")], [0])
    for name, (args, codes) in runs.items():
        done = subprocess.run([kpack, *args, "-q"], capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=600)
        wrong = [] if done.returncode in codes else [f"exit code {done.returncode}: {done.stderr.strip()[-300:]}"]
        report.check(f"kpack list: {name}", wrong)


def row_problems(work, out, args):
    """Problems of samples.jsonl against the truth."""
    facts = Work(work)
    rows = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    known = json.loads((work / "truth.json").read_text())
    if len(rows) != len(facts.samples) + len(known["broken"]):
        yield f"{len(rows)} rows for {len(facts.samples) + len(known['broken'])} clips"
    failed = sorted(r["key"] for r in rows if r["outcome"] == "failed")
    if failed != [re.sub(r"\.\w+$", "", b) for b in known["broken"]]:
        yield f"failed rows: {failed}"
    yield from (f"{r['key']}: failed without class or reason" for r in rows
                if r["outcome"] == "failed" and not (r.get("class") and r.get("reason")))
    for row in rows:
        want = facts.by_key.get(row["key"])
        if row["outcome"] != "done" or want is None:
            continue
        if (row.get("label"), row.get("label_index")) != (want["label"], want["label_index"]):
            yield f"{row['key']}: label {row.get('label')!r} {row.get('label_index')}, wanted {want['label']!r} {want['label_index']}"
        if "--frames" in args and row.get("frames") != want["frames"]:
            yield f"{row['key']}: {row.get('frames')} frames, wanted {want['frames']}"
    labels = (out / "labels.txt").read_text().splitlines()
    if labels != known["classes"]:
        yield f"labels.txt holds {labels}"


@functools.cache
def environment(name):
    """(path of the environment's Python, None), or (None, why there is none)."""
    if name is None:
        return pathlib.Path(sys.executable), None
    wanted = HERE / f"requirements-{name}.txt"
    folder = ROOT / f".venv-{name}"
    stamp, digest = folder / "requirements.sha256", hashlib.sha256(wanted.read_bytes()).hexdigest()
    python = folder / "bin" / "python"
    if stamp.exists() and stamp.read_text() == digest and python.exists():
        return python, None
    print(f"installing {wanted.name} into {folder.name}", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(folder)], capture_output=True, text=True)
    if made.returncode:
        return None, f"no virtual environment: {(made.stderr or made.stdout).strip()[-200:]}"
    alone = ["--no-deps"] if "--no-deps" in wanted.read_text() else []
    pip = subprocess.run([str(python), "-m", "pip", "install", "-q", *alone, "--disable-pip-version-check", "--timeout", "30",
                          "--retries", "2", "-r", str(wanted)], capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if pip.returncode:
        said = pip.stderr.strip().splitlines() or ["no reason given"]
        return None, f"pip could not install {wanted.name}: {said[-1][:200]}"
    stamp.write_text(digest)
    return python, None


def read(script, work, kpack, report):
    """Runs one reader script and adds its counts to the report."""
    python, why = environment(READERS[script][0])
    if python is None:
        report.skip(script, why)
        return
    env = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([str(python), str(HERE / f"{script}.py"), str(work), kpack], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL, env=env, timeout=900)
    lines = done.stdout.splitlines()
    totals = lines.pop().split() if lines and lines[-1].startswith("totals ") else None
    print("\n".join(lines), flush=True)
    if totals is None:
        report.check(script, [f"ended with {done.returncode} before its total: {done.stderr.strip()[-400:]}"])
        return
    report.passed += int(totals[1])
    report.failed += int(totals[2])
    report.skipped += int(totals[3])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also TensorFlow, DALI, mosaicml-streaming, OpenCV and torchcodec")
    parser.add_argument("--only", metavar="NAME", help="one reader, as read_tf")
    parser.add_argument("--keep", metavar="DIR", help="work in DIR, which must not exist, and leave it there")
    options = parser.parse_args()
    kpack = pathlib.Path(os.environ.get("KPACK", "target/debug/kpack"))
    kpack = kpack if kpack.is_absolute() else ROOT / kpack
    if not kpack.exists():
        sys.exit(f"{kpack} is not there: build it, or name another in KPACK")
    report = Report("kpack")
    with tempfile.TemporaryDirectory(prefix="kpack-conformance-") as temporary:
        work = pathlib.Path(options.keep or temporary).absolute()
        work.mkdir(exist_ok=options.keep is None)
        source = truth.prepare(work)
        pack(str(kpack), work, source, report)
        write_indexes(str(kpack), work, report)
        write_mds(str(kpack), work, report)
        write_lists(str(kpack), work, source, report)
        chosen = [s for s in READERS if s == options.only] if options.only else [s for s in READERS if options.full or READERS[s][1]]
        for script in chosen:
            read(script, work, str(kpack), report)
    print(f"{report.passed} passed, {report.failed} failed, {report.skipped} skipped")
    sys.exit(1 if report.failed or not report.passed else 0)


if __name__ == "__main__":
    main()
