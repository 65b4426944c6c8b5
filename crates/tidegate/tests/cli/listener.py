"""Takes what is told, for a test: webhooks, whose signatures the package of the standard checks, and mail by SMTP.

Usage: listener.py FOLDER SECRET. Ports are written to FOLDER/ports; what was told to FOLDER/told.jsonl, a line each. While there
is a FOLDER/refuse, it holds the status that webhooks are answered with.
"""

import email
import email.policy
import json
import pathlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

folder, secret = pathlib.Path(sys.argv[1]), sys.argv[2]
lock = threading.Lock()


def tell(**what):
    with lock, (folder / "told.jsonl").open("a") as out:
        out.write(json.dumps(what) + "\n")


class Hooks(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            Webhook(secret).verify(body, headers)
            signed = True
        except WebhookVerificationError:
            signed = False
        refuse = folder / "refuse"
        status = int(refuse.read_text()) if refuse.exists() else 200
        tell(by="http", path=self.path, status=status, signed=signed, headers=headers, body=json.loads(body))
        self.send_response(status)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Mails:
    async def handle_DATA(self, _server, _session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        tell(by="smtp", sender=envelope.mail_from, to=envelope.rcpt_tos, subject=mail["subject"], id=mail["message-id"], body=mail.get_content())
        return "250 taken"


class Free(Controller):
    """A server on a port that is free, which is known once it listens."""

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


hooks = ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
mails = Free(Mails(), hostname="127.0.0.1", port=0)
mails.start()
(folder / "ports.new").write_text(json.dumps({"http": hooks.server_port, "smtp": mails.port}))
(folder / "ports.new").rename(folder / "ports")
hooks.serve_forever()
