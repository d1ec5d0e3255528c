"""Runs one submission's code, in a process of its own that is expected to come to harm (sandbox.py starts it).

It reads requests from a socket, a line of JSON each, and answers with a line each. It knows neither solutions, nor
what an answer should be, nor points. Answers are sent as numbers, text, lists, and arrays with their bytes; the parent
rebuilds them, so that nothing of a class that the submission defines gets there.
"""

import base64
import json
import os
import re
import socket
import sys

LIMITS = {"RLIMIT_CPU": 60, "RLIMIT_DATA": 3 << 30, "RLIMIT_FSIZE": 64 << 20, "RLIMIT_NPROC": 200, "RLIMIT_CORE": 0}


def limit():
    """Bound what the process may use, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, value in LIMITS.items():
        try:
            hard = resource.getrlimit(getattr(resource, name))[1]
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(getattr(resource, name), (value, value))
        except (AttributeError, ValueError, OSError):
            continue


def to_plain(value, depth=0):
    """A value as JSON. Raises TypeError for what is no number, text, array, or list of such."""
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")  # unless loaded, there can be none of theirs
    if torch and isinstance(value, torch.Tensor):
        value = value.detach().cpu()
        value = (value.float() if value.dtype in (torch.bfloat16, torch.float16) else value).numpy()
    if numpy and isinstance(value, numpy.ndarray | numpy.generic):
        if value.dtype.kind not in "biuf":
            raise TypeError(f"an array of {value.dtype}")
        value = numpy.asarray(value)
        if value.dtype.kind == "f":
            value = value.astype(numpy.float64)
        text = base64.b64encode(numpy.ascontiguousarray(value).tobytes()).decode()
        return {"array": text, "type": value.dtype.str, "shape": list(value.shape)}
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value)
    if isinstance(value, list | tuple) and depth < 4:
        return [to_plain(part, depth + 1) for part in value]
    raise TypeError(f"a {type(value).__name__}")


def from_plain(value, namespace):
    """What a request says as Python's values: arrays become tensors, source code the function that it defines."""
    if isinstance(value, list):
        return tuple(from_plain(part, namespace) for part in value)
    if isinstance(value, dict) and "array" in value:
        import numpy
        import torch

        flat = numpy.frombuffer(base64.b64decode(value["array"]), value["type"])
        return torch.from_numpy(flat.reshape(value["shape"]).copy())
    if isinstance(value, dict) and "given" in value:
        return namespace[value["given"]]
    if isinstance(value, dict):
        made = {}
        exec(value["source"], made)
        return made[value["name"]]
    return value


def plain_python(source):
    """A cell without the lines that only a notebook understands."""
    return re.sub(r"^(\s*)[%!].*$", r"\1pass", source, flags=re.M)


def answer(request, namespace):
    """What to send back for one request."""
    try:
        if "run" in request:
            exec(compile(plain_python(request["run"]), "<cell>", "exec"), namespace)
            return {}
        if not callable(namespace.get(request["call"])):
            return {"error": "NameError", "text": f"there is no function {request['call']}"}
        sent = [from_plain(argument, namespace) for argument in request["arguments"]]
        kept = [part.clone() if hasattr(part, "clone") else part for part in sent]
        value = to_plain(namespace[request["call"]](*sent))
        pairs = [(a, b) for a, b in zip(kept, sent, strict=True) if hasattr(a, "clone")]
        return {"value": value, "changed": not all(bool((a == b).all()) for a, b in pairs)}
    except BaseException as error:
        return {"error": type(error).__name__[:80], "text": str(error)[:300]}


def main():
    limit()
    line = socket.socket(fileno=int(sys.argv[1]))
    requests, answers = line.makefile("rb"), line.makefile("wb")
    os.environ["OMP_NUM_THREADS"] = "1"
    os.environ["MPLBACKEND"] = "Agg"
    sys.path[:0] = [os.getcwd(), sys.argv[2]]
    namespace = {"__name__": "__main__"}
    answers.write(b"{}\n")  # it is there
    answers.flush()
    for request in requests:
        told = answer(json.loads(request), namespace)
        answers.write(json.dumps(told).encode() + b"\n")
        answers.flush()


if __name__ == "__main__":
    main()
