"""The names of people in the XMP of photos: read from the searched ones, written beside copies."""
