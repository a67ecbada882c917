"""PyAV: 16 kHz mono WAV of each clip."""
import wave

import av

import pool


def sound(file, target):
    with av.open(file) as container, wave.open(f"{target}.wav", "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(16000)
        convert = av.AudioResampler(format="s16", layout="mono", rate=16000)
        for frame in container.decode(audio=0):
            for piece in convert.resample(frame):
                out.writeframesraw(piece.to_ndarray().tobytes())
        for piece in convert.resample(None):
            out.writeframesraw(piece.to_ndarray().tobytes())
    return 1


pool.run(sound, per_clip_folder=False)
