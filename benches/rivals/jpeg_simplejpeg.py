"""simplejpeg: RGB pictures of loose JPEG files, a folder for each clip, from random places of random clips."""
import pathlib

import simplejpeg

from reading import measure, numbers, options, turns

clips = sorted({file.parent for file in options.folder.rglob("img_*.jpg")})
frames = {clip: sorted(clip.glob("img_*.jpg")) for clip in clips}


def once():
    shown = 0
    for clip, at in turns(clips):
        paths = frames[clip]
        for number in numbers(len(paths), at):
            simplejpeg.decode_jpeg(pathlib.Path(paths[number]).read_bytes(), "RGB")
            shown += 1
    return options.clips, shown


measure(once)
