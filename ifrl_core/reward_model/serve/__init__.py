"""The reward model over HTTP: `ifrl serve`.

limits.py    what a client may ask for          batcher.py   one queue and one scoring thread
bodies.py    requests in, refusals out          metrics.py   figures for Prometheus
app.py       the endpoints                      server.py    the process
"""
