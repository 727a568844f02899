/* SPDX-License-Identifier: Apache-2.0
 *
 * All SQL of the daemon, named. The names of result columns are the names of the API's fields; ":json" behind one
 * says that its text is JSON and becomes a value, ":bool" that its number becomes true or false.
 *
 * Nothing else knows a table's name.
 */
#ifndef QB_DAEMON_SQL_H
#define QB_DAEMON_SQL_H

/* As many as are deleted while nothing else is done: some milliseconds. */
#define SOME_ROWS "2000"

/* What is taken out of a copy of the database that people may have who may read. */
#define QB_PUBLIC_COPY \
	"DELETE FROM sessions; DELETE FROM deliveries; DELETE FROM audit; UPDATE jobs SET token = NULL WHERE token IS NOT NULL; " \
	"UPDATE uploads SET token = NULL WHERE token IS NOT NULL; UPDATE grids SET token = NULL; DELETE FROM tokens"

/* Attempts at an inspection that nobody asked for by name. */
#define INSPECTIONS_MAX "3"

#define UPLOAD_COLUMNS \
	"id, name, size AS size_bytes, sha256, created, submitter, json_object('state', inspection, " \
	"'error', json(inspection_error), 'result', json_remove(inspection_result, '$.graph')) " \
	"AS \"inspection:json\" "

#define INPUT_REF(field) \
	"(SELECT json_object('id', upload, 'name', name) FROM job_inputs WHERE job = j.id " \
	"AND field = '" field "') "

/* Without the place in the queue. */
#define JOB_ROW \
	"'j' || j.id AS id, j.type, j.state, j.name, j.notes, coalesce((SELECT json_group_array(tag) FROM (SELECT tag FROM " \
	"job_tags WHERE job = j.id ORDER BY tag)), '[]') AS \"tags:json\", j.spec AS \"spec:json\", " \
	INPUT_REF("model") "AS \"model:json\", " INPUT_REF("data") "AS \"data:json\", " \
	"j.submitter, j.fingerprint, j.engine, j.attempts, 0 AS \"cached:bool\", j.created, j.started, " \
	"j.finished, j.progress AS \"progress:json\", j.best AS \"best:json\", " \
	"(SELECT 'g' || min(grid) FROM grid_jobs WHERE job = j.id) AS grid, j.target, j.machine AS \"machine:json\", j.priority, j.limits AS \"limits:json\", j.retries, " \
	"coalesce((SELECT json_group_array('j' || f.after) FROM job_after f WHERE f.job = j.id), '[]') AS \"after:json\", " \
	"j.error AS \"error:json\", coalesce((SELECT json_group_array(json_object('name', a.name, " \
	"'content_type', a.content_type, 'size_bytes', a.size, 'sha256', a.sha256)) FROM " \
	"artifacts a WHERE a.job = j.id), '[]') AS \"artifacts:json\" "

/* What the latest such jobs took: of the kind, on the target, with the same files. */
#define EXPECTED \
	"CASE WHEN j.state IN ('queued', 'running') THEN (SELECT avg(s) FROM (SELECT (julianday(p.finished) - " \
	"julianday(p.started)) * 86400 AS s FROM jobs p WHERE p.state = 'succeeded' AND p.id > j.id - 1000 AND p.id <> j.id AND " \
	"p.type = j.type AND p.target = j.target AND NOT EXISTS (SELECT 1 FROM job_inputs a WHERE a.job = j.id AND NOT EXISTS " \
	"(SELECT 1 FROM job_inputs b WHERE b.job = p.id AND b.field = a.field AND b.sha256 = a.sha256)) " \
	"ORDER BY p.id DESC LIMIT 5)) END AS expected_seconds "

#define JOB_COLUMNS \
	JOB_ROW ", CASE j.state WHEN 'queued' THEN " \
	"(SELECT count(*) FROM jobs q WHERE q.state = 'queued' AND q.target = j.target AND q.priority >= j.priority AND " \
	"(q.priority > j.priority OR q.id <= j.id)) END AS position "

/* Filters of lists of jobs: name in a query, the ids of the jobs that pass in ascending order, whether job k.job does, by an
 * index and not by the job's wide row. Each has one parameter. */
