"""Files -> worker processes -> what is in them, whatever becomes of a worker."""
