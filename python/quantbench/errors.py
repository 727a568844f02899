# SPDX-License-Identifier: Apache-2.0
"""What goes wrong, as one class."""


class Error(Exception):
    """A refusal of the server, a job that failed, or a server that cannot be reached.

    detail  a sentence for the person, of the server's problem
    status  of HTTP; None where there was no answer, or where a job failed
    code    a stable word: the problem's, the failed job's, or "unreachable", "timeout"
    errors  fields that are wrong: [{"field", "pointer", "detail", "near"}]
    job     the Job that failed, or None
    """

    def __init__(self, detail, *, status=None, code="", errors=(), job=None, retry_after=None):
        super().__init__(detail)
        self.detail, self.status, self.code, self.errors, self.job = detail, status, code, list(errors), job
        self.retry_after = retry_after  # seconds, where the server named them

    def __str__(self):
        lines = [self.detail]
        if len(self.errors) > 1:
            lines += [f"  {e['field']}: {e['detail']}" for e in self.errors]
        return "\n".join(lines)


def of_problem(problem, status, retry_after):
    """The Error of a problem+json, or of an answer that is none (a proxy's)."""
    detail = problem.get("detail") or f"the server answered with status {status}"
    return Error(detail, status=status, code=problem.get("code", ""), errors=problem.get("errors", ()), retry_after=retry_after)
