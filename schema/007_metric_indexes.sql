-- SPDX-License-Identifier: Apache-2.0
-- Rows of results by each of what they are filtered by, in the order of lists: that of their numbers.
DROP INDEX metrics_name;
CREATE INDEX metrics_name ON metrics (name);
CREATE INDEX metrics_name_scheme ON metrics (name, scheme);
CREATE INDEX metrics_scheme ON metrics (scheme) WHERE scheme IS NOT NULL;
CREATE INDEX metrics_tensor ON metrics (tensor) WHERE tensor IS NOT NULL;
