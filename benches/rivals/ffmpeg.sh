#!/usr/bin/env bash
# The ffmpeg command, one a clip, two at a time: ffmpeg.sh frames|frames5|audio SRC OUT
set -euo pipefail
export WHAT=$1 SRC=$2 OUT=$3
one() {
  local name=${1#"$SRC"/}
  local target=$OUT/${name%.mp4}
  local scale="scale='if(lte(iw,ih),256,-2)':'if(lte(iw,ih),-2,256)'"
  case $WHAT in
    frames) mkdir -p "$target" && ffmpeg -nostdin -v error -threads 1 -i "$1" -an -vf "$scale" -threads 1 -q:v 2 "$target/img_%05d.jpg" ;;
    frames5) mkdir -p "$target" && ffmpeg -nostdin -v error -threads 1 -i "$1" -an -vf "fps=5,$scale" -threads 1 -q:v 2 "$target/img_%05d.jpg" ;;
    audio) mkdir -p "${target%/*}" && ffmpeg -nostdin -v error -threads 1 -i "$1" -vn -ac 1 -ar 16000 "$target.wav" ;;
  esac
}
export -f one
find "$SRC" -name '*.mp4' -print0 | xargs -0 -P2 -I{} bash -c 'one "$1"' _ {}
