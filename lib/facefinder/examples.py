"""What the help of each command ends with: examples. {program} stands for what starts the program."""

EXAMPLES = """
examples:
  {program}                                       everybody in refs/, copies to found/ beside the script
  {program} --refs refs/Mom --copy out            everything on this computer that shows Mom
  {program} --refs refs --copy out /mnt/old-disk  everybody in refs/ (one folder each), in a given place
  {program} --refs refs --dry-run                 what would be copied
  {program} --demo                                try it on a small album

Every flag has a twin in face_finder.toml beside the script, for example:  jobs = 2
"""

GROUPS_EXAMPLES = """
examples:
  {program} groups                                 sort the faces in this computer's photos into groups/
  {program} groups /mnt/old-disk                   those of a given place too
  {program} groups --copy out --person Mom         copy Mom's photos, once her folder in groups/ is called Mom
  {program} groups --copy out --person Mom --person Dad --together
  {program} --person Mom --copy out /mnt/new-disk  find Mom elsewhere

Flags that do not change from run to run have a twin in face_finder.toml beside the script:  jobs = 2
"""

REVIEW_EXAMPLES = """
examples:
  {program} review                  look through what the last search found
  {program} review --refs refs/Mom  with the same --refs and --model as that search, if it had any
"""

FORGET_EXAMPLES = """
examples:
  {program} forget --person Mom        her faces, and all that was said of them
  {program} forget --computer PC-ANNA  what was found on that computer and nowhere else
  {program} forget --all               all of it
"""
