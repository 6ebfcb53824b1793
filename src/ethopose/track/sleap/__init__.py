"""The trackers of sleap-nn 0.3.5 by name, for those who must reproduce: arrays in, tracks out."""
