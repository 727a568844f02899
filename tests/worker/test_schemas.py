#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schema/jobs: what the tables of fields say of each kind of job, to be read and compared without a build.
With --write: brings the files up to date."""
import json
import os
import subprocess
import sys
import unittest

import worker

FOLDER = os.path.normpath(os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../schema/jobs"))


def schemas():
    p = subprocess.run([os.path.join(worker.BUILD, "quantbench-worker"), "--serve"], capture_output=True, text=True, check=True,
                       input='{"ask": "types"}\n')
    return {f"{t['type']}.json": json.dumps(t["schema"], indent=2) + "\n" for t in json.loads(p.stdout)["answer"]["types"]}


class Schemas(unittest.TestCase):
    def test_files__of_every_kind__are_what_the_worker_says(self):
        said = schemas()
        self.assertEqual(sorted(os.listdir(FOLDER)), sorted(said))
        for name, text in said.items():
            with open(os.path.join(FOLDER, name), encoding="utf-8") as f:
                self.assertEqual(f.read(), text, f"{name}: write it anew with tests/worker/test_schemas.py --write")


if __name__ == "__main__":
    if "--write" in sys.argv:
        for name, text in schemas().items():
            with open(os.path.join(FOLDER, name), "w", encoding="utf-8") as f:
                f.write(text)
    else:
        unittest.main(verbosity=1)
