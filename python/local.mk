# SPDX-License-Identifier: Apache-2.0
# The client for Python, as a wheel. Without a python3 of 3.11 or later it is left out.
PYTHON_FILES = python/pyproject.toml python/wheel_backend.py python/quantbench/py.typed \
	python/quantbench/__init__.py python/quantbench/client.py python/quantbench/errors.py python/quantbench/events.py \
	python/quantbench/frames.py python/quantbench/http.py python/quantbench/inputs.py python/quantbench/job.py \
	python/quantbench/local.py python/quantbench/progress.py python/quantbench/types.py
EXTRA_DIST += $(PYTHON_FILES) python/make_types.py

if PYTHON3
wheeldir = $(pkgdatadir)/python
nodist_wheel_DATA = python/quantbench-$(VERSION)-py3-none-any.whl
CLEANFILES += $(nodist_wheel_DATA)

$(nodist_wheel_DATA): $(PYTHON_FILES)
	$(AM_V_GEN)$(PYTHON3) -B $(top_srcdir)/python/wheel_backend.py python >/dev/null
endif
