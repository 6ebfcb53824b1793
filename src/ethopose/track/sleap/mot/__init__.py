"""sleap-nn's trackers of the SORT family by geometry: sort, bytetrack, ocsort, and how tracks are linked."""
