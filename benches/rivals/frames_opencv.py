"""The OpenCV loop that most frame extraction scripts are."""
import cv2

import pool


def frames(file, target):
    cv2.setNumThreads(1)
    video = cv2.VideoCapture(file, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
    keep = set(pool.wanted(int(video.get(cv2.CAP_PROP_FRAME_COUNT)), video.get(cv2.CAP_PROP_FPS) or 25))
    made = index = 0
    while video.grab():
        if not pool.options.fps or index in keep:
            ok, picture = video.retrieve()
            if not ok:
                break
            height, width = picture.shape[:2]
            size = pool.scaled(width, height)
            if size != (width, height):
                picture = cv2.resize(picture, size)
            made += 1
            cv2.imwrite(f"{target}/img_{made:05d}.jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, pool.options.quality])
        index += 1
    return made


pool.run(frames)
