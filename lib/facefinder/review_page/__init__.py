"""A page in the browser to say who is who: a small server on this computer, for this computer only."""
