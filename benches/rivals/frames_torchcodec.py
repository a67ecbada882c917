"""torchcodec on the CPU, with torch's resize and simplejpeg for the pictures."""
import simplejpeg
import torch
from torchcodec.decoders import VideoDecoder

import pool


def frames(file, target):
    torch.set_num_threads(1)
    video = VideoDecoder(file, num_ffmpeg_threads=1, seek_mode="approximate", dimension_order="NCHW")
    about = video.metadata
    keep = pool.wanted(about.num_frames, about.average_fps)
    made = 0
    for at in range(0, len(keep), 32):
        batch = video.get_frames_at(keep[at:at + 32]).data
        width, height = pool.scaled(batch.shape[3], batch.shape[2])
        if (height, width) != tuple(batch.shape[2:]):
            batch = torch.nn.functional.interpolate(batch.float(), (height, width), mode="bilinear", antialias=True)
            batch = batch.round().clamp(0, 255).to(torch.uint8)
        for picture in batch.permute(0, 2, 3, 1).contiguous().numpy():
            made += 1
            with open(f"{target}/img_{made:05d}.jpg", "wb") as out:
                out.write(simplejpeg.encode_jpeg(picture, pool.options.quality, "RGB", "420"))
    return made


pool.run(frames)
