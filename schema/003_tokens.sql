-- SPDX-License-Identifier: Apache-2.0
-- Who may do what. Of a secret only its SHA-256 is kept: it has 256 random bits, so nothing slower is needed. Tokens are
-- revoked, never deleted, for jobs and the audit log name them. A limit that is NULL is the server's.
CREATE TABLE tokens (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	name TEXT NOT NULL,
	role TEXT NOT NULL CHECK (role IN ('read', 'submit', 'admin')),
	hash TEXT NOT NULL UNIQUE,
	created TEXT NOT NULL,
	expires TEXT,
	revoked TEXT,
	upload_bytes INTEGER,
	queued_jobs INTEGER,
	requests_per_minute INTEGER
);
CREATE UNIQUE INDEX tokens_name ON tokens (name) WHERE revoked IS NULL;

-- Browsers that have logged in with a token.
CREATE TABLE sessions (
	hash TEXT PRIMARY KEY,
	token INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
	created TEXT NOT NULL,
	expires TEXT NOT NULL
) WITHOUT ROWID;

-- What was asked for that changes something, and who was refused.
CREATE TABLE audit (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	time TEXT NOT NULL,
	who TEXT,
	token INTEGER,
	address TEXT,
	method TEXT NOT NULL,
	path TEXT NOT NULL,
	object TEXT,
	status INTEGER NOT NULL
);

-- Whose they are: 'local' of somebody on the server's machine who needed no token; NULL of what is older than this.
ALTER TABLE jobs ADD COLUMN submitter TEXT;
ALTER TABLE jobs ADD COLUMN token INTEGER REFERENCES tokens (id);
ALTER TABLE uploads ADD COLUMN submitter TEXT;
ALTER TABLE uploads ADD COLUMN token INTEGER REFERENCES tokens (id);
CREATE INDEX uploads_token ON uploads (token) WHERE token IS NOT NULL;
CREATE INDEX jobs_token ON jobs (token, state) WHERE token IS NOT NULL;