#define QB_JOB_FILTERS(X) \
	X(state, "SELECT id AS job FROM jobs WHERE state = ?", \
		"EXISTS (SELECT 1 FROM jobs t INDEXED BY jobs_state WHERE t.state = ? AND t.id = k.job)") \
	X(type, "SELECT id AS job FROM jobs WHERE type = ?", \
		"EXISTS (SELECT 1 FROM jobs t INDEXED BY jobs_type WHERE t.type = ? AND t.id = k.job)") \
	X(tag, "SELECT job FROM job_tags WHERE tag = ?", \
		"EXISTS (SELECT 1 FROM job_tags t WHERE t.tag = ? AND t.job = k.job)") \
	X(scheme, "SELECT job FROM job_schemes WHERE scheme = ?", \
		"EXISTS (SELECT 1 FROM job_schemes t WHERE t.scheme = ? AND t.job = k.job)") \
	X(model, "SELECT job FROM job_inputs WHERE upload = ? AND field = 'model'", \
		"EXISTS (SELECT 1 FROM job_inputs t WHERE t.job = k.job AND t.field = 'model' AND t.upload = ?)") \
	X(data, "SELECT job FROM job_inputs WHERE upload = ? AND field = 'data'", \
		"EXISTS (SELECT 1 FROM job_inputs t WHERE t.job = k.job AND t.field = 'data' AND t.upload = ?)")
/* Words of a search: the jobs in whose text all pieces of three letters are; whether a word is in the text (FTS5 keeps it in
 * that table), or in the text or the state. */
#define QB_JOB_WORD_IDS "SELECT rowid AS job FROM job_text WHERE job_text MATCH ?"
#define QB_JOB_WORD_TEST "instr((SELECT t.c0 FROM job_text_content t WHERE t.id = k.job), ?)"
#define QB_JOB_STATE_WORD_TEST "(" QB_JOB_WORD_TEST " OR (SELECT instr(t.state, ?) FROM jobs t WHERE t.id = k.job))"
/* What a list is sorted by: name in a query, expression, whether it can be NULL. Each has an index. */
#define QB_JOB_SORTS(X) \
	X(created, "j.id", false) \
	X(finished, "j.finished", true) \
	X(took, "j.took", true) \
	X(name, "j.name", true) \
	X(model, "j.network", true) \
	X(type, "j.type", false) \
	X(state, "j.state", false) \
	X(best, "j.best_value", true)

#define TOKEN_COLUMNS \
	"'t' || t.id AS id, t.name, t.role, t.created, t.expires, t.revoked, t.upload_bytes, t.queued_jobs, " \
	"t.requests_per_minute "
#define TOKEN_RIGHTS "t.id AS number, t.name, t.role, t.upload_bytes, t.queued_jobs, t.requests_per_minute "
#define TOKEN_VALID(now) "t.revoked IS NULL AND (t.expires IS NULL OR t.expires > " now ")"

/* Filters of lists of metrics: name in a query, the ids of the rows x that pass, the index that has these in ascending order, whether
 * row x of job j does. Each has one parameter. */
#define QB_METRIC_FILTERS(X) \
	X(tensor, "SELECT id FROM metrics WHERE tensor = ?", "INDEXED BY metrics_tensor", "x.tensor = ?") \
	X(name, "SELECT id FROM metrics WHERE name = ?", "INDEXED BY metrics_name", "x.name = ?") \
	X(scheme, "SELECT id FROM metrics WHERE scheme = ?", "INDEXED BY metrics_scheme", "x.scheme = ?") \
	X(model, METRICS_OF_INPUT("model"), NULL, "EXISTS (SELECT 1 FROM job_inputs i WHERE i.job = j.id AND i.field = 'model' AND i.upload = ?)") \
	X(data, METRICS_OF_INPUT("data"), NULL, "EXISTS (SELECT 1 FROM job_inputs i WHERE i.job = j.id AND i.field = 'data' AND i.upload = ?)") \
	X(type, "SELECT m.id FROM jobs p CROSS JOIN metrics m ON m.job = p.id WHERE p.type = ?", NULL, "j.type = ?") \
	X(scope, NULL, NULL, "x.scope = ?")
#define QB_METRIC_NAME_SCHEME_INDEX "INDEXED BY metrics_name_scheme"
#define METRICS_OF_INPUT(field) \
	"SELECT m.id FROM job_inputs p CROSS JOIN metrics m ON m.job = p.job WHERE p.upload = ? AND p.field = '" field "'"
