-- SPDX-License-Identifier: Apache-2.0
-- What people say of a job.
ALTER TABLE jobs ADD COLUMN name TEXT COLLATE NOCASE;
ALTER TABLE jobs ADD COLUMN notes TEXT;
CREATE TABLE job_tags (
	tag TEXT NOT NULL,
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	PRIMARY KEY (tag, job)
) WITHOUT ROWID;
CREATE INDEX job_tags_job ON job_tags (job);

-- What lists show of a job, filter and sort by. best: the best of its result, {scheme, metric, value, ...}; null as JSON: it
-- has none; NULL: nobody has looked.
ALTER TABLE jobs ADD COLUMN network TEXT COLLATE NOCASE;
ALTER TABLE jobs ADD COLUMN best TEXT;
ALTER TABLE jobs ADD COLUMN best_value REAL GENERATED ALWAYS AS (json_extract(best, '$.value')) VIRTUAL;
ALTER TABLE jobs ADD COLUMN took REAL GENERATED ALWAYS AS (round((julianday(finished) - julianday(started)) * 86400, 3)) VIRTUAL;
UPDATE jobs SET network = coalesce((SELECT name FROM job_inputs WHERE job = jobs.id AND field = 'model'),
	json_extract(spec, '$.network.name'), json_extract(spec, '$.network'));
CREATE INDEX jobs_type ON jobs (type, id);
CREATE INDEX jobs_name ON jobs (name, id);
CREATE INDEX jobs_network ON jobs (network, id);
CREATE INDEX jobs_finished ON jobs (finished, id);
CREATE INDEX jobs_took ON jobs (took, id);
CREATE INDEX jobs_best ON jobs (best_value, id);
CREATE TABLE job_schemes (
	scheme TEXT NOT NULL,
	job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
	PRIMARY KEY (scheme, job)
) WITHOUT ROWID;
CREATE INDEX job_schemes_job ON job_schemes (job);

-- The words of each job in lower case, found by three letters of them; where these stand is not kept, which makes it fast.
CREATE VIRTUAL TABLE job_text USING fts5 (text, tokenize = 'trigram', detail = none);

-- What a job is about, as job_schemes and job_text hold it; the daemon asks the same of new ones.
CREATE VIEW job_scheme_names AS SELECT j.id AS job, CASE e.type WHEN 'text' THEN e.value
	ELSE coalesce(json_extract(e.value, '$.name'), json_extract(e.value, '$.scheme')) END AS scheme
	FROM jobs j, json_each(json_array(json_extract(j.spec, '$.schemes'), json_extract(j.spec, '$.formats'),
	json_array(json_extract(j.spec, '$.scheme')))) list, json_each(list.value) e
	WHERE list.type = 'array' AND e.type IN ('text', 'object');
CREATE VIEW job_words AS SELECT j.id AS job, lower('j' || j.id || ' ' || j.type || ' ' || coalesce(j.name, '') || ' ' ||
	coalesce(j.network, '') || ' ' || coalesce(j.submitter, '') || ' ' || coalesce(j.notes, '') || ' ' ||
	coalesce((SELECT group_concat(name, ' ') FROM job_inputs WHERE job = j.id), '') || ' ' ||
	coalesce((SELECT group_concat(tag, ' ') FROM job_tags WHERE job = j.id), '') || ' ' ||
	coalesce((SELECT group_concat(scheme, ' ') FROM job_schemes WHERE job = j.id), '')) AS text FROM jobs j;
INSERT OR IGNORE INTO job_schemes (scheme, job) SELECT scheme, job FROM job_scheme_names WHERE scheme IS NOT NULL;
INSERT INTO job_text (rowid, text) SELECT job, text FROM job_words;
