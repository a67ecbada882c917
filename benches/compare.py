#!/usr/bin/env python3
"""kpack beside the tools people use now: same clips, same machine, in turn in the same run. Standard library only.

    KPACK=target/release/kpack benches/compare.py [--clips 40] [--runs 3] [--only frames,audio] [--json FILE]

Whole processes, files in the page cache, median of the runs; CPU seconds are those of the process and all its
children. The clips come from the tool that KPACK_BENCH_CORPUS_TOOL names (called with a folder and a number of clips;
../shared/bench/make_corpus.sh where that is there), or else from fixtures/classes, which are small and simple: the
report says which. Rivals are installed into .venv-bench with the versions of rivals/requirements.txt.
"""
import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
RIVALS = HERE / "rivals"


def environment(folder, requirements):
    """The Python of a virtual environment with the rivals, or None with a printed reason."""
    home = ROOT / folder
    stamp, digest = home / "requirements.sha256", hashlib.sha256(requirements.read_bytes()).hexdigest()
    python = home / "bin/python"
    if stamp.exists() and stamp.read_text() == digest:
        return str(python)
    print(f"installing {requirements.name} into {folder}", flush=True)
    shutil.rmtree(home, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    alone = ["--no-deps"] if "--no-deps" in requirements.read_text() else []
    pip = subprocess.run([str(python), "-m", "pip", "install", "-q", *alone, "--disable-pip-version-check", "-r", str(requirements)],
                         stdin=subprocess.DEVNULL)
    if pip.returncode:
        print(f"SKIP  the rivals of {requirements.name}: pip could not install them")
        return None
    stamp.write_text(digest)
    return str(python)


def corpus(work, clips):
    """(folder of mp4 files, what it is)."""
    target = work / f"corpus-{clips}"
    tool = os.environ.get("KPACK_BENCH_CORPUS_TOOL") or str(ROOT.parent / "shared/bench/make_corpus.sh")
    if not pathlib.Path(tool).exists():
        target = work / "corpus-fixtures"
        sources = sorted((ROOT / "fixtures/classes").rglob("*.mp4"))
        for i in range(clips):
            source = sources[i % len(sources)]
            to = target / source.parent.name / f"{source.stem}-{i:04}.mp4"
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(source, to)
        return target, f"{clips} copies of fixtures/classes (small and simple: real clips give other ratios)"
    if len(list(target.rglob("*.mp4"))) != clips:
        print(f"making {clips} clips with {tool}", flush=True)
        subprocess.run([tool, str(target), str(clips)], check=True, stdin=subprocess.DEVNULL)
    return target, f"{clips} clips by {pathlib.Path(tool).name}"


def multiply(source, target, times):
    """A corpus of `times` as many clips, as hard links: for the copying jobs, which are over in no time else."""
    for file in source.rglob("*.mp4"):
        for i in range(times):
            to = target / file.relative_to(source).with_name(f"{file.stem}-{i:02}.mp4")
            if not to.exists():
                to.parent.mkdir(parents=True, exist_ok=True)
                os.link(file, to)
    return target


def lengthen(source, target, times):
    """A corpus of clips `times` as long, by repeating their packets."""
    for file in sorted(source.rglob("*.mp4")):
        to = target / file.relative_to(source)
        if not to.exists():
            to.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["ffmpeg", "-nostdin", "-v", "error", "-y", "-stream_loop", str(times - 1), "-i", str(file),
                            "-c", "copy", str(to)], check=True, stdin=subprocess.DEVNULL)
    return target


def floor():
    """The loop of benches/floor.rs, built; or None with a printed reason where cargo is not there."""
    build = ["cargo", "bench", "-q", "--manifest-path", str(ROOT / "Cargo.toml"), "--bench", "floor", "--no-run", "--message-format", "json"]
    try:
        said = subprocess.run(build, check=True, capture_output=True, text=True).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"SKIP  the floor: {error}")
        return None
    made = [json.loads(line).get("executable") for line in said.splitlines() if '"floor"' in line]
    return next((path for path in made if path), None)


