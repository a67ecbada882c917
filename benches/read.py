#!/usr/bin/env python3
"""Reading and decoding: kpack beside the readers people use now, on the same shards in the same run. Standard library only.

    KPACK=target/release/kpack benches/read.py [--clips 100] [--repeats 5] [--full] [--svg FILE] [--json FILE]

One thread each, files in the page cache, best of the repetitions: whole samples in order (raw bytes, from tar, TFRecord
and MDS), and 16 frames with stride 4 from random places of random clips, decoded to RGB. The clips are those of
benches/compare.py; kpack packs and converts them. --full adds TensorFlow and torchcodec (several GB). A rival that
cannot be installed or fails is named and left out.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
from xml.sax.saxutils import escape

import compare

HERE, ROOT, RIVALS = compare.HERE, compare.ROOT, compare.RIVALS
CONFORMANCE = ROOT / "tests/conformance"
# Script -> folder of the shards, group, whether checksums of data are compared, environment.
READERS = {
    "read_webdataset": ("tars", "tar", "no", "read"),
    "read_tarfile": ("tars", "tar", "no", None),
    "read_tfrecord": ("records", "tfrecord", "no", "read"),
    "read_tfdata": ("records", "tfrecord", "yes", "tf"),
    "read_mds": ("mds", "mds", "no", "mds"),
    "clips_decord": ("tars", "clips", "no", "read"),
    "clips_pyav": ("tars", "clips", "no", "read"),
    "clips_opencv": ("tars", "clips", "no", "read"),
    "clips_torchcodec": ("tars", "clips", "no", "torch"),
}
ENVIRONMENTS = {
    "read": (".venv-bench-read", RIVALS / "requirements-read.txt", False),
    "mds": (".venv-bench-mds", CONFORMANCE / "requirements-mds.txt", False),
    "tf": (".venv-tf", CONFORMANCE / "requirements-tf.txt", True),
    "torch": (".venv-bench-full", RIVALS / "requirements-full.txt", True),
}
TITLES = {
    "tar": "whole samples in order, tar",
    "tfrecord": "whole samples in order, TFRecord",
    "mds": "whole samples in order, MDS",
    "clips": "16 frames, stride 4, random place of a random clip",
}


def run(command):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONDONTWRITEBYTECODE": "1"}, timeout=3600)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no reason given"])[-1][:200])
    return done.stdout


def ours(kpack, work, options):
    """kpack's own rows, and those of a plain read() loop."""
    for folder, group in [("tars", "tar"), ("records", "tfrecord")]:
        modes = ["--mode", "sequential,clips" if group == "tar" else "sequential"]
        report = json.loads(run([kpack, "bench", "read", work / folder, "-j", "1", "--json", "--repeats", options.repeats,
                                 "--clips", options.clips, *modes]))
        for one in report["results"]:
            name = {"read-loop": "read() loop", "sequential": "kpack", "clips": "kpack"}[one["mode"]]
            yield {"group": "clips" if one["mode"] == "clips" else group, "name": name, "crc": "yes" if one["crc"] else "no",
                   "samples": one["samples"], "bytes": one["bytes"], "seconds": min(one["seconds"])}


def theirs(work, options):
    pythons = {None: sys.executable}
    for name, (folder, requirements, heavy) in ENVIRONMENTS.items():
        if options.full or not heavy:
            pythons[name] = compare.environment(folder, requirements)
    for script, (folder, group, crc, environment) in READERS.items():
        python = pythons.get(environment)
        if python is None:
            print(f"SKIP  {script}: " + ("--full runs it" if environment not in pythons else "not installed"))
            continue
        try:
            out = run([python, RIVALS / f"{script}.py", work / folder, "--repeats", options.repeats, "--clips", options.clips])
            one = json.loads(out.splitlines()[-1])
        except (RuntimeError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
            print(f"SKIP  {script}: {error}")
            continue
        yield {"group": group, "name": script.split("_", 1)[1], "crc": crc, "samples": one["samples"],
               "bytes": one["bytes"], "seconds": min(one["seconds"])}


def named(row):
    return row["name"] + (" + CRC" if row["crc"] == "yes" else "")


def table(rows):
    for group, title in TITLES.items():
        chosen = sorted((r for r in rows if r["group"] == group), key=lambda r: r["seconds"] / r["samples"])
        if not chosen:
            continue
        print(f"\n{title}")
        for row in chosen:
            rate = row["samples"] / row["seconds"]
            size = "" if group == "clips" else f"{row['bytes'] / row['seconds'] / 1e6:>8.0f} MB/s"
            print(f"  {named(row):<18} {rate:>10,.0f} {'clips' if group == 'clips' else 'samples'}/s {size}")


def plot(rows, note):
    """Bars of samples per second, one block a group, the longest bar of each block at full width."""
    lines, y = [], 30
    for group, title in TITLES.items():
        chosen = sorted((r for r in rows if r["group"] == group), key=lambda r: r["seconds"] / r["samples"])
        if not chosen:
            continue
        best = max(r["samples"] / r["seconds"] for r in chosen)
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{escape(title)}, {"clips" if group == "clips" else "samples"}/s</text>')
        for row in chosen:
            y += 22
            rate = row["samples"] / row["seconds"]
            colour = "#2a6fb0" if row["name"] == "kpack" else "#b9bec4"
            lines.append(f'<text x="150" y="{y}" text-anchor="end">{escape(named(row))}</text>'
                         f'<rect x="158" y="{y - 12}" width="{max(1, 400 * rate / best):.1f}" height="15" fill="{colour}"/>'
                         f'<text x="{166 + 400 * rate / best:.1f}" y="{y}">{rate:,.0f}</text>')
        y += 36
    lines.append(f'<text x="10" y="{y}" font-size="11" fill="#666">{escape(note)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="680" height="{y + 16}" font-family="sans-serif" font-size="13">'
            f'<rect width="100%" height="100%" fill="white"/>{"".join(lines)}</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=100, help="clips in the shards, and clips decoded in one repetition")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--full", action="store_true", help="also TensorFlow and torchcodec")
    parser.add_argument("--svg", type=pathlib.Path, help="write the plot here")
    parser.add_argument("--json", type=pathlib.Path, help="write all numbers here")
    options = parser.parse_args()
    kpack = pathlib.Path(os.environ.get("KPACK", "target/release/kpack")).absolute()
    if not kpack.exists():
        sys.exit(f"{kpack} is not there: make build, or name another in KPACK")
    base = pathlib.Path(tempfile.gettempdir()) / "kpack-bench"
    base.mkdir(exist_ok=True)
    clips, what = compare.corpus(base, options.clips)
    with tempfile.TemporaryDirectory(prefix="read-", dir=base) as temporary:
        work = pathlib.Path(temporary)
        run([kpack, "webdataset", clips, "-o", work / "tars", "--video", "copy", "-q"])
        run([kpack, "convert", work / "tars", "-o", work / "records", "--to", "tfrecord", "-q"])
        run([kpack, "convert", work / "tars", "-o", work / "mds", "--to", "mds", "-q"])
        rows = [*ours(kpack, work, options), *theirs(work, options)]
        machine = json.loads(run([kpack, "bench", "read", work / "tars", "--json", "--mode", "sequential", "--repeats", 1]))["machine"]
        shutil.rmtree(work / "tars")
    note = f"{what}; {machine['cpu']}, one thread, warm cache, best of {options.repeats}"
    table(rows)
    print(f"\n{note}")
    if options.svg:
        options.svg.write_text(plot(rows, note))
    if options.json:
        options.json.write_text(json.dumps({"machine": machine, "corpus": what, "results": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
