"""PyAV, with simplejpeg (libjpeg-turbo) for the pictures."""
import av
import numpy
import simplejpeg

import pool


def frames(file, target):
    made, due = 0, 0.0
    with av.open(file) as container:
        track = container.streams.video[0]
        track.codec_context.thread_count = 1
        for frame in container.decode(track):
            if pool.options.fps:
                if frame.time is not None and frame.time + 1e-6 < due:
                    continue
                due += 1 / pool.options.fps
            width, height = pool.scaled(frame.width, frame.height)
            rgb = numpy.ascontiguousarray(frame.to_ndarray(width=width, height=height, format="rgb24"))
            made += 1
            with open(f"{target}/img_{made:05d}.jpg", "wb") as out:
                out.write(simplejpeg.encode_jpeg(rgb, pool.options.quality, "RGB", "420"))
    return made


pool.run(frames)
