-- SPDX-License-Identifier: Apache-2.0
-- How often an inspection of the file began: attempts end.
ALTER TABLE uploads ADD COLUMN inspections INTEGER NOT NULL DEFAULT 0;

-- Who refers to a file.
CREATE INDEX uploads_sha256 ON uploads (sha256);
CREATE INDEX artifacts_sha256 ON artifacts (sha256);
