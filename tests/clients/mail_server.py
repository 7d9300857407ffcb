"""A mail server that tells its port, then each mail that it takes as a line of JSON."""

import json
import sys
import time

from aiosmtpd.controller import Controller


class Told:
    async def handle_DATA(self, server, session, envelope):
        mail = {"from": envelope.mail_from, "to": envelope.rcpt_tos, "text": envelope.content.decode("utf-8")}
        print(json.dumps(mail), flush=True)
        return "250 OK"


controller = Controller(Told(), hostname="127.0.0.1", port=0)
controller.start()
print(controller.server.sockets[0].getsockname()[1], flush=True)
while sys.stdin.read(1):
    time.sleep(1)
