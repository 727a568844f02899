#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""daemon/validate against the official JSON Schema Test Suite, for the keywords that it claims."""
import glob
import os
import re
import subprocess
import sys

BUILD = os.environ.get("top_builddir", os.path.join(os.path.dirname(__file__), "../../../build"))
SUITE = os.environ.get("JSON_SCHEMA_TEST_SUITE", "/usr/share/json-schema-test-suite/tests/draft7")
# Draft 7 ignores what stands beside $ref; 2020-12, which our schemas are written in, does not.
DIFFER = {"ref.json: ref overrides any sibling keywords: ref valid, maxItems ignored"}
# What is not claimed, and has to be refused.
NOT_CLAIMED = (r'the keyword "(additionalItems|patternProperties|contains|dependencies|if|then|else|maxProperties|minProperties|'
               r'multipleOf|propertyNames|\$id|tilda~field)" is not understood|"\$ref" cannot be "http:.*"|'
               r'a schema is an object, true or false')

files = sorted(glob.glob(os.path.join(SUITE, "*.json")))
if not files:
    print("SKIP: lacks schemas: no JSON Schema Test Suite in %s; install json-schema-test-suite" % SUITE)
    sys.exit(77)
said = subprocess.run([os.path.join(BUILD, "tests/unit/daemon/schema_suite"), *files], stdout=subprocess.PIPE, text=True,
                      check=True).stdout.splitlines()
differ = {line.split(": ", 1)[1] for line in said if line.startswith("differs: ")}
refused = [line for line in said if line.startswith("refused: ")]
unexpected = [line for line in refused if not re.search("(?:%s)$" % NOT_CLAIMED, line)]
tests = int(said[-1].split()[0])
print("\n".join(sorted(differ ^ DIFFER) + unexpected + [said[-1]]))
sys.exit(differ != DIFFER or bool(unexpected) or tests < 200)
