"""Files on a disk and the pictures in them. Knows nothing of faces."""
