#!/usr/bin/env python3
"""How fast kpack reads, converts and decodes, beside other tools, on the same bytes in the same run. Standard library only.

    KPACK=target/release/kpack benches/read.py [--repeats 3] [--only large,small,convert,clips,jpeg] [--full] [--plot FILE] [--json FILE]

    large, small  whole samples in order, of 600 kB and of 12 kB, made of random bytes; one thread (kpack, Python)
    convert       tar to TFRecord and back and to MDS, beside cp of the same bytes; both with fsync
    clips         16 frames, every 4th, from a random place of random clips, to RGB; one thread
    jpeg          the same of packed JPEG frames, beside loose files

All files are in the page cache, read into it from the disk as on a machine that reads a dataset again and again: of files that were written a moment
ago it has pieces as small as they were written in, which are slower to read for every tool. Best of the repeats. Ratios are to the line marked 1.00: a read() loop, cp, or the fastest other tool. Other tools run in virtual environments with
the versions of their requirements files; those of several hundred MB (TensorFlow, DALI, torchcodec) only where they are installed already, or with --full.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import compare
import read_plot

HERE = pathlib.Path(__file__).resolve().parent
RIVALS = HERE / "rivals"
CONFORMANCE = HERE.parent / "tests/conformance"
# Environment -> folder, requirements, whether it is large.
ENVIRONMENTS = {
    "light": (".venv-light", CONFORMANCE / "requirements-light.txt", False),
    "wids": (".venv-wids", CONFORMANCE / "requirements-wids.txt", False),
    "mds": (".venv-mds", CONFORMANCE / "requirements-mds.txt", False),
    "bench": (".venv-bench", RIVALS / "requirements.txt", False),
    "tf": (".venv-tf", CONFORMANCE / "requirements-tf.txt", True),
    "dali": (".venv-dali", CONFORMANCE / "requirements-dali.txt", True),
    "torch": (".venv-bench-full", RIVALS / "requirements-full.txt", True),
}
# Script -> its name in the table, folder it reads, environment.
READERS = {
    "read_tarfile": ("tar: Python's tarfile", "tars", None),
    "read_webdataset": ("tar: webdataset", "tars", "light"),
    "read_wids": ("tar: wids", "tars", "wids"),
    "read_dali_tar": ("tar: DALI", "tars", "dali"),
    "read_tfrecord": ("TFRecord: tfrecord", "records", "light"),
    "read_tfdata": ("TFRecord: tf.data, checked", "records", "tf"),
    "read_dali_tfrecord": ("TFRecord: DALI", "records", "dali"),
    "read_mds": ("MDS: mosaicml-streaming", "mds", "mds"),
}
CLIPS = {
    "clips_opencv": ("OpenCV", "bench"),
    "clips_pyav": ("PyAV", "bench"),
    "clips_decord": ("decord", "bench"),
    "clips_torchcodec": ("torchcodec", "torch"),
}
# Group -> title, unit, samples and bytes of a sample and shards.
SAMPLES = {
    "large": ("samples of 600 kB, in order", "samples/s", (1000, 600_000, 2)),
    "small": ("samples of 12 kB, in order", "samples/s", (20_000, 12_000, 2)),
}
TITLES = {
    **{group: entry[:2] for group, entry in SAMPLES.items()},
    "convert": ("convert beside cp, with fsync", "MB/s"),
    "clips": ("16 frames, stride 4, random place of a random 10 s clip, to RGB", "clips/s"),
    "jpeg": ("16 JPEG frames, stride 4, random place of a random clip, to RGB", "clips/s"),
}


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}, timeout=600)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1][:200])
    return done.stdout


class Bench:
    """One run: where it works, with what, and the rows so far."""

    def __init__(self, options, kpack, base, work):
        self.options, self.kpack, self.base, self.work = options, kpack, base, work
        self.rows, self.skipped, self.pythons, self.machine = [], [], {None: sys.executable}, None

    def row(self, group, name, rate, mb=None, kind="other"):
        self.rows.append({"group": group, "name": name, "rate": rate, "mb_per_s": mb, "kind": kind})

    def skip(self, what, reason):
        self.skipped.append(f"{what}: {reason}")

    def python(self, name):
        """The Python of an environment; None with its reason in `skipped`."""
        if name not in self.pythons:
            folder, requirements, large = ENVIRONMENTS[name]
            there = (HERE.parent / folder / "requirements.sha256").exists()
            if large and not there and not self.options.full:
                self.pythons[name] = None
                self.skip(requirements.name, "large and not installed; --full installs it")
            else:
                self.pythons[name] = compare.environment(folder, requirements)
        return self.pythons[name]

    def rival(self, group, script, name, environment, folder, extra=()):
        """Runs one script and takes its line."""
        python = self.python(environment)
        if python is None:
            return self.skip(name, "not installed")
        try:
            said = run([python, RIVALS / f"{script}.py", folder, "--repeats", self.options.repeats, *extra])
            one = json.loads(said.splitlines()[-1])
        except (RuntimeError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            return self.skip(name, error)
        seconds = min(one["seconds"])
        self.row(group, name, one["samples"] / seconds, one["bytes"] / seconds / 1e6 if group in SAMPLES else None)

    def ours(self, group, folder, label, modes, extra=()):
        """kpack's own lines, and that of a plain read() loop."""
        report = json.loads(run([self.kpack, "bench", "read", folder, "-j", 1, "--json", "--repeats", self.options.repeats, "--mode", modes, *extra]))
        self.machine = report["machine"]
        for one in report["results"]:
            seconds, loop = min(one["seconds"]), one["mode"] == "read-loop"
            if group not in SAMPLES and (loop or one["crc"]):
                continue
            name = f"{label}: " + ("read() loop" if loop else "kpack, checked" if one["crc"] else "kpack") if label else "kpack"
            kind = "base" if loop else "kpack"
            self.row(group, name, one["samples"] / seconds, one["bytes"] / seconds / 1e6 if group in SAMPLES else None, kind)

    def samples(self, group):
        count, size, shards = SAMPLES[group][2]
        work = self.work / group
        run([sys.executable, RIVALS / "samples.py", work / "made", count, size, shards])
        cut = ["--shards", shards, "-q"]
        run([self.kpack, "convert", work / "made", "-o", work / "tars", "--to", "webdataset", *cut])
        run([self.kpack, "convert", work / "tars", "-o", work / "records", "--to", "tfrecord", *cut])
        run([self.kpack, "convert", work / "tars", "-o", work / "mds", "--to", "mds", "-q"])
        shutil.rmtree(work / "made")
        for folder, consumers in [("tars", ["dali", "wids"]), ("records", ["dali"])]:
            for consumer in consumers:
                run([self.kpack, "index", work / folder, "--for", consumer, "-q"])
        for folder in ["tars", "records", "mds"]:
            warm(work / folder)
        for folder, label in [("tars", "tar"), ("records", "TFRecord")]:
            self.ours(group, work / folder, label, "sequential")
        for script, (name, folder, environment) in READERS.items():
            inner = work / folder / "train"
            self.rival(group, script, name, environment, inner if folder == "mds" and inner.is_dir() else work / folder)

    def convert(self):
        work = self.work / "large"
        if not work.exists():
            return self.skip("convert", "needs the samples of --only large")
        out = self.work / "out"
        best = {}
        for _ in range(max(3, self.options.repeats)):
            for name, source, to in [("cp, tar", "tars", None), ("kpack, tar to TFRecord", "tars", "tfrecord"), ("kpack, TFRecord to tar", "records", "webdataset"),
                                     ("kpack, tar to MDS", "tars", "mds")]:
                shards = sorted(p for p in (work / source).iterdir() if p.suffix in (".tar", ".tfrecord"))
                warm(work / source)
                os.sync()
                begun = time.perf_counter()
                if to is None:
                    copy(shards, out)
                else:
                    cut = [] if to == "mds" else ["--shards", len(shards)]
                    run([self.kpack, "convert", work / source, "-o", out, "--to", to, *cut, "-q"])
                seconds = time.perf_counter() - begun
                rate = sum(p.stat().st_size for p in shards) / seconds / 1e6
                best[name] = max(best.get(name, 0), rate)
                shutil.rmtree(out)
        for name, rate in best.items():
            self.row("convert", name, rate, kind="base" if name.startswith("cp") else "kpack")

    def videos(self):
        """A corpus of real clips where there is one; what it is."""
        return compare.corpus(self.base, self.options.corpus)

    def clips(self):
        videos, _ = self.videos()
        tars, takes = self.work / "clips", ["--clips", self.options.clips]
        run([self.kpack, "webdataset", videos, "-o", tars, "--video", "copy", "-q"])
        warm(tars)
        self.ours("clips", tars, "", "clips", takes)
        for script, (name, environment) in CLIPS.items():
            self.rival("clips", script, name, environment, tars, takes)

    def jpeg(self):
        videos, _ = self.videos()
        takes = ["--clips", self.options.clips * 4]
        pictures = ["--frames", "all", "--quality", "90", "-q"]
        run([self.kpack, "webdataset", videos, "-o", self.work / "packed", *pictures])
        run([self.kpack, "frames", videos, "-o", self.work / "loose", *pictures])
        warm(self.work / "packed")
        warm(self.work / "loose")
        self.ours("jpeg", self.work / "packed", "", "clips", takes)
        self.rival("jpeg", "jpeg_simplejpeg", "simplejpeg, loose files", "bench", self.work / "loose", takes)


