"""What the index is made of: its tables, and how an older index gets those that came later.

content   a picture's bytes: SHA-256, size, when it was taken
place     where a content was seen: computer and path, with the file's size and time of change
analysis  what one analyzer (models and settings, by its key) made of one content: faces, or a problem
face      box, landmarks, score, sharpness and vector; in a video, when it is seen, seconds

A moved, renamed or copied photo is a new place of a known content; another analyzer is a new analysis of it.

quarantine  files that are not opened again, because they cost a worker process; their contents are unknown

search    the runs that looked for people: the last one can be looked through again on the review page, also after other
          runs, for place has beside the last run that saw a file the last search that did

identity  the index's own random name: by it a crop is known as one of ours
pile      a folder whose people are grouped
person    a group's number, for ever
grouped   the last grouping, -1 for strangers; regrouped is what each face was before a step of the user changed it
step      one thing that the user said, in words; word, naming, joining and aside are its parts (see review.word)
shown     which crops lie in the groups folder, and where
tree      the groups folder written last; complete is 0 while it is being written
"""

APPLICATION = 0x46616365  # "Face": marks the file as ours
VERSION = 5

SCHEMA = """
CREATE TABLE run (id INTEGER PRIMARY KEY, computer TEXT NOT NULL, started REAL NOT NULL);
CREATE TABLE analyzer (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE);
CREATE TABLE content (
    id INTEGER PRIMARY KEY, sha256 BLOB NOT NULL UNIQUE, bytes INTEGER NOT NULL,
    width INTEGER, height INTEGER, taken TEXT);
CREATE INDEX content_bytes ON content (bytes);
CREATE TABLE place (
    computer TEXT NOT NULL, path BLOB NOT NULL, bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL,
    content INTEGER NOT NULL REFERENCES content, run INTEGER NOT NULL REFERENCES run,
    PRIMARY KEY (computer, path)) WITHOUT ROWID;
CREATE INDEX place_run ON place (run, content);
CREATE TABLE analysis (
    content INTEGER NOT NULL REFERENCES content, analyzer INTEGER NOT NULL REFERENCES analyzer, problem TEXT,
    PRIMARY KEY (content, analyzer)) WITHOUT ROWID;
CREATE TABLE face (
    id INTEGER PRIMARY KEY, content INTEGER NOT NULL REFERENCES content,
    analyzer INTEGER NOT NULL REFERENCES analyzer,
    x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL, score REAL NOT NULL,
    sharpness REAL NOT NULL, landmarks BLOB NOT NULL, vector BLOB NOT NULL);
CREATE INDEX face_content ON face (content, analyzer);
"""

# Version -> what has to be added to an index of the version before it. Nothing that was there is touched.
ADDITIONS = {
    2: """
CREATE TABLE identity (name TEXT NOT NULL);
INSERT INTO identity VALUES (lower(hex(randomblob(8))));
CREATE INDEX place_content ON place (content);
CREATE TABLE pile (computer TEXT NOT NULL, path BLOB NOT NULL, PRIMARY KEY (computer, path)) WITHOUT ROWID;
CREATE TABLE person (id INTEGER PRIMARY KEY AUTOINCREMENT);
CREATE TABLE grouped (face INTEGER PRIMARY KEY REFERENCES face, person INTEGER NOT NULL);
CREATE TABLE regrouped (id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step, face INTEGER, person INTEGER);
CREATE TABLE step (
    id INTEGER PRIMARY KEY AUTOINCREMENT, made REAL NOT NULL, what TEXT NOT NULL, undone INTEGER NOT NULL DEFAULT 0);
CREATE TABLE word (
    id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step, sha256 BLOB NOT NULL,
    x REAL NOT NULL, y REAL NOT NULL, width REAL NOT NULL, height REAL NOT NULL,
    person INTEGER NOT NULL, verdict TEXT NOT NULL);
CREATE TABLE naming (id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step, person INTEGER, name TEXT);
CREATE TABLE joining (id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step, person INTEGER, other INTEGER);
CREATE TABLE aside (id INTEGER PRIMARY KEY, step INTEGER NOT NULL REFERENCES step, person INTEGER);
CREATE TABLE shown (
    face INTEGER NOT NULL REFERENCES face, path TEXT NOT NULL, person INTEGER, kind TEXT NOT NULL,
    PRIMARY KEY (face, path)) WITHOUT ROWID;
CREATE TABLE tree (mark INTEGER PRIMARY KEY AUTOINCREMENT, complete INTEGER NOT NULL);
""",
    3: """
ALTER TABLE face ADD COLUMN moment REAL;
ALTER TABLE face ADD COLUMN seen_from REAL;
ALTER TABLE face ADD COLUMN seen_until REAL;
CREATE TABLE search (run INTEGER PRIMARY KEY REFERENCES run);
""",
    4: """
CREATE TABLE quarantine (
    computer TEXT NOT NULL, path BLOB NOT NULL, analyzer INTEGER NOT NULL REFERENCES analyzer,
    bytes INTEGER NOT NULL, modified_ns INTEGER NOT NULL, reason TEXT NOT NULL,
    PRIMARY KEY (computer, path, analyzer)) WITHOUT ROWID;
""",
    5: """
ALTER TABLE place ADD COLUMN search INTEGER;
UPDATE place SET search = run WHERE run IN (SELECT run FROM search);
""",
}
