#!/usr/bin/env python3
"""Plans 650,000 Kinetics rows against a folder of 650,000 files, and says how long and how much memory that takes.

    KPACK=target/release/kpack benches/plan.py [--rows N] [--present SHARE] [--keep DIR]

The rows and the empty files are generated in a temporary folder (or in DIR, where they stay). Limits: 5 s and 1 GB.
Standard library only.
"""
import argparse
import os
import pathlib
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SECONDS, BYTES = 5.0, 1_000_000_000


def make(root, rows, present):
    """A CSV of `rows` clips in 700 classes, and their files below root/media/SPLIT/CLASS."""
    rng = random.Random(7)
    classes = [f"class number {i} (generated)" for i in range(700)]
    media = root / "media"
    folders = {}
    with open(root / "kinetics.csv", "w") as out:
        out.write("label,youtube_id,time_start,time_end,split,is_cc\n")
        for i in range(rows):
            video = "".join(rng.choices(ALPHABET, k=11))
            start, label = rng.randrange(0, 3000), classes[i % 700]
            split = "val" if i % 20 == 0 else "train"
            out.write(f'"{label}",{video},{start},{start + 10},{split},0\n')
            if rng.random() >= present:
                continue
            folder = folders.get((split, label))
            if folder is None:
                folder = folders[split, label] = media / split / label.replace(" ", "_")
                folder.mkdir(parents=True)
            name = f"{video}_{start:06}_{start + 10:06}.mp4" if i % 3 else f"{video}.mp4"
            os.close(os.open(folder / name, os.O_CREAT | os.O_WRONLY))


def main():
    parse = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parse.add_argument("--rows", type=int, default=650_000)
    parse.add_argument("--present", type=float, default=1.0, help="share of the rows whose file is there")
    parse.add_argument("--keep", type=pathlib.Path, help="folder for the rows and files, used again if it is there")
    args = parse.parse_args()
    kpack = os.environ.get("KPACK", "target/release/kpack")
    root = args.keep or pathlib.Path(tempfile.mkdtemp(prefix="kpack-plan-"))
    try:
        if not (root / "kinetics.csv").exists():
            root.mkdir(exist_ok=True)
            make(root, args.rows, args.present)
        command = [kpack, "tfrecord", root / "kinetics.csv", "--media-dir", root / "media", "-o", root / "out",
                   "--dry-run", "-q"]
        begun = time.monotonic()
        done = subprocess.run(command, capture_output=True, text=True)
        seconds = time.monotonic() - begun
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        memory, cpu = used.ru_maxrss * 1024, used.ru_utime + used.ru_stime
        sys.stdout.write("".join(done.stdout.splitlines(keepends=True)[:4]))
        print(f"{seconds:.2f} s, of which {cpu:.2f} s on a core (limit {SECONDS:.0f}), peak memory {memory / 1e6:.0f} MB (limit {BYTES / 1e6:.0f})")
        if done.returncode:
            sys.exit(done.stderr)
        sys.exit(seconds > SECONDS or memory > BYTES)
    finally:
        if not args.keep:
            shutil.rmtree(root, ignore_errors=True)


if __name__ == "__main__":
    main()
