# SPDX-License-Identifier: Apache-2.0
"""quantbench: what a number format costs a trained network.

    client = quantbench.Client("http://127.0.0.1:8080")
    job = client.submit(type="ptq", model="resnet8.onnx", data={"x": x, "y": y}, metric="top1", schemes=["int8", "E4"])
    job.follow().frame()

    quantbench.run(type="ptq", model="resnet8.onnx", data="test.npz", schemes=["int8"])     # here, with no server
"""
from .client import Client
from .errors import Error
from .job import Job
from .local import Result, run

__version__ = "0.3.0"
__all__ = ["Client", "Error", "Job", "Result", "run"]
