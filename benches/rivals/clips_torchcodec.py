"""torchcodec: frames of random clips, from bytes, in its quicker mode of seeking."""
import torch
from torchcodec.decoders import VideoDecoder

from reading import clips, numbers

torch.set_num_threads(1)


def decode(video, at):
    decoder = VideoDecoder(video, num_ffmpeg_threads=1, seek_mode="approximate")
    return len(decoder.get_frames_at(numbers(len(decoder), at)).data)


clips(decode)
