"""The rival of `ifrl serve`: a Flask endpoint that tokenises and scores one pair a request, as the paper's code does.

    python benchmarks/flask_reward_service.py REWARD_MODEL_FOLDER PORT

Flask's own server with its defaults (a thread a request), the weights' own dtype, whole texts, no batching. The template and
the one-output head are ours, so that both services answer the same question.
"""

import sys

import torch
from flask import Flask, jsonify, request
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from ifrl_core.reward_model.model.template import render

app = Flask(__name__)
folder, port = sys.argv[1], int(sys.argv[2])
device = "cuda" if torch.cuda.is_available() else "cpu"
tokenizer = AutoTokenizer.from_pretrained(folder)
model = AutoModelForSequenceClassification.from_pretrained(folder, dtype="auto").to(device).eval()


@app.post("/predict")
def predict():
    body = request.get_json()
    inputs = tokenizer(render(body["answer"], body["question"]), return_tensors="pt").to(device)
    with torch.no_grad():
        value = model(**inputs).logits.float().sigmoid().item()
    return jsonify({"value": value, "pred": int(value >= 0.5), "question": body["question"], "answer": body["answer"]})


if __name__ == "__main__":
    app.run(host="127.0.0.1", port=port)