def plan(options, clips, work):
    """Job -> (input folder, {tool: command with {out}}); kpack is first in each."""
    kpack, j = options.kpack, ["-j2", "-q"]
    python = environment(".venv-bench", RIVALS / "requirements.txt")
    torch = environment(".venv-bench-full", RIVALS / "requirements-full.txt") if options.full else None
    src, sh = str(clips), str(RIVALS / "ffmpeg.sh")

    def scripts(names, *args):
        found = {n: [python, str(RIVALS / f"{n}.py"), src, "{out}", *args] for n in names if python}
        if torch and names[0].startswith("frames"):
            found["frames_torchcodec"] = [torch, str(RIVALS / "frames_torchcodec.py"), src, "{out}", *args]
        return found

    pictures = ["frames_opencv", "frames_pyav", "frames_decord"]
    jobs = {
        "frames": (clips, {"kpack": [kpack, "frames", src, "-o", "{out}", "--frames", "all", "--short-side", "256", "--quality", "90", *j],
                           "kpack webdataset": [kpack, "webdataset", src, "-o", "{out}", "--frames", "all", "--short-side", "256", "--quality", "90", *j],
                           "ffmpeg": [sh, "frames", src, "{out}"], **scripts(pictures)}),
        "frames5": (clips, {"kpack": [kpack, "frames", src, "-o", "{out}", "--frames", "5", "--short-side", "256", "--quality", "90", *j],
                            "ffmpeg": [sh, "frames5", src, "{out}"], **scripts(pictures, "--fps", "5")}),
        "audio": (clips, {"kpack": [kpack, "audio", src, "-o", "{out}", "--sample-rate", "16000", "--channels", "1", *j],
                          "ffmpeg": [sh, "audio", src, "{out}"], **scripts(["audio_pyav"])}),
    }
    # One thread, one loop, nothing written: only its CPU seconds compare.
    if "frames" in options.only and (loop := floor()):
        jobs["frames"][1]["floor (1 thread)"] = [loop, src]
    for name, folder in (("copy-many", lambda: multiply(clips, work / f"{clips.name}-many", 10)),
                         ("copy-long", lambda: lengthen(clips, work / f"{clips.name}-long", 10))):
        if name in options.only:
            big = folder()
            jobs[name] = (big, {"kpack": [kpack, "webdataset", str(big), "-o", "{out}", "--video", "copy", *j],
                                "kpack tfrecord": [kpack, "tfrecord", str(big), "-o", "{out}", "--video", "copy", *j],
                                "tar": ["sh", "-c", 'mkdir -p "$1" && tar --hard-dereference -cf "$1/all.tar" -C "$0" . && sync "$1/all.tar"', str(big), "{out}"]})
    return {name: jobs[name] for name in options.only}


def timed(command, out):
    """(wall seconds, CPU seconds) of one run; the output folder is fresh."""
    command = [str(out) if part == "{out}" else part for part in command]
    with open(os.devnull, "wb") as nothing, open(out.with_suffix(".stderr"), "wb") as errors:
        started = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=nothing, stderr=errors)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        said = out.with_suffix(".stderr").read_text(errors="replace").strip()[-300:]
        raise RuntimeError(f"exit code {child.returncode}: {said}")
    return wall, usage.ru_utime + usage.ru_stime


def produced(out):
    """(pictures, sound files, bytes of everything) in a folder."""
    files = [f for f in out.rglob("*") if f.is_file()] if out.exists() else []
    of = lambda *suffixes: sum(f.suffix in suffixes for f in files)
    return of(".jpg"), of(".wav"), sum(f.stat().st_size for f in files)


def measure(name, folder, tools, options, work):
    """Runs the tools of a job in turn, `runs` times; returns one row a tool."""
    for file in folder.rglob("*.mp4"):
        file.read_bytes()
    times, failed, made = {tool: [] for tool in tools}, {}, {}
    shutil.rmtree(work / "out", ignore_errors=True)
    (work / "out").mkdir()
    os.sync()
    time.sleep(6)
    for turn in range(options.runs):
        for tool, command in tools.items():
            if tool in failed:
                continue
            # A folder of its own for each run, removed at the end: ext4 makes files slowly for some seconds after
            # many were deleted.
            out = work / "out" / f"{turn}-{list(tools).index(tool)}"
            try:
                times[tool].append(timed(command, out))
                made[tool] = produced(out)
                if not made[tool][2] and not tool.startswith("floor"):
                    failed[tool] = "wrote nothing"
            except (RuntimeError, OSError) as error:
                failed[tool] = str(error)
            print(f"  {name} {turn + 1}/{options.runs} {tool}: {failed.get(tool) or f'{times[tool][-1][0]:.2f} s'}", flush=True)
    shutil.rmtree(work / "out", ignore_errors=True)
    rows = []
    for tool in tools:
        if tool in failed:
            rows.append({"tool": tool, "failed": failed[tool]})
            continue
        wall, cpu = (statistics.median(t[i] for t in times[tool]) for i in (0, 1))
        pictures, sounds, size = made[tool]
        rows.append({"tool": tool, "wall_s": wall, "cpu_s": cpu, "walls_s": [t[0] for t in times[tool]],
                     "pictures": pictures, "sounds": sounds, "bytes": size})
    base = rows[0]
    for row in rows:
        if "failed" not in row and "failed" not in base:
            row["kpack_wall_ratio"] = row["wall_s"] / base["wall_s"]
            row["kpack_cpu_ratio"] = row["cpu_s"] / base["cpu_s"] if base["cpu_s"] else None
    return rows


