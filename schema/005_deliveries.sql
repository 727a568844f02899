-- SPDX-License-Identifier: Apache-2.0
-- What is still to be said of jobs that ended: by a webhook (kind webhook, address a URL) or by mail. A row goes when it has been said.
CREATE TABLE deliveries (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL CHECK (kind IN ('webhook', 'mail')),
	address TEXT NOT NULL,
	body TEXT NOT NULL,
	attempts INTEGER NOT NULL DEFAULT 0,
	due TEXT NOT NULL
);
CREATE INDEX deliveries_due ON deliveries (due);
