"""Answers /ping and /invocations: rows of CSV in, one probability for each row out."""

import io

import numpy as np
from flask import Flask, Response, request

import scoring

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
        rows = np.loadtxt(io.BytesIO(request.get_data()), delimiter=",", ndmin=2, dtype=np.float64)
        probabilities = scoring.predict(scoring.model(), rows)
    except ValueError as error:
        return Response(str(error), 400, mimetype="text/plain")
    return Response("".join(f"{value:.9g}\n" for value in probabilities), 200, mimetype="text/csv")
