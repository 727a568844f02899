-- SPDX-License-Identifier: Apache-2.0
-- Ids that people see are never used twice, so the last number of each kind is kept.
CREATE TABLE counters (kind TEXT PRIMARY KEY, last INTEGER NOT NULL);
INSERT INTO counters VALUES ('m', 0), ('d', 0);

-- Models (kind m) and datasets (kind d). The file is blobs/<sha256>.
CREATE TABLE uploads (
	id TEXT PRIMARY KEY,
	kind TEXT NOT NULL CHECK (kind IN ('m', 'd')),
	number INTEGER NOT NULL,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size INTEGER NOT NULL,
	created TEXT NOT NULL,
	inspection TEXT NOT NULL DEFAULT 'pending' CHECK (inspection IN ('pending', 'ok', 'failed')),
	inspection_result TEXT,
	inspection_error TEXT,
	UNIQUE (kind, sha256),
	UNIQUE (kind, number)
);

CREATE TABLE jobs (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	type TEXT NOT NULL,
	state TEXT NOT NULL DEFAULT 'queued'
		CHECK (state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')),
	spec TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	engine TEXT NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0,
	created TEXT NOT NULL,
	started TEXT,
	finished TEXT,
	progress TEXT,
	worker_exit TEXT,
	error TEXT
);
CREATE INDEX jobs_state ON jobs (state, id);
CREATE INDEX jobs_fingerprint ON jobs (fingerprint);

-- Which upload each field of a job named; name and hash outlive the upload.
CREATE TABLE job_inputs (
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	field TEXT NOT NULL,
	upload TEXT NOT NULL,
	name TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	PRIMARY KEY (job, field)
) WITHOUT ROWID;
CREATE INDEX job_inputs_upload ON job_inputs (upload);

CREATE TABLE events (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	kind TEXT NOT NULL,
	data TEXT NOT NULL
);
CREATE INDEX events_job ON events (job, id);

CREATE TABLE results (
	job INTEGER PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
	result TEXT NOT NULL
);

CREATE TABLE metrics (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	scope TEXT NOT NULL,
	scheme TEXT,
	tensor TEXT,
	step INTEGER,
	name TEXT NOT NULL,
	value REAL,
	unit TEXT,
	time TEXT NOT NULL
);
CREATE INDEX metrics_job ON metrics (job);
CREATE INDEX metrics_name ON metrics (name, scheme);

CREATE TABLE artifacts (
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	name TEXT NOT NULL,
	content_type TEXT NOT NULL,
	sha256 TEXT NOT NULL,
	size INTEGER NOT NULL,
	PRIMARY KEY (job, name)
) WITHOUT ROWID;
