"""Pictures and the faces in them: detect, align, embed. Knows nothing of people."""
