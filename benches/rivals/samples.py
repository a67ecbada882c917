"""Tars of made samples, with random bytes where a real dataset has its media. Standard library only."""
import io
import json
import pathlib
import random
import sys
import tarfile


def make(path, first, count, size):
    chance = random.Random(first)
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as tar:
        for i in range(first, first + count):
            key, label = f"class{i % 20:02}/clip_{i:06}", f"class{i % 20:02}"
            meta = {"key": key, "source": f"videos/{key}.mp4", "label": label, "label_index": i % 20, "start": 0.0, "end": 10.0,
                    "width": 340, "height": 256, "fps": 29.97}
            data = chance.randbytes(int(size * chance.uniform(0.8, 1.2)))
            for name, content in [("bin", data), ("cls", str(i % 20).encode()), ("json", json.dumps(meta, separators=(",", ":")).encode())]:
                member = tarfile.TarInfo(f"{key}.{name}")
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


if __name__ == "__main__":
    folder, samples, size, shards = pathlib.Path(sys.argv[1]), *map(int, sys.argv[2:])
    folder.mkdir(parents=True)
    for shard in range(shards):
        make(folder / f"train-{shard:06}.tar", shard * samples // shards, samples // shards, size)
