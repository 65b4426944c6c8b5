"""The model behind FastAPI, as one writes it by hand: ONNX Runtime with one thread, the protocol's JSON in and out.

uvicorn fastapi_app:app --workers 1 --no-access-log --loop uvloop --http httptools; MODEL names the file.
"""

import os

import numpy as np
import onnxruntime
from fastapi import FastAPI
from pydantic import BaseModel

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options)
app = FastAPI()


class Tensor(BaseModel):
    name: str
    datatype: str
    shape: list[int]
    data: list[float]


class Request(BaseModel):
    inputs: list[Tensor]


@app.get("/v2/health/ready")
async def ready():
    return {"ready": True}


@app.post("/v2/models/m/infer")
async def infer(request: Request):
    x = request.inputs[0]
    y = session.run(None, {"x": np.array(x.data, dtype=np.float32).reshape(x.shape)})[0]
    output = {"name": "y", "datatype": "FP32", "shape": list(y.shape), "data": y.ravel().tolist()}
    return {"model_name": "m", "outputs": [output]}
