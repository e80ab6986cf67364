"""The page to look at after a search: one file that needs neither a network nor this program."""
