"""decord: frames of random clips, from bytes."""
import io

import decord

from reading import clips, numbers


def decode(video, at):
    reader = decord.VideoReader(io.BytesIO(video), num_threads=1)
    return len(reader.get_batch(numbers(len(reader), at)).asnumpy())


clips(decode)
