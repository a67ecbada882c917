"""Python tarfile and GNU tar: the dialect of the WebDataset shards, member by member."""
import subprocess
import sys
import tarfile

from common import Report, Work, same_list

work, report = Work(sys.argv[1]), Report("tar")


def members(shard):
    with tarfile.open(shard) as tar:
        return tar.getmembers()


def dialect():
    for shard in work.shards("wds-video", ".tar") + work.shards("wds-frames", ".tar"):
        data = open(shard, "rb").read()
        if data[-1024:] != bytes(1024):
            yield f"{shard}: does not end in two zero blocks"
        for m in members(shard):
            head = data[m.offset:m.offset + 512]
            if head[257:265] != b"ustar\x0000" or head[156:157] != b"0" or m.offset_data != m.offset + 512:
                yield f"{shard}: {m.name}: not a plain ustar member"
            if (m.uid, m.gid) != (0, 0) or m.pax_headers or m.mtime != int(m.mtime):
                yield f"{shard}: {m.name}: owner {m.uid}:{m.gid}, mtime {m.mtime}, pax {m.pax_headers}"
            if len(m.name) > 100 or not m.name.isascii():
                yield f"{shard}: {m.name}: not a name that every reader takes"


def grouping():
    seen = set()
    for shard in work.shards("wds-video", ".tar"):
        names = [m.name for m in members(shard)]
        yield from same_list([n for n in names if names.count(n) > 1], [], "names twice in a shard")
        last = None
        for name in names:
            folder, _, base = name.rpartition("/")
            key = f"{folder}/{base.split('.')[0]}"
            if key != last and key in seen:
                yield f"{shard}: the members of {key} are not together"
            seen.add(key)
            last = key
    yield from same_list(sorted(seen), sorted(work.keys), "keys")


def gnu_tar():
    for shard in work.shards("wds-video", ".tar") + work.shards("wds-gzip", ".tar.gz"):
        done = subprocess.run(["tar", "-tf", shard], capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            yield f"{shard}: tar ended with {done.returncode}: {done.stderr.strip()}"
        yield from same_list(done.stdout.splitlines(), [m.name for m in members(shard)], shard)


report.guard("every member is plain ustar with fixed owner and whole mtime", dialect)
report.guard("the members of a sample stand together", grouping)
report.guard("GNU tar lists the same members", gnu_tar)
report.close()
