"""A language model behind Tidegate, as its users ask it: language_check.py TIDEGATE.

Each line that is printed is something that held; the first that does not ends the check with an error.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import openai
from processes import Server, free_port

import tiny_llama

CONFIG = """\
version: 1
workspace: words
upstreams:
  llm: {{ servers: http://127.0.0.1:{port}, probe: 200ms }}
models:
  assistant: {{ artifact: assistant.json, golden: golden.json, gates: {{ speed: {{ latency_p99_ms: 60000 }} }} }}
services:
  assistant: {{ model: assistant }}
releases:
  default:
    steps: [ {{ canary: {{ weights: [50], min_time: 5s }} }}, {{ promote: {{ watch: 1s }} }} ]
    judge:
      tick: 1s
      warm_up: 0s
      min_requests: 20
      guardrails:
        latency_p50: none
        latency_p95: none
        latency_p99: none
        sample_ratio: none
        first_token_p50: {{ slack: 5%, harm_slack: 20%, tolerance: 2, harm: 4 }}
        cost_p50: {{ slack: 2%, harm_slack: 20% }}
"""
LONGER = "You are a most obliging assistant who weighs each word twice. " * 4
RELEASE_S_MAX = 120


def version(system):
    price = {"input": 0.5, "output": 1.5}
    parameters = {"temperature": 0, "max_tokens": 8}
    return {"upstream": "llm", "model": "tiny", "openai": {"prompt": {"system": system}, "parameters": parameters, "price": price}}


def holds(what, it):
    if not it:
        raise SystemExit(f"error: does not hold: {what}")
    print(f"holds: {what}")


def run(tidegate, root, *words):
    done = subprocess.run([tidegate, *words], cwd=root, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"error: tidegate {' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def release(tidegate, root, number, load):
    """What became of a release under load: the last words of its status."""
    run(tidegate, root, "gate")
    # The one before is still watched for a moment.
    while subprocess.run([tidegate, "release", "start", "assistant", str(number)], cwd=root, capture_output=True).returncode:
        time.sleep(0.5)
    deadline = time.monotonic() + RELEASE_S_MAX
    while time.monotonic() < deadline:
        load()
        status = json.loads(run(tidegate, root, "release", "status", f"assistant/{number}", "--json"))
        if status["row"]["phase"] in ("promoted", "watching", "rolled back", "aborted"):
            return status
    raise SystemExit(f"error: the release did not end: {status}")


def main():
    tidegate = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        tiny_llama.write(str(root / "tiny.gguf"), 7)
        port = free_port()
        serve = [sys.executable, "-m", "llama_cpp.server", "--model", root / "tiny.gguf", "--model_alias", "tiny"]
        serve += ["--port", port, "--n_ctx", 512, "--n_threads", 1, "--interrupt_requests", "false"]
        request = {"messages": [{"role": "user", "content": "hello"}], "temperature": 0, "max_tokens": 4}
        tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps(request)]}
        (root / "golden.json").write_text(json.dumps({"requests": [{"id": "hello", "inputs": [tensor]}]}))
        (root / "tidegate.yaml").write_text(CONFIG.format(port=port))
        (root / "assistant.json").write_text(json.dumps(version("Be brief.")))
        with Server("llama.cpp", serve, port, root / "llama.log"):
            run(tidegate, root, "gate")
            holds("a real llama.cpp is registered: its model is listed, its golden answer recorded", True)
            up = subprocess.Popen([tidegate, "up", "--any-port"], cwd=root, stdout=subprocess.DEVNULL, stderr=open(root / "up.log", "w"))
            try:
                checked(tidegate, root)
            except BaseException:
                print((root / "up.log").read_text()[-3000:], file=sys.stderr)
                raise
            finally:
                up.terminate()
                up.wait()


def waited(path):
    for _ in range(600):
        if path.exists():
            return path.read_text()
        time.sleep(0.1)
    raise SystemExit(f"error: {path} never came")


def checked(tidegate, root):
    token = waited(root / ".tidegate/keys/gateway.token").strip()
    owner = json.loads(waited(root / ".tidegate/up.json"))
    run(tidegate, root, "release", "start", "assistant", "1")
    gateway = f"http://{owner['gateway']}"
    client = openai.OpenAI(base_url=f"{gateway}/v1", api_key=token, max_retries=0)
    messages = [{"role": "user", "content": "hello"}]

    def whole():
        return client.chat.completions.create(model="assistant", messages=messages)

    for _ in range(300):
        try:
            first = whole()
            break
        except openai.APIStatusError:
            time.sleep(0.1)
    text = first.choices[0].message.content
    holds("OpenAI's client is answered, with the version's own parameters", first.usage.completion_tokens == 8 and text)
    chunks = list(client.chat.completions.create(model="assistant", messages=messages, stream=True))
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    holds("a stream says token by token what the whole answer says", said == text and len(chunks) > 8)
    holds("models are listed", [model.id for model in client.models.list()] == ["assistant"])
    try:
        client.chat.completions.create(model="nobody", messages=messages)
        holds("a model that is not there is refused", False)
    except openai.NotFoundError as error:
        holds("a model that is not there is refused as the client knows it", error.code == "model_not_found")
    tensor = {"name": "request", "datatype": "BYTES", "shape": [1], "data": [json.dumps({"messages": messages})]}
    ask = urllib.request.Request(f"{gateway}/v2/models/assistant/infer", json.dumps({"inputs": [tensor]}).encode())
    ask.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(ask) as answer:
        holds("the same model answers tensors", json.load(answer)["outputs"][0]["data"] == [text])

    def load():
        """A few streams at once, as users would."""

        def one():
            for _ in range(5):
                with client.chat.completions.create(model="assistant", messages=messages, stream=True) as stream:
                    for _ in stream:
                        pass
                whole()

        threads = [threading.Thread(target=one) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]

    (root / "assistant.json").write_text(json.dumps(version("Be brief!")))
    ended = release(tidegate, root, 2, load)
    holds("a prompt that costs as much is promoted", ended["row"]["phase"] in ("promoted", "watching"))
    time.sleep(3)
    (root / "assistant.json").write_text(json.dumps(version(LONGER)))
    ended = release(tidegate, root, 3, load)
    harm = max(ended["assessment"]["guardrails"], key=lambda rail: rail["e_rollback"])["name"]
    holds("a prompt of many more tokens is taken back for its cost", (ended["row"]["phase"], harm) == ("rolled back", "cost_p50"))
    ask = urllib.request.Request(f"{gateway}/metrics")
    ask.add_header("authorization", f"Bearer {token}")
    with urllib.request.urlopen(ask) as answer:
        page = answer.read().decode()
    for line in page.splitlines():
        if line.startswith(("tidegate_token", "tidegate_first_token_seconds_sum", "tidegate_first_token_seconds_count")) and "_bucket" not in line:
            print(line)


if __name__ == "__main__":
    os.environ.setdefault("NO_COLOR", "1")
    main()
