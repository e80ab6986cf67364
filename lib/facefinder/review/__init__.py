"""The groups folder and the user's word: what lies in it, what was done to it, who is who. See facefinder.groups."""