def warm(folder):
    """Reads all files into the page cache, from the disk."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        with open(path, "rb", buffering=0) as file:
            os.fsync(file)
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            while file.read(1 << 20):
                pass


def copy(shards, out):
    """cp, and fsync as kpack does it."""
    out.mkdir()
    run(["cp", "--reflink=never", *shards, out])
    for path in [*out.iterdir(), out]:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def with_ratios(rows):
    """Each group with its ratios, fastest first."""
    for group, (title, unit) in TITLES.items():
        chosen = [row for row in rows if row["group"] == group]
        if not chosen:
            continue
        others = [row for row in chosen if row["kind"] == "other"]
        bases = [row for row in chosen if row["kind"] == "base"] or sorted(others, key=lambda r: -r["rate"])[:1]
        for row in chosen:
            # Of two read() loops, that over the same files.
            near = [base for base in bases if base["name"].split(":")[0] == row["name"].split(":")[0]] or bases
            row["ratio"] = row["rate"] / near[0]["rate"] if near else None
        yield title, unit, sorted(chosen, key=lambda r: -r["rate"])


def table(groups):
    for title, unit, rows in groups:
        print(f"\n{title}")
        for row in rows:
            mb = f"{row['mb_per_s']:>8,.0f} MB/s" if row["mb_per_s"] else " " * 13
            ratio = f"{row['ratio']:>6.2f}" if row["ratio"] else ""
            print(f"  {row['name']:<28}{row['rate']:>12,.0f} {unit:<10}{mb}{ratio}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", type=int, default=40, help="clips that are decoded from")
    parser.add_argument("--clips", type=int, default=120, help="clips decoded in one repetition")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default=",".join(TITLES), help="groups, of " + ",".join(TITLES))
    parser.add_argument("--full", action="store_true", help="install also what is large: TensorFlow, DALI, torchcodec")
    parser.add_argument("--plot", type=pathlib.Path, help="write an SVG here")
    parser.add_argument("--json", type=pathlib.Path, help="write all numbers here")
    options = parser.parse_args()
    kpack = pathlib.Path(os.environ.get("KPACK", "target/release/kpack")).absolute()
    if not kpack.exists():
        sys.exit(f"{kpack} is not there: make build, or name another in KPACK")
    base = pathlib.Path(tempfile.gettempdir()) / "kpack-bench"
    base.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="read-", dir=base) as temporary:
        bench = Bench(options, kpack, base, pathlib.Path(temporary))
        for group in TITLES:
            if group in options.only.split(","):
                bench.samples(group) if group in SAMPLES else getattr(bench, group)()
    groups = list(with_ratios(bench.rows))
    table(groups)
    for line in bench.skipped:
        print(f"SKIP  {line}")
    note = f"{bench.machine['cpu']}, {bench.machine['cores']} cores, best of {options.repeats}" if bench.machine else ""
    if "clips" in options.only or "jpeg" in options.only:
        note += f"; {bench.videos()[1]}"
    print(f"\n{note}")
    if options.plot:
        options.plot.write_text(read_plot.svg(groups, note))
    if options.json:
        options.json.write_text(json.dumps({"machine": bench.machine, "note": note, "results": bench.rows, "skipped": bench.skipped}, indent=1) + "\n")


if __name__ == "__main__":
    main()
