#!/usr/bin/env python3
"""Peak memory of kpack: many clips against few, and one long video. Standard library only; Linux.

    KPACK=target/release/kpack benches/memory.py [--clips 2000] [--hours 2] [--only many,copy,frames1,all] [--json FILE]

The peak is of the whole process tree: anonymous and shared memory (a mapped shard in the page cache is not counted), sampled
every 20 ms. Each row names its limit; the exit code is 1 when one is exceeded.
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

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
MB = 1e6


def tree(pid):
    """The process and all its descendants."""
    found = [pid]
    for parent in found:
        try:
            for task in os.listdir(f"/proc/{parent}/task"):
                found += map(int, open(f"/proc/{parent}/task/{task}/children").read().split())
        except OSError:
            continue
    return found


def resident(pid):
    """Bytes of anonymous and shared memory of one process."""
    try:
        lines = open(f"/proc/{pid}/status").read().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


def peak(command):
    """(peak bytes, seconds) of a command that must succeed."""
    started, highest = time.perf_counter(), 0
    with tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        while child.poll() is None:
            highest = max(highest, sum(resident(p) for p in tree(child.pid)))
            time.sleep(0.02)
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(command)}: exit code {child.returncode}: {errors.read().decode(errors='replace')[-400:]}")
    return highest, time.perf_counter() - started


def clips(work, count):
    """A folder of `count` ten-second clips: eight encoded ones, hard-linked."""
    target, made = work / f"clips-{count}", work / "ten-seconds"
    made.mkdir(exist_ok=True)
    for i in range(8):
        file = made / f"{i}.mp4"
        if not file.exists():
            subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-f", "lavfi", "-i", f"testsrc2=size=340x256:rate={24 + i}:duration=10",
                            "-f", "lavfi", "-i", f"sine=frequency={300 + 40 * i}:sample_rate=44100:duration=10", "-c:v", "libx264", "-preset", "veryfast",
                            "-pix_fmt", "yuv420p", "-c:a", "aac", "-threads", "1", str(file)], check=True, stdin=subprocess.DEVNULL)
    for i in range(count):
        to = target / f"class{i % 20:02}" / f"clip{i:05}.mp4"
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            os.link(made / f"{i % 8}.mp4", to)
    return target


def long_video(work, hours):
    file = work / f"long-{hours}h.mp4"
    if not file.exists():
        subprocess.run([str(ROOT / "fixtures/long.sh"), str(file), str(int(hours * 3600))], check=True, stdin=subprocess.DEVNULL)
    return file


def run(options, work, source, *args):
    """(peak, seconds, bytes written) of packing source into a fresh WebDataset."""
    out = work / "out"
    shutil.rmtree(out, ignore_errors=True)
    highest, seconds = peak([options.kpack, "webdataset", str(source), "-o", str(out), "-j2", "-q", *args])
    written = sum(f.stat().st_size for f in out.rglob("*") if f.is_file())
    shutil.rmtree(out)
    return highest, seconds, written


def many(options, work):
    args = ["--frames", "5", "--short-side", "256", "--audio", "wav"]
    few, seconds, _ = run(options, work, clips(work, options.clips // 10), *args)
    yield f"{options.clips // 10} clips", few, seconds, None
    highest, seconds, _ = run(options, work, clips(work, options.clips), *args)
    yield f"{options.clips} clips", highest, seconds, few * 1.15


def copy(options, work):
    highest, seconds, _ = run(options, work, long_video(work, options.hours), "--video", "copy")
    yield f"{options.hours} h video, copied", highest, seconds, 200 * MB


def frames1(options, work):
    highest, seconds, _ = run(options, work, long_video(work, options.hours), "--frames", "1")
    yield f"{options.hours} h video, 1 frame a second", highest, seconds, 400 * MB


def all_frames(options, work):
    highest, seconds, written = run(options, work, long_video(work, options.hours), "--frames", "all")
    yield f"{options.hours} h video, all frames ({written / MB:.0f} MB)", highest, seconds, written + 300 * MB


JOBS = {"many": many, "copy": copy, "frames1": frames1, "all": all_frames}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2000)
    parser.add_argument("--hours", type=float, default=2)
    parser.add_argument("--only", type=lambda v: v.split(","), default=list(JOBS), help=",".join(JOBS))
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--work", type=pathlib.Path, help="folder for videos and outputs; default a folder in the temporary directory")
    options = parser.parse_args()
    if unknown := set(options.only) - set(JOBS):
        parser.error(f"no such job: {', '.join(sorted(unknown))}")
    kpack = pathlib.Path(os.environ.get("KPACK", "target/release/kpack"))
    options.kpack = str(kpack if kpack.is_absolute() else ROOT / kpack)
    if not pathlib.Path(options.kpack).exists():
        parser.error(f"{options.kpack} is not there: make build, or name another in KPACK")
    work = (options.work or pathlib.Path(tempfile.gettempdir()) / "kpack-bench").absolute()
    work.mkdir(parents=True, exist_ok=True)
    rows = []
    for name in options.only:
        for what, highest, seconds, limit in JOBS[name](options, work):
            ok = limit is None or highest <= limit
            rows.append({"what": what, "peak_bytes": highest, "limit_bytes": limit, "seconds": seconds, "within": ok})
            bound = f"limit {limit / MB:.0f} MB: {'within' if ok else 'EXCEEDED'}" if limit else ""
            print(f"{what:44} peak {highest / MB:7.1f} MB  {seconds:7.1f} s  {bound}", flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(0 if all(row["within"] for row in rows) else 1)


if __name__ == "__main__":
    main()