#define QB_METRIC_JOB_IDS "SELECT id FROM metrics WHERE job = ?"
#define QB_METRIC_JOB_INDEX "INDEXED BY metrics_job"
#define QB_METRIC_JOB_TEST "x.job = ?"
#define QB_METRIC_COLUMNS \
	"x.id, 'j' || x.job AS job, j.type, " INPUT_REF("model") "AS \"model:json\", " INPUT_REF("data") "AS \"data:json\", " \
	"x.scope, x.scheme, x.tensor, x.step, x.name, x.value, x.unit, x.time"

#define QB_SQL(X) \
	/* transactions */ \
	X(BEGIN, "BEGIN IMMEDIATE") \
	X(COMMIT, "COMMIT") \
	X(ROLLBACK, "ROLLBACK") \
	X(DURABLE, "PRAGMA synchronous = FULL") \
	X(LAZY, "PRAGMA synchronous = NORMAL") \
	/* changes nothing, but has to be written */ \
	X(STORAGE_PROBE, "UPDATE counters SET last = last WHERE kind = 'm'") \
	/* uploads */ \
	X(UPLOAD_NUMBER, "UPDATE counters SET last = last + 1 WHERE kind = ?1 RETURNING last") \
	X(UPLOAD_INSERT, "INSERT INTO uploads (id, kind, number, name, sha256, size, created, submitter, token) " \
		"VALUES (?1 || ?2, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)") \
	X(UPLOAD_OWNER, "SELECT coalesce(token, 0) FROM uploads WHERE id = ?1") \
	X(UPLOAD_BY_HASH, "SELECT id FROM uploads WHERE kind = ?1 AND sha256 = ?2") \
	X(UPLOAD_GET, "SELECT " UPLOAD_COLUMNS "FROM uploads WHERE id = ?1") \
	X(UPLOAD_LIST, "SELECT " UPLOAD_COLUMNS "FROM uploads WHERE kind = ?1 AND " \
		"(?2 IS NULL OR sha256 = ?2) AND (?3 IS NULL OR number < ?3) " \
		"ORDER BY number DESC LIMIT ?4") \
	X(UPLOAD_COUNT, "SELECT count(*) FROM uploads WHERE kind = ?1 AND " \
		"(?2 IS NULL OR sha256 = ?2)") \
	X(UPLOAD_GRAPH, "SELECT inspection AS state, inspection_error AS \"error:json\", " \
		"json_extract(inspection_result, '$.graph') AS \"graph:json\" FROM uploads " \
		"WHERE id = ?1") \
	X(UPLOAD_FILE, "SELECT name, sha256, inspection AS state, " \
		"json_extract(inspection_error, '$.detail') AS why FROM uploads WHERE id = ?1") \
	X(UPLOAD_DESCRIPTION, "SELECT json_remove(inspection_result, '$.graph') AS \"description:json\" " \
		"FROM uploads WHERE id = ?1 AND inspection = 'ok'") \
	X(UPLOAD_USERS, "SELECT 'j' || j.id AS id FROM jobs j JOIN job_inputs i ON i.job = j.id " \
		"WHERE i.upload = ?1 AND j.state IN ('queued', 'running') LIMIT 1") \
	X(UPLOAD_RESULTS, "SELECT 'j' || min(j.id) AS id, count(*) AS n FROM jobs j JOIN job_inputs i ON i.job = j.id " \
		"WHERE i.upload = ?1 AND j.state = 'succeeded' HAVING count(*) > 0") \
	X(UPLOAD_DELETE, "DELETE FROM uploads WHERE id = ?1") \
	X(UPLOAD_PENDING, "SELECT id, kind, name, sha256 FROM uploads WHERE " \
		"inspection = 'pending' ORDER BY created") \
	X(UPLOAD_INSPECTING, "UPDATE uploads SET inspections = inspections + ?2 WHERE id = ?1") \
	X(UPLOAD_INSPECTED, "UPDATE uploads SET inspection = ?2, inspection_result = ?3, " \
		"inspection_error = ?4 WHERE id = ?1") \
	/* the one ?1, or all: those whose inspection ended without a verdict on the file */ \
	X(UPLOAD_REINSPECT, "UPDATE uploads SET inspection = 'pending', inspection_error = NULL WHERE " \
		"(?1 IS NULL OR id = ?1) AND inspection = 'failed' AND inspections < " INSPECTIONS_MAX " AND " \
		"json_extract(inspection_error, '$.code') IN ('worker_crashed', 'worker_unavailable', " \
		"'time_limit', 'cancelled', 'out_of_memory', 'input_damaged') RETURNING 1") \
	/* one that could not be read under its name, which says what kind of file it is (.txt) */ \
	X(UPLOAD_RENAME, "UPDATE uploads SET name = ?2, inspection = 'pending', inspection_error = NULL, inspections = 0 " \
		"WHERE id = ?1 AND inspection = 'failed' AND name <> ?2 RETURNING 1") \
	X(UPLOAD_INSPECT_AGAIN, "UPDATE uploads SET inspection = 'pending', inspection_error = NULL, " \
		"inspections = 0 WHERE id = ?1") \
	X(UPLOAD_GIVE_UP, "UPDATE uploads SET inspection = 'failed', inspection_error = " \
		"json_object('code', 'gave_up', 'detail', 'the server went down " INSPECTIONS_MAX " times while it " \
		"looked into this file; ask for another inspection if you think that the file was not the cause') " \
		"WHERE inspection = 'pending' AND inspections >= " INSPECTIONS_MAX) \
	X(BLOB_USERS, "SELECT (SELECT count(*) FROM uploads WHERE sha256 = ?1) + " \
		"(SELECT count(*) FROM artifacts WHERE sha256 = ?1)") \
	X(BLOB_LIST, "SELECT sha256, max(size) AS size FROM (SELECT sha256, size FROM uploads UNION ALL SELECT sha256, size " \
		"FROM artifacts) GROUP BY sha256") \
	X(BLOB_BYTES, "SELECT coalesce((SELECT sum(size) FROM (SELECT size FROM uploads UNION " \
		"ALL SELECT size FROM artifacts)), 0)") \
	/* jobs */ \
	X(JOB_INSERT, "INSERT INTO jobs (type, spec, fingerprint, engine, created, submitter, token, target, priority, retries, limits) " \
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) RETURNING id") \
	X(JOB_AFTER_INSERT, "INSERT OR IGNORE INTO job_after (job, after) VALUES (?1, ?2)") \
	/* those that wait for ?1, or for any (NULL), in vain */ \
	X(JOB_AFTER_IN_VAIN, "SELECT a.job AS id, 'j' || b.id AS after, b.state FROM job_after a JOIN jobs b ON b.id = a.after JOIN " \
		"jobs j ON j.id = a.job WHERE (?1 IS NULL OR a.after = ?1) AND b.state IN ('failed', 'cancelled') AND j.state = 'queued'") \
	X(JOB_OWNER, "SELECT coalesce(token, 0) FROM jobs WHERE id = ?1") \
	X(JOB_INPUT_INSERT, "INSERT INTO job_inputs (job, field, upload, name, sha256) " \
		"VALUES (?1, ?2, ?3, ?4, ?5)") \
	X(JOB_INPUTS, "SELECT field, upload, name, sha256, EXISTS (SELECT 1 FROM uploads u " \
		"WHERE u.id = upload) AS \"exists:bool\" FROM job_inputs WHERE job = ?1") \
	X(JOB_BY_FINGERPRINT, "SELECT id FROM jobs WHERE fingerprint = ?1 AND state IN " \
		"('queued', 'running', 'succeeded') ORDER BY id DESC LIMIT 1") \
	X(JOB_GET, "SELECT " JOB_COLUMNS ", " EXPECTED "FROM jobs j WHERE j.id = ?1") \
	X(JOB_STATE, "SELECT state, type, attempts FROM jobs WHERE id = ?1") \
	/* those of the ids in a JSON array, in its order */ \
	X(JOB_ROWS, "SELECT " JOB_ROW "FROM json_each(?1) e CROSS JOIN jobs j ON j.id = e.value ORDER BY e.key") \
	X(JOB_TOTAL, "SELECT count(*) FROM jobs") \
	X(JOB_QUEUED, "SELECT count(*) FROM jobs WHERE state = 'queued'") \
	/* those that wait for a target, in their order */ \
	X(JOB_QUEUE, "SELECT json_group_array(id) AS \"ids:json\" FROM (SELECT id FROM jobs WHERE state = 'queued' AND target = ?1 " \
		"ORDER BY priority DESC, id)") \
	/* on target ?1, at the time ?2: of the highest priority the job of whom has used least since ?3, and of that one the oldest */ \
	X(JOB_NEXT, "WITH used AS MATERIALIZED (SELECT coalesce(token, 0) AS whose, sum(julianday(coalesce(finished, ?2)) - " \
		"julianday(started)) AS days FROM jobs WHERE started > ?3 GROUP BY 1) SELECT j.id, j.spec AS \"spec:json\", j.attempts, " \
		"j.limits AS \"limits:json\" FROM jobs j LEFT JOIN used ON whose = coalesce(j.token, 0) WHERE j.state = 'queued' AND " \
		"j.target = ?1 AND (j.not_before IS NULL OR j.not_before <= ?2) AND NOT EXISTS (SELECT 1 FROM job_after a JOIN jobs b ON " \
		"b.id = a.after WHERE a.job = j.id AND b.state <> 'succeeded') ORDER BY j.priority DESC, coalesce(days, 0), j.id LIMIT 1") \
	/* milliseconds until the next one that waits for its time may start */ \
	X(JOB_NEXT_MS, "SELECT CAST((julianday(min(not_before)) - julianday(?1)) * 86400000 AS INTEGER) FROM jobs WHERE " \
		"state = 'queued' AND not_before > ?1 HAVING min(not_before) IS NOT NULL") \
	/* jobs that wait, by target */ \
	X(JOB_WAITING, "SELECT coalesce((SELECT json_group_object(target, n) FROM (SELECT target, count(*) AS n FROM jobs WHERE " \
		"state = 'queued' GROUP BY target)), '{}') AS \"queued:json\"") \
	/* what lists show, filter and search, once the job's row, inputs and tags are there */ \
	X(JOB_NETWORK, "UPDATE jobs SET network = coalesce((SELECT name FROM job_inputs WHERE job = ?1 AND field = 'model'), " \
		"json_extract(spec, '$.network.name'), json_extract(spec, '$.network')) WHERE id = ?1") \
	X(JOB_SCHEMES, "INSERT OR IGNORE INTO job_schemes (scheme, job) SELECT scheme, job FROM job_scheme_names " \
		"WHERE job = ?1 AND scheme IS NOT NULL") \
	X(JOB_TEXT, "INSERT OR REPLACE INTO job_text (rowid, text) SELECT job, text FROM job_words WHERE job = ?1") \
	X(JOB_TEXT_DELETE, "DELETE FROM job_text WHERE rowid = ?1") \
	X(JOB_BEST, "UPDATE jobs SET best = ?2 WHERE id = ?1") \
	X(JOB_BEST_UNKNOWN, "SELECT id, type FROM jobs WHERE state = 'succeeded' AND best IS NULL") \
	X(JOB_NAME, "UPDATE jobs SET name = nullif(?2, '') WHERE id = ?1") \
	X(JOB_NOTES, "UPDATE jobs SET notes = nullif(?2, '') WHERE id = ?1") \
	X(JOB_TAG_INSERT, "INSERT OR IGNORE INTO job_tags (tag, job) VALUES (?2, ?1)") \
	X(JOB_TAG_DELETE, "DELETE FROM job_tags WHERE tag = ?2 AND job = ?1") \
	X(JOB_TAGS_CLEAR, "DELETE FROM job_tags WHERE job = ?1") \
	X(JOB_TAGS, "SELECT count(*) FROM job_tags WHERE job = ?1") \
	X(TAG_LIST, "SELECT tag, count(*) AS jobs FROM job_tags GROUP BY tag ORDER BY 2 DESC, tag LIMIT 1000") \
	X(JOB_SPEC, "SELECT spec AS \"spec:json\", engine, target FROM jobs WHERE id = ?1") \
	X(JOB_ENGINE, "UPDATE jobs SET engine = ?2, fingerprint = ?3 WHERE id = ?1") \
	X(JOB_MACHINE, "UPDATE jobs SET machine = ?2 WHERE id = ?1") \
	X(JOB_START, "UPDATE jobs SET state = 'running', attempts = attempts + 1, " \
		"started = ?2, finished = NULL, progress = NULL, error = NULL, machine = NULL, not_before = NULL, " \
		"worker_exit = NULL WHERE id = ?1") \
	X(JOB_FINISH, "UPDATE jobs SET state = ?2, finished = ?3, error = ?4, " \
		"worker_exit = ?5, progress = CASE ?2 WHEN 'succeeded' THEN json_object('stage', 'done', " \
		"'fraction', 1.0, 'text', '') ELSE progress END WHERE id = ?1") \
	X(JOB_REQUEUE, "UPDATE jobs SET state = 'queued', started = NULL, finished = NULL, " \
		"progress = NULL, error = NULL, attempts = attempts - ?2 WHERE id = ?1") \
	/* a failure that may pass, tried again at ?2 */ \
	X(JOB_LATER, "UPDATE jobs SET state = 'queued', started = NULL, finished = NULL, progress = NULL, error = NULL, " \
		"retried = retried + 1, not_before = ?2 WHERE id = ?1") \
	X(JOB_RETRIES, "SELECT retries, retried FROM jobs WHERE id = ?1") \
	X(JOB_RETRY, "UPDATE jobs SET state = 'queued', started = NULL, finished = NULL, " \
		"progress = NULL, error = NULL, attempts = 0, retried = 0, not_before = NULL WHERE id = ?1") \
	X(JOB_PROGRESS, "UPDATE jobs SET progress = ?2 WHERE id = ?1") \
	X(JOB_RUNNING, "SELECT id, attempts FROM jobs WHERE state = 'running' ORDER BY id") \
	X(JOB_DELETE, "DELETE FROM jobs WHERE id = ?1") \
	X(JOB_CENSUS, "SELECT coalesce(sum(state = 'queued'), 0) AS queued, " \
		"coalesce(sum(state = 'running'), 0) AS running, " \
		"coalesce(sum(state = 'succeeded'), 0) AS succeeded, " \
		"coalesce(sum(state = 'failed'), 0) AS failed, " \
		"coalesce(sum(state = 'cancelled'), 0) AS cancelled FROM jobs") \
	/* grids: jobs of one submission */ \
	X(GRID_INSERT, "INSERT INTO grids (spec, created, submitter, token) VALUES (?1, ?2, ?3, ?4) RETURNING id") \
	X(GRID_JOB_INSERT, "INSERT INTO grid_jobs (grid, number, job, at) VALUES (?1, ?2, ?3, ?4)") \
	X(GRID_GET, "SELECT 'g' || id AS id, spec AS \"spec:json\", created, submitter FROM grids WHERE id = ?1") \
	X(GRID_OWNER, "SELECT coalesce(token, 0) FROM grids WHERE id = ?1") \
	X(GRID_JOBS, "SELECT 'j' || j.id AS job, g.at AS \"at:json\", j.state, j.progress AS \"progress:json\", j.error AS \"error:json\" " \
		"FROM grid_jobs g JOIN jobs j ON j.id = g.job WHERE g.grid = ?1 ORDER BY g.number") \
	X(GRID_WAITING, "SELECT j.id FROM grid_jobs g JOIN jobs j ON j.id = g.job WHERE g.grid = ?1 AND j.state IN ('queued', 'running') " \
		"ORDER BY j.id DESC") \
	X(GRID_LIST, "SELECT 'g' || g.id AS id, g.spec AS \"spec:json\", g.created, g.submitter, (SELECT json_group_object(state, n) FROM " \
		"(SELECT j.state, count(*) AS n FROM grid_jobs i JOIN jobs j ON j.id = i.job WHERE i.grid = g.id GROUP BY j.state)) AS " \
		"\"states:json\" FROM grids g WHERE (?1 IS NULL OR g.id < ?1) ORDER BY g.id DESC LIMIT ?2") \
	X(GRID_COUNT, "SELECT count(*) FROM grids") \
	/* events */ \
	X(EVENT_INSERT, "INSERT INTO events (job, kind, data) VALUES (?1, ?2, ?3)") \
	X(EVENT_LIST, "SELECT id, kind, data FROM events WHERE job = ?1 AND id > ?2 " \
		"ORDER BY id LIMIT 100") \
	/* results */ \
	X(RESULT_INSERT, "INSERT OR REPLACE INTO results (job, result) VALUES (?1, ?2)") \
	X(RESULT_GET, "SELECT j.state, j.type, j.target, j.machine AS \"machine:json\", r.result AS \"result:json\" FROM jobs j LEFT JOIN " \
		"results r ON r.job = j.id WHERE j.id = ?1") \
	X(RESULT_CLEAR, "DELETE FROM results WHERE job = ?1") \
	X(METRIC_INSERT, "INSERT INTO metrics (job, scope, scheme, tensor, step, name, value, " \
		"unit, time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)") \
	X(METRIC_CLEAR, "DELETE FROM metrics WHERE job = ?1") \
	/* so many that to delete them takes a while */ \
	X(JOB_HAS_MANY_ROWS, "SELECT EXISTS (SELECT 1 FROM metrics WHERE job = ?1 LIMIT 1 OFFSET " SOME_ROWS ") OR " \
		"EXISTS (SELECT 1 FROM events WHERE job = ?1 LIMIT 1 OFFSET " SOME_ROWS ")") \
	X(METRIC_CLEAR_SOME, "DELETE FROM metrics WHERE id IN (SELECT id FROM metrics WHERE job = ?1 LIMIT " SOME_ROWS ")") \
	X(EVENT_CLEAR_SOME, "DELETE FROM events WHERE id IN (SELECT id FROM events WHERE job = ?1 LIMIT " SOME_ROWS ")") \
	/* one row of the table: what job ?1 measured */ \
	X(COMPARE_ROW, "SELECT 'j' || j.id AS job, j.engine, j.target, " INPUT_REF("model") "AS \"model:json\", " \
		INPUT_REF("data") "AS \"data:json\", coalesce(json_extract(r.result, " \
		"'$.metric_name'), json_extract(j.spec, '$.metric'), 'top1') AS metric_name, " \
		"json_extract(r.result, '$.float.metric') AS float, " \
		"json_extract(r.result, '$.float.latency.p50_ns') AS float_latency_p50_ns, " \
		"json_extract(r.result, '$.float.size_bytes') AS float_size_bytes, " \
		"json_extract(r.result, '$.float.gates.network') AS float_gates, " \
		"json_extract(r.result, '$.samples') AS samples, " \
		"json_extract(r.result, '$.calibration_samples') AS calibration_samples, " \
		"json_extract(r.result, '$.calibration_spread') AS \"calibration_spread:bool\", " \
		"json_extract(r.result, '$.held_out') AS \"held_out:bool\", " \
		"coalesce(json_extract(r.result, '$.float.latency.machine.cpu'), json_extract(j.machine, '$.cpu')) AS cpu, " \
		"coalesce(json_extract(r.result, '$.float.latency.machine.isa'), json_extract(j.machine, '$.isa')) AS isa, " \
		"json_extract(r.result, '$.float.latency.threads') AS latency_threads " \
		"FROM jobs j JOIN results r ON r.job = j.id WHERE j.id = ?1 AND j.type = 'ptq'") \
	X(COMPARE_CELLS, "SELECT json_extract(s.value, '$.scheme') AS scheme, " \
		"json_extract(s.value, '$.metric') AS metric, " \
		"json_extract(s.value, '$.delta') AS delta, " \
		"json_extract(s.value, '$.delta_low') AS delta_low, " \
		"json_extract(s.value, '$.delta_high') AS delta_high, " \
		"json_extract(s.value, '$.best') AS \"best:bool\", " \
		"json_extract(s.value, '$.weights') AS \"weights:json\", " \
		"json_extract(s.value, '$.activations') AS \"activations:json\", " \
		"coalesce((SELECT json_group_array(json_extract(m.value, '$.name')) FROM " \
		"json_each(s.value, '$.methods') m), '[]') AS \"methods:json\", " \
		"json_extract(s.value, '$.output_sqnr_db') AS output_sqnr_db, " \
		"json_extract(s.value, '$.output_sqnr_low_db') AS output_sqnr_low_db, " \
		"json_extract(s.value, '$.output_sqnr_high_db') AS output_sqnr_high_db, " \
		"json_extract(s.value, '$.size_bytes') AS size_bytes, " \
		"json_extract(s.value, '$.gates.network') AS gates, " \
		"json_extract(s.value, '$.latency.p50_ns') AS latency_p50_ns, " \
		"json_extract(s.value, '$.latency.execution') AS latency_execution, " \
		"json_extract(s.value, '$.latency.short') AS \"latency_short:bool\" " \
		"FROM results r, json_each(r.result, '$.schemes') s WHERE r.job = ?1") \
	X(COMPARE_LATEST, "SELECT max(j.id) AS id FROM jobs j LEFT JOIN job_inputs m ON " \
		"m.job = j.id AND m.field = 'model' LEFT JOIN job_inputs d ON d.job = j.id AND " \
		"d.field = 'data' WHERE j.type = 'ptq' AND j.state = 'succeeded' " \
		"GROUP BY m.sha256, d.sha256, j.target ORDER BY 1 LIMIT 200") \
	/* what is to be told of jobs that ended */ \
	X(JOB_HEADING, "SELECT type, target, submitter FROM jobs WHERE id = ?1") \
	X(DELIVERY_INSERT, "INSERT INTO deliveries (kind, address, body, due) VALUES (?1, ?2, ?3, ?4)") \
	X(DELIVERY_NEXT, "SELECT id, kind, address, body, attempts FROM deliveries WHERE due <= ?1 ORDER BY due LIMIT 1") \
	X(DELIVERY_NEXT_MS, "SELECT CAST((julianday(min(due)) - julianday(?1)) * 86400000 AS INTEGER) FROM deliveries HAVING min(due) " \
		"IS NOT NULL") \
	X(DELIVERY_LATER, "UPDATE deliveries SET attempts = attempts + 1, due = ?2 WHERE id = ?1") \
	X(DELIVERY_DELETE, "DELETE FROM deliveries WHERE id = ?1") \
	/* a few of what is older than what is kept: jobs by the end that they had, and uploads without jobs */ \
	X(RETAIN_JOBS, "SELECT id FROM jobs WHERE (state IN ('failed', 'cancelled') AND finished < ?1) OR (state = 'succeeded' AND " \
		"finished < ?2) ORDER BY id LIMIT 20") \
	X(RETAIN_UPLOADS, "SELECT id FROM uploads u WHERE created < ?1 AND inspection <> 'pending' AND NOT EXISTS (SELECT 1 FROM " \
		"job_inputs i WHERE i.upload = u.id) LIMIT 20") \
	/* tokens, and the sessions that began with one */ \
	X(TOKEN_INSERT, "INSERT INTO tokens (name, role, hash, created, expires, upload_bytes, queued_jobs, " \
		"requests_per_minute) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) RETURNING id") \
	X(TOKEN_GET, "SELECT " TOKEN_COLUMNS "FROM tokens t WHERE id = ?1") \
	X(TOKEN_LIST, "SELECT " TOKEN_COLUMNS "FROM tokens t ORDER BY id DESC") \
	X(TOKEN_NAMED, "SELECT id FROM tokens WHERE name = ?1 AND revoked IS NULL") \
	X(TOKEN_REVOKE, "UPDATE tokens SET revoked = coalesce(revoked, ?2) WHERE id = ?1") \
	X(TOKENS_VALID, "SELECT count(*) FROM tokens t WHERE " TOKEN_VALID("?1")) \
	X(TOKEN_BY_HASH, "SELECT " TOKEN_RIGHTS "FROM tokens t WHERE t.hash = ?1 AND " TOKEN_VALID("?2")) \
	X(TOKEN_BY_SESSION, "SELECT " TOKEN_RIGHTS "FROM sessions s JOIN tokens t ON t.id = s.token WHERE s.hash = ?1 AND " \
		"s.expires > ?2 AND " TOKEN_VALID("?2")) \
	X(TOKEN_UPLOADED, "SELECT coalesce(sum(size), 0) FROM uploads WHERE token = ?1") \
	X(TOKEN_QUEUED, "SELECT count(*) FROM jobs WHERE token = ?1 AND state IN ('queued', 'running')") \
	X(SESSION_INSERT, "INSERT INTO sessions (hash, token, created, expires) VALUES (?1, ?2, ?3, ?4)") \
	X(SESSION_DELETE, "DELETE FROM sessions WHERE hash = ?1") \
	X(SESSIONS_OF_TOKEN_END, "DELETE FROM sessions WHERE token = ?1") \
	X(SESSIONS_SWEEP, "DELETE FROM sessions WHERE expires <= ?1") \
	X(AUDIT_INSERT, "INSERT INTO audit (time, who, token, address, method, path, object, status) " \
		"VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)") \
	X(AUDIT_SWEEP, "DELETE FROM audit WHERE id <= (SELECT max(id) FROM audit) - ?1") \
	X(AUDIT_COUNT, "SELECT count(*) FROM audit") \
	X(AUDIT_LIST, "SELECT 'e' || id AS id, time, who, CASE WHEN token THEN 't' || token END AS token, address, method, path, " \
		"object, status FROM audit WHERE (?1 IS NULL OR id < ?1) ORDER BY audit.id DESC LIMIT ?2") \
	/* artifacts */ \
	X(ARTIFACT_INSERT, "INSERT OR REPLACE INTO artifacts (job, name, content_type, sha256, " \
		"size) VALUES (?1, ?2, ?3, ?4, ?5)") \
	X(ARTIFACT_GET, "SELECT content_type, sha256, size FROM artifacts WHERE job = ?1 AND name = ?2") \
	X(ARTIFACT_HASHES, "SELECT sha256 FROM artifacts WHERE job = ?1") \
	X(ARTIFACT_CLEAR, "DELETE FROM artifacts WHERE job = ?1")

enum qb_sql {
#define X(name, sql) QB_SQL_##name,
	QB_SQL(X)
#undef X
	QB_SQL_COUNT
};

#endif
