"""The loop around every Python rival: one job a clip, two processes, one decode thread in each.

    RIVAL.py SRC OUT [--fps N] [--quality Q] [--short-side S] [--processes P]

A rival gives `run(main)` a function (file, target, options) that writes what it makes of one clip and returns how
many pictures or sound files that were.
"""
import argparse
import multiprocessing
import os
import pathlib

parser = argparse.ArgumentParser()
parser.add_argument("src", type=pathlib.Path)
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--fps", type=float)
parser.add_argument("--quality", type=int, default=90)
parser.add_argument("--short-side", type=int, default=256)
parser.add_argument("--processes", type=int, default=2)
options = parser.parse_args()


def scaled(width, height):
    """(width, height) with the shorter side at --short-side."""
    side = options.short_side
    if width <= height:
        return side, round(height * side / width)
    return round(width * side / height), side


def wanted(count, rate):
    """Indexes of the frames to keep, of `count` at `rate` per second; all without --fps."""
    if not options.fps:
        return list(range(count))
    kept = max(1, round(count / rate * options.fps))
    return [min(count - 1, int(k * rate / options.fps + 1e-6)) for k in range(kept)]


def _call(job):
    work, file, target = job
    return work(str(file), target)


def run(work, per_clip_folder=True):
    files = sorted(options.src.rglob("*.mp4"))
    jobs = []
    for file in files:
        target = options.out / file.relative_to(options.src).with_suffix("")
        os.makedirs(target if per_clip_folder else target.parent, exist_ok=True)
        jobs.append((work, file, str(target)))
    with multiprocessing.get_context("fork").Pool(options.processes) as pool:
        made = sum(pool.imap_unordered(_call, jobs))
    print(made)