def table(name, folder, rows):
    size = sum(f.stat().st_size for f in folder.rglob("*.mp4"))
    print(f"\n{name}: {len(list(folder.rglob('*.mp4')))} clips, {size / 1e6:.0f} MB")
    print(f"  {'tool':18} {'wall s':>8} {'CPU s':>8} {'pictures':>9} {'pictures/s':>10} {'MB/s in':>8} {'MB out':>8} {'kpack is':>9} {'on CPU':>8}")
    for r in rows:
        if "failed" in r:
            print(f"  {r['tool']:18} failed: {r['failed'][:120]}")
            continue
        ratio = f"{r['kpack_wall_ratio']:.2f}x" if "kpack_wall_ratio" in r else "-"
        cpu = f"{r['kpack_cpu_ratio']:.2f}x" if r.get("kpack_cpu_ratio") else "-"
        print(f"  {r['tool']:18} {r['wall_s']:8.2f} {r['cpu_s']:8.2f} {r['pictures']:9} {r['pictures'] / r['wall_s']:10.0f} "
              f"{size / 1e6 / r['wall_s']:8.1f} {r['bytes'] / 1e6:8.1f} {ratio:>9} {cpu:>8}")


def machine():
    cpu = platform.processor() or platform.machine()
    if pathlib.Path("/proc/cpuinfo").exists():
        names = [l.split(":")[1].strip() for l in open("/proc/cpuinfo") if l.startswith("model name")]
        cpu = names[0] if names else cpu
    ffmpeg = subprocess.run(["ffmpeg", "-version"], capture_output=True, text=True).stdout.split("\n")[0]
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform(), "ffmpeg": ffmpeg, "date": time.strftime("%Y-%m-%d")}


def arguments():
    jobs = ["frames", "frames5", "audio", "copy-many", "copy-long"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=40)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", type=lambda v: v.split(","), default=jobs, help=",".join(jobs))
    parser.add_argument("--full", action="store_true", help="also torchcodec (installs torch, several GB)")
    parser.add_argument("--json", type=pathlib.Path, metavar="FILE", help="write every number there")
    parser.add_argument("--work", type=pathlib.Path, help="folder for clips and outputs; default a folder in the temporary directory")
    options = parser.parse_args()
    if unknown := set(options.only) - set(jobs):
        parser.error(f"no such job: {', '.join(sorted(unknown))}")
    kpack = pathlib.Path(os.environ.get("KPACK", "target/release/kpack"))
    options.kpack = str(kpack if kpack.is_absolute() else ROOT / kpack)
    if not pathlib.Path(options.kpack).exists():
        parser.error(f"{options.kpack} is not there: make build, or name another in KPACK")
    return options


def main():
    options = arguments()
    work = (options.work or pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / "kpack-bench").absolute()
    work.mkdir(parents=True, exist_ok=True)
    clips, what = corpus(work, options.clips)
    report = {"machine": machine(), "corpus": what, "runs": options.runs, "jobs": {}}
    about = report["machine"]
    print(f"{about['cpu']}, {about['cores']} cores; {about['ffmpeg']}\n{what}; median of {options.runs} runs, page cache warm")
    for name, (folder, tools) in plan(options, clips, work).items():
        report["jobs"][name] = measure(name, folder, tools, options, work)
        table(name, folder, report["jobs"][name])
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n")
    failed = [f"{job}: {row['tool']}" for job, rows in report["jobs"].items() for row in rows if "failed" in row]
    if failed:
        print(f"\nfailed: {', '.join(failed)}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
