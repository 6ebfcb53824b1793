"""Frames in, frames out: video files and folders of images, read by blocks and written whole."""

from ethopose.media.find import LABELLED, VIDEO_SUFFIXES, find_videos, glance, is_drawn, open_video
from ethopose.media.joined import JoinedVideo, open_recording
from ethopose.media.pictures import picture_size, read_pictures
from ethopose.media.video import Block, Caution, Video
from ethopose.media.writer import VideoWriter

__all__ = [
    "LABELLED",
    "VIDEO_SUFFIXES",
    "Block",
    "Caution",
    "JoinedVideo",
    "Video",
    "VideoWriter",
    "find_videos",
    "glance",
    "is_drawn",
    "open_recording",
    "open_video",
    "picture_size",
    "read_pictures",
]
