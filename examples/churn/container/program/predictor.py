"""Answers /ping and /invocations: rows of CSV in, one probability for each row out."""

import io

import numpy as np
import pandas as pd
from flask import Flask, Response, request

import scoring

FEW_BYTES = 20_000

app = Flask(__name__)


@app.get("/ping")
def ping():
    scoring.model()
    return Response("\n", 200, mimetype="application/json")


@app.post("/invocations")
def invocations():
    kind = (request.content_type or "").partition(";")[0].strip()
    if kind != "text/csv":
        return Response("This predictor only supports CSV data", 415, mimetype="text/plain")
    try:
        probabilities = scoring.predict(scoring.model(), read(request.get_data()))
    except ValueError as error:
        return Response(str(error), 400, mimetype="text/plain")
    return Response("".join(f"{value:.9g}\n" for value in probabilities), 200, mimetype="text/csv")


def read(body):
    """The rows of a CSV. pandas reads many rows faster, a few slower. Raises ValueError."""
    if len(body) < FEW_BYTES:
        return np.loadtxt(io.BytesIO(body), delimiter=",", ndmin=2, dtype=np.float64)
    return pd.read_csv(io.BytesIO(body), header=None, dtype=np.float64).to_numpy()
