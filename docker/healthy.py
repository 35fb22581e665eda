"""Health check of a service: exit code 0 when the URL answers with less than 500 (a refusal is an answer)."""

import sys
from urllib.error import HTTPError
from urllib.request import urlopen

try:
    urlopen(sys.argv[1], timeout=5).close()
except HTTPError as error:
    sys.exit(error.code >= 500)
except OSError as error:
    sys.exit(f"{sys.argv[1]}: {error}")
