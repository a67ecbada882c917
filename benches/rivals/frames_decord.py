"""decord, with simplejpeg for the pictures; decord scales while it decodes."""
import decord
import simplejpeg

import pool


def frames(file, target):
    size = decord.VideoReader(file, num_threads=1)[0].shape
    width, height = pool.scaled(size[1], size[0])
    video = decord.VideoReader(file, width=width, height=height, num_threads=1)
    keep = pool.wanted(len(video), video.get_avg_fps())
    made = 0
    for at in range(0, len(keep), 32):
        for picture in video.get_batch(keep[at:at + 32]).asnumpy():
            made += 1
            with open(f"{target}/img_{made:05d}.jpg", "wb") as out:
                out.write(simplejpeg.encode_jpeg(picture, pool.options.quality, "RGB", "420"))
    return made


pool.run(frames)
