-- SPDX-License-Identifier: Apache-2.0
-- Where a job runs and when. machine: what the worker said of the processor it ran on. limits: JSON of what is less than the
-- target's own. retries: how often a failure that may pass is tried again, of which retried have been; not before not_before.
ALTER TABLE jobs ADD COLUMN target TEXT NOT NULL DEFAULT 'local';
ALTER TABLE jobs ADD COLUMN machine TEXT;
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN limits TEXT;
ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN not_before TEXT;

-- Jobs of one submission.
CREATE TABLE grids (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	spec TEXT NOT NULL,
	created TEXT NOT NULL,
	submitter TEXT,
	token INTEGER REFERENCES tokens (id)
);
-- Which values each has, in the order of the submission. An identical job that was there before is one of them, too.
CREATE TABLE grid_jobs (
	grid INTEGER NOT NULL REFERENCES grids (id) ON DELETE CASCADE,
	number INTEGER NOT NULL,
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	at TEXT NOT NULL,
	PRIMARY KEY (grid, number)
) WITHOUT ROWID;
CREATE INDEX grid_jobs_job ON grid_jobs (job);

-- A job waits until those have succeeded.
CREATE TABLE job_after (
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	after INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	PRIMARY KEY (job, after)
) WITHOUT ROWID;
CREATE INDEX job_after_after ON job_after (after);

-- The queue, and what a token's jobs have used lately.
CREATE INDEX jobs_queue ON jobs (target, priority DESC, id) WHERE state = 'queued';
CREATE INDEX jobs_not_before ON jobs (not_before) WHERE state = 'queued' AND not_before IS NOT NULL;
CREATE INDEX jobs_started ON jobs (started) WHERE started IS NOT NULL;
